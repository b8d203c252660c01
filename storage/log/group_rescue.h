// storage/log/group_rescue.h
//
// What is left to do when a group has lost its majority for good [S 08/3.10, "quorum lost"]: look
// at every copy that survived, choose the one that goes furthest, and begin a new group with its
// state. The old group is over: its copies are marked and never used again.
//
// The new group has an id of its own, so that a copy that turns up later cannot speak with it. Rows
// keep their places; only the digests, which the group keys [S 08/4.8], are computed anew.
//
// Invariants: nothing of the old group is changed before the new one is whole and durable; entries
//   behind the last commit hint count as committed, as any may have been acknowledged.
// Ownership: borrows the stores. Thread: one, with nobody else at the directories.
// Errors: kCorruption: two copies hold different entries in one place; kNotFound: none is whole.
// Order of calls: inspect_copy() of each, choose_copy(), write_rescued() into one, bury_copy() in
//   all.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/status.h"
#include "storage/log/checkpoint_store.h"
#include "storage/log/group_recovery.h"
#include "storage/log/log_store.h"

namespace worldline::storage {

// One copy of a group, as its data directory tells it.
struct SurvivingCopy {
  NodeRecord node;
  std::optional<VerifiedGroup> whole;  // Set: one may go on from it.
  ReplicaId replica;                   // 0 = its rows cannot be read, or there are none.
  std::string fault;                   // Why it is not whole.
};

// Reads only. Not OK: the directory cannot be read at all.
Result<SurvivingCopy> inspect_copy(const LogStore& store, GroupId group);

// The whole copy with the highest (last term, last index); of equal ones the first. Copies of the
// same node are kInvalidArgument: one of them is a copy of a copy.
Result<size_t> choose_copy(std::span<const SurvivingCopy> copies);

// How the new group begins.
struct RescueOrder {
  GroupBirth birth;   // Of the new group, one member.
  ByteBuffer config;  // The same members, for the boundary at the end of the old log.
};
// Builds the state at the end of `source`'s log and makes it the first checkpoint of the new group,
// whose log begins behind it. Durable at return. REQUIRES: the source has an entry.
Status write_rescued(LogStore& log, CheckpointStore& checkpoints, const VerifiedGroup& source,
                     const RescueOrder& order);

// Marks whatever copy is here for good; its rows stay for analysis. `why` is the statement of what
// was lost and is kept with the mark. No effect if there is none.
Status bury_copy(LogStore& log, GroupId group, const std::string& why);

}  // namespace worldline::storage
