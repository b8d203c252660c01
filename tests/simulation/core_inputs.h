// tests/simulation/core_inputs.h
//
// CoreInputs is the only door to a simulated replica's core: whatever is given to the core goes
// through it, so that a recording misses nothing. It changes nothing.
//
// Ownership: one ReplicaProcess; the recording is borrowed and may be null. Errors: those of the
// core.
#pragma once

#include <vector>

#include "tests/simulation/core_recording.h"

namespace worldline::simulation {

class CoreInputs {
 public:
  CoreInputs(const replication::RaftConfig& config, const replication::RestoredState& state,
             CoreRecording* recording);

  const replication::RaftCore& core() const { return core_; }

  void tick();
  void recv(const replication::Envelope& message);
  void paused();
  replication::ProposeResult propose(Term term,
                                     const std::vector<replication::Proposal>& proposals);
  void persisted(replication::JobId job);
  void applied(LogIndex index);
  void checkpointed(replication::EntryId id, Chain chain);
  void fetched(ReplicaId peer, std::vector<replication::Entry> entries);
  void snapshot_staged(const replication::SnapshotMeta& meta);
  void installed(LogIndex index);
  void snapshot_result(ReplicaId peer, replication::SnapshotOutcome outcome);
  void snapshot_pinned(ReplicaId peer, LogIndex index);
  void unreachable(ReplicaId peer);
  void node_hint(ReplicaId replica, replication::PeerHint hint);
  void say_hello();
  Result<LogIndex> change_config(const std::vector<replication::MemberChange>& changes,
                                 LogIndex expected_index);
  void read_barrier(replication::ReadToken token);
  Status transfer(ReplicaId target);
  Status campaign(replication::CampaignReason reason);
  void forget_leader();
  void set_eligible(bool is_eligible);
  void set_disk_full(bool is_full);
  Status quiesce();
  void wake();
  void quarantine();
  replication::Ready take_ready();

  // An offer of a checkpoint is sent by the shell, not by the core.
  void offered(ReplicaId peer, const replication::Envelope& offer);

 private:
  CoreStep* note(CoreInput input, uint64_t a = 0, uint64_t b = 0);  // Null: nobody records.

  CoreRecording* const recording_;
  replication::RaftCore core_;
  bool is_eligible_ = true;
  bool is_full_ = false;
};

}  // namespace worldline::simulation
