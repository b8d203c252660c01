// actors/host_ports.h
//
// What a DatabaseHost needs of the world around it: where its log entries, executed batches,
// schedule notices and checkpoints go. The module host's actor implements it; tests record calls.
//
// Thread: called on the module host's thread; only propose() may wait, for a log that is behind.
#pragma once

#include <memory>
#include <vector>

#include "actors/checkpointer.h"
#include "actors/executed_batch.h"
#include "actors/proposal.h"
#include "runtime/runtime_types.h"

namespace worldline::actors {

class HostPorts {
 public:
  virtual ~HostPorts() = default;

  // Entries of the log, in this order. Waits while too much is uncommitted.
  virtual void propose(ProposalBatchPtr batch) = 0;
  virtual void executed(ExecutedBatchPtr batch) = 0;

  // Schedule rows a commit inserted or changed; all rows of all schedule tables, replacing others.
  virtual void arm(std::vector<runtime::ScheduleNotice> notices) = 0;
  virtual void rearm(std::vector<runtime::ScheduleNotice> notices) = 0;

  // Queues the call at the end of the host's own inbox. kOverloaded: there is no room for it.
  virtual Status call_later(runtime::ImmediateCall call) = 0;

  // Stores a checkpoint of the state after `covers` in the background; one at a time per database.
  // Where that is in the log is filled in on the way.
  virtual void checkpoint(ProposalSeq covers, CheckpointJob job) = 0;
};

}  // namespace worldline::actors
