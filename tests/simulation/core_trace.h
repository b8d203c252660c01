// tests/simulation/core_trace.h
//
// CoreTrace turns the steps of Raft cores into the plain words of the AbstractModel. It is the only
// file that knows both.
//
// Ownership: one run; the model is borrowed and outlives it. Errors: the model keeps them.
#pragma once

#include "tests/simulation/abstract_model.h"
#include "tests/simulation/core_listener.h"

namespace worldline::simulation {

class CoreTrace final : public CoreListener {
 public:
  explicit CoreTrace(AbstractModel& model) : model_(model) {}

  void on_created(ReplicaId replica) override;
  void on_start(const replication::RaftCore& core, const OnDisk& disk) override;
  void on_stop(ReplicaId replica) override;
  void on_message(ReplicaId receiver, const replication::Envelope& message) override;
  void on_job_written(ReplicaId replica, replication::JobId job) override;
  void on_snapshot(ReplicaId replica, LogIndex index) override;
  void on_job(const replication::RaftCore& core, const replication::PersistJob& job) override;
  void on_sent(ReplicaId sender, const replication::Envelope& message) override;
  void on_step(const replication::RaftCore& core, const OnDisk& disk) override;

 private:
  AbstractModel& model_;
};

}  // namespace worldline::simulation
