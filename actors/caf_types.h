// actors/caf_types.h
//
// The message types of this room's actors, registered with CAF. All payloads are shared pointers to
// frozen values or small values; none ever leaves the process, so none is serialised.
//
// Only .cc files of actors/ include this header. Thread: messages may cross any thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/type_id.hpp>

#include "actors/executed_batch.h"
#include "actors/log_router.h"
#include "actors/proposal.h"
#include "base/ids.h"
#include "base/status.h"
#include "runtime/runtime_types.h"

namespace worldline::actors {

// Everything up to `proposal` is committed.
struct CommitNotice {
  ProposalSeq proposal;
};

// This replica leads `term` and everything before it is applied: the lane may open.
struct LeadNotice {
  Term term;
};

// The group cannot be served here.
struct GroupFailure {
  Status why;
};

using ScheduleNotices = std::shared_ptr<const std::vector<runtime::ScheduleNotice>>;

// Cold work for an actor that owns one object: run on its thread, in order.
using Task = std::shared_ptr<const std::function<void()>>;

// The same for the replication actor, which owns a ReplicationDesk.
class ReplicationDesk;
using ReplicationTask = std::function<void(ReplicationDesk&)>;
using ReplicationWork = std::shared_ptr<const ReplicationTask>;

}  // namespace worldline::actors

CAF_BEGIN_TYPE_ID_BLOCK(worldline, first_custom_type_id)

CAF_ADD_TYPE_ID(worldline, (worldline::actors::ExecutedBatchPtr))
CAF_ADD_TYPE_ID(worldline, (worldline::actors::CommitNotice))
CAF_ADD_TYPE_ID(worldline, (worldline::actors::LeadNotice))
CAF_ADD_TYPE_ID(worldline, (worldline::actors::GroupFailure))
CAF_ADD_TYPE_ID(worldline, (worldline::actors::ProposalBatchPtr))
CAF_ADD_TYPE_ID(worldline, (worldline::actors::WrittenJobsPtr))
CAF_ADD_TYPE_ID(worldline, (worldline::actors::ScheduleNotices))
CAF_ADD_TYPE_ID(worldline, (worldline::actors::Task))
CAF_ADD_TYPE_ID(worldline, (worldline::actors::ReplicationWork))

CAF_ADD_ATOM(worldline, worldline::actors, boot_atom, "boot")      // Make the database host.
CAF_ADD_ATOM(worldline, worldline::actors, drain_atom, "drain")    // Take the inbox.
CAF_ADD_ATOM(worldline, worldline::actors, due_atom, "due")        // A timer may have expired.
CAF_ADD_ATOM(worldline, worldline::actors, done_atom, "done")      // The running schedule ended.
CAF_ADD_ATOM(worldline, worldline::actors, rearm_atom, "rearm")    // Forget all, then arm these.
CAF_ADD_ATOM(worldline, worldline::actors, tick_atom, "tick")      // A deadline passed.
CAF_ADD_ATOM(worldline, worldline::actors, retire_atom, "retire")  // Drop state and quit.

CAF_END_TYPE_ID_BLOCK(worldline)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(worldline::actors::ExecutedBatchPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(worldline::actors::CommitNotice)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(worldline::actors::LeadNotice)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(worldline::actors::GroupFailure)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(worldline::actors::ProposalBatchPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(worldline::actors::WrittenJobsPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(worldline::actors::ScheduleNotices)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(worldline::actors::Task)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(worldline::actors::ReplicationWork)
