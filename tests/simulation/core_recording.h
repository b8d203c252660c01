// tests/simulation/core_recording.h
//
// All that the Raft cores of one group were given in a run, in order, and what they made of it: the
// raw material of a script that does the same (script_writer.h).
//
// Invariants: the cores are deterministic, so the starts and inputs tell everything; what a step
//   put out is kept to know which messages were under way. A step is recorded before the core sees
//   it: a check that fails in the core finds its cause as the last step.
// Ownership: one run writes, whoever ordered it reads. Units: as in replication/raft_types.h.
// Limits: kStepsMax; what comes later is counted only.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replication/raft_core.h"

namespace worldline::simulation {

enum class CoreInput : uint8_t {
  kStart,
  kClockTick,
  kMessage,
  kPaused,
  kPropose,
  kPersisted,
  kApplied,
  kCheckpointed,
  kFetched,
  kStaged,
  kInstalled,
  kSnapshotResult,
  kSnapshotPinned,
  kOffer,  // No input: the shell sends the message.
  kUnreachable,
  kHint,
  kHello,
  kChange,
  kRead,
  kTransfer,
  kCampaign,
  kForget,
  kEligible,
  kDiskFull,
  kQuiesce,
  kWake,
  kQuarantine,
};

// What a core starts from, as far as a script can say it.
struct CoreStart {
  replication::RaftConfig config;
  replication::HardState hard;
  replication::LogBoundary boundary;
  replication::EntryId last;
  Chain last_chain;
  LogIndex applied;
};

// What of a core can be seen: equal after equal steps.
struct CoreFace {
  replication::RoleKind role = replication::RoleKind::kUninit;
  Term term;
  ReplicaId vote;
  ReplicaId leader;
  LogIndex commit;
  LogIndex applied;
  LogIndex stable;
  LogIndex verified;
  LogIndex boundary;
  replication::EntryId last;
  uint32_t elapsed = 0;
};
CoreFace face_of(const replication::RaftCore& core);
std::string print(const CoreFace& face);

struct CoreStep {
  ReplicaId replica;
  CoreInput input = CoreInput::kClockTick;
  // A peer, index, token, count or choice, and one more of them.
  uint64_t a = 0;
  uint64_t b = 0;
  std::shared_ptr<const replication::Envelope> message;  // kMessage, kOffer.
  std::shared_ptr<const CoreStart> start;                // kStart.
  std::vector<replication::MemberChange> changes;        // kChange.
  std::vector<size_t> payload_bytes;                     // kPropose.
  // What it led to, up to the next step of this replica.
  std::vector<replication::Envelope> sent;
  std::vector<replication::PersistJob> jobs;
  std::optional<LogIndex> compacted_to;
  std::optional<CoreFace> after;  // None: it never returned.
};

class CoreRecording {
 public:
  static constexpr size_t kStepsMax = 200'000;

  // The step is filled in by the caller until the next one is begun.
  CoreStep& begin(ReplicaId replica, CoreInput input);
  // Of the newest step of this replica; called for each of its Readys.
  void on_ready(const replication::RaftCore& core, const replication::Ready& ready);

  const std::deque<CoreStep>& steps() const { return steps_; }
  uint64_t left_out() const { return left_out_; }

 private:
  std::deque<CoreStep> steps_;
  std::map<ReplicaId, size_t> newest_;  // Step of each replica.
  CoreStep ignored_;                    // Where steps beyond the limit go.
  uint64_t left_out_ = 0;
};

}  // namespace worldline::simulation
