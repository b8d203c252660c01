// tests/simulation/core_listener.h
//
// What a driver of Raft cores tells whoever wants to follow every step of them: the simulator and
// the scripts do. A listener changes nothing.
//
// Order: on_created, on_start, then per input on_message, on_job_written or on_snapshot (whichever
// it was), what the step put out (on_job, on_sent), and on_step. Ownership: borrowed by the driver.
#pragma once

#include "replication/raft_core.h"

namespace worldline::simulation {

// What of a replica is on its disk.
struct OnDisk {
  Term term;
  ReplicaId vote;
  LogIndex last;  // The core's log up to here.
};

class CoreListener {
 public:
  virtual ~CoreListener() = default;
  virtual void on_created(
      ReplicaId replica) = 0;  // Its disk is new, whatever had that name before.
  virtual void on_start(const replication::RaftCore& core, const OnDisk& disk) = 0;
  virtual void on_stop(ReplicaId replica) = 0;
  virtual void on_message(ReplicaId receiver, const replication::Envelope& message) = 0;
  virtual void on_job_written(ReplicaId replica, replication::JobId job) = 0;
  virtual void on_snapshot(ReplicaId replica, LogIndex index) = 0;
  virtual void on_job(const replication::RaftCore& core, const replication::PersistJob& job) = 0;
  virtual void on_sent(ReplicaId sender, const replication::Envelope& message) = 0;
  virtual void on_step(const replication::RaftCore& core, const OnDisk& disk) = 0;
};

// How far the log of a core is on a disk that has what `covers` says.
template <typename Covers>
LogIndex on_disk_up_to(const replication::RaftLog& log, const Covers& covers) {
  LogIndex last = log.last();
  while (last > log.boundary().id.index && !covers(last, log.chain_at(last)))
    last = LogIndex{last.value - 1};
  return covers(last, log.chain_at(last)) ? last : LogIndex{};
}

}  // namespace worldline::simulation
