// replication/node/stand_in.h
//
// What a node says for a replica that cannot speak: one it never had, one that is gone, one that is
// quarantined [S 08/1.5 G1 G4, 3.10]. Nothing is ever created because of a message.
//
// Thread: pure. An answer bears the asker's term, since nobody here has one: it promises nothing,
// and no asker moves to another term because of it.
#pragma once

#include <optional>

#include "replication/raft_messages.h"

namespace worldline::replication {

enum class Absence : uint8_t {
  kUnknown = 1,      // No such replica here, and no trace of one.
  kGone = 2,         // Below the tombstone.
  kQuarantined = 3,  // It exists and must not be believed.
};

// nullopt: silence is the answer. `self` is this node's address with the replica that was asked.
std::optional<Envelope> answer_for_absent(const Envelope& asked, const Address& self,
                                          Absence absence);

}  // namespace worldline::replication
