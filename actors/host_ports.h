// actors/host_ports.h
//
// What a DatabaseHost needs of the world around it: where its log entries, executed batches,
// schedule notices and checkpoints go. The module host's actor implements it; tests record calls.
//
// Thread: called on the module host's thread; only append() may wait, for a log that is behind.
#pragma once

#include <memory>
#include <vector>

#include "actors/checkpointer.h"
#include "actors/executed_batch.h"
#include "base/status.h"
#include "runtime/runtime_types.h"
#include "storage/log/log_types.h"

namespace worldline::actors {

class HostPorts {
 public:
  virtual ~HostPorts() = default;

  // Jobs become stable in this order. A failure ends the database.
  virtual Status append(storage::LogJob job) = 0;
  virtual void executed(ExecutedBatchPtr batch) = 0;

  // Schedule rows a commit inserted or changed; all rows of all schedule tables, replacing others.
  virtual void arm(std::vector<runtime::ScheduleNotice> notices) = 0;
  virtual void rearm(std::vector<runtime::ScheduleNotice> notices) = 0;

  // Queues the call at the end of the host's own inbox.
  virtual void call_later(runtime::ImmediateCall call) = 0;

  // Stores a checkpoint in the background; one at a time per database.
  virtual void checkpoint(CheckpointJob job) = 0;
};

}  // namespace worldline::actors
