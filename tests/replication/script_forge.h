// tests/replication/script_forge.h
//
// Makes the message of a script's `forge` command: as any replica, of any term, true or not.
//
// Thread: pure functions. Errors: faults of the words.
#pragma once

#include "tests/replication/raft_cluster.h"
#include "tests/replication/script_words.h"

namespace worldline::replication::testing {

// `TYPE from=2 to=1 term=5 FIELD=...`: fields are named as in traces. `inc` and `to-inc` are the
// incarnations (the present ones if absent), `config` the config index, `chain` the prev_chain of
// an Append (that of the true history behind `prev` if absent).
Envelope forge_message(ScriptWords& words, const RaftCluster& cluster);

}  // namespace worldline::replication::testing
