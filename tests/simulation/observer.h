// tests/simulation/observer.h
//
// The observer sees every replica, every disk and every message at once and checks after each step
// what no replica can check alone [S 08/2]. It changes nothing. The first violation ends the run.
//
// Checked here: I-1 leaders per term; I-2, I-4 log matching; I-3 committed entries stay; I-5 leader
// completeness; I-6 equal applied entries and states; I-7 committed means durable on a majority of
// each half; I-8 nothing goes back; I-9 one vote per term, over all lives; I-13 a leader's vote is
// durable; I-14 commit keeps up with the acknowledgements; I-15 one change at a time; I-16; I-18
// and S1: no promise leaves before its write. What one replica can check of itself is
// RaftCore::check_invariants().
//
// Ownership: one Simulation. Disks are borrowed by replica. Cost: O(what changed) per step.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "replication/raft_core.h"
#include "tests/simulation/core_listener.h"
#include "tests/simulation/durable_image.h"
#include "tests/simulation/machine.h"

namespace worldline::simulation {

// What the faults of the later classes led to; a batch must reach them all.
enum class FaultMark : uint8_t {
  kTornTail,
  kDamageAtStart,
  kDamageWhileRunning,
  kWaitedForBytes,
  kLostTailFound,
  kFrozen
};
inline constexpr size_t kFaultMarkCount = static_cast<size_t>(FaultMark::kFrozen) + 1;
const char* fault_mark_name(FaultMark mark);

class Observer {
 public:
  using FaultMarks = std::array<uint64_t, kFaultMarkCount>;
  using Marks = std::array<uint64_t, replication::kNoteKindCount>;

  void set_listener(CoreListener* listener) { listener_ = listener; }  // Borrowed; may be null.

  // --- Told by the nodes
  // --------------------------------------------------------------------------
  void on_disk_created(ReplicaId replica, const DurableImage& disk);  // Before any process starts.
  void on_start(const replication::RaftCore& core);
  void on_stop(ReplicaId replica);       // Its process ended; the disk stays.
  void on_disk_lost(ReplicaId replica);  // Its last image is remembered.
  void after_step(const replication::RaftCore& core);
  void on_send(const replication::RaftCore& core, const replication::Envelope& message);
  void on_receive(const replication::RaftCore& core, const replication::Envelope& message);
  void on_job_stable(const replication::RaftCore& core, replication::JobId job);
  void on_staged(const replication::RaftCore& core, LogIndex index);
  void on_job(const replication::RaftCore& core, const replication::PersistJob& job);
  void on_notes(const replication::Ready& ready);
  void on_apply(ReplicaId replica, const replication::Entry& entry, const MachineState& state);
  void on_install(ReplicaId replica, const replication::LogBoundary& at, const MachineState& state);
  // The replica lacks what it acknowledged: that its leader says so is no failure (I-12).
  void expect_loss(ReplicaId replica) { lossy_.insert(replica); }
  bool expects_loss(ReplicaId replica) const { return lossy_.contains(replica); }
  void mark(FaultMark what, uint64_t times = 1);
  void fail(std::string text);

  // --- Asked by the others
  // ------------------------------------------------------------------------
  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }
  const Marks& marks() const { return marks_; }
  const FaultMarks& fault_marks() const { return fault_marks_; }
  LogIndex committed() const { return LogIndex{committed_.size()}; }
  Term highest_term() const { return highest_term_; }
  uint64_t leader_count() const { return leader_count_; }
  const replication::Membership& committed_config() const { return config_; }
  LogIndex committed_config_index() const { return config_index_; }
  // Was a member of a committed config and is in the newest one no more.
  bool is_removed(ReplicaId replica) const;
  bool was_member(ReplicaId replica) const { return ever_member_.contains(replica); }
  uint32_t times_applied(uint64_t op) const;  // Over the one log all replicas share.
  uint64_t list_hash(uint64_t length) const;  // Of the first so many appended values.
  uint64_t list_length() const { return list_hashes_.size() - 1; }

 private:
  struct Committed {
    Term term;
    Chain chain;
    Term in_term;  // Of the leader that committed it.
    bool is_applied = false;
    storage::Digest128 digest{};
  };
  struct Leader {
    ReplicaId replica;
    uint64_t incarnation = 0;
  };
  // One life of one replica, as of the last step.
  struct View {
    const DurableImage* disk = nullptr;
    Term term;
    ReplicaId vote;
    LogIndex commit;
    LogIndex applied;
    LogIndex boundary;
    LogIndex first{1};  // Of log[0].
    std::vector<DurableImage::Mark> log;
    uint64_t steps = 0;
    LogIndex last() const { return LogIndex{first.value + log.size() - 1}; }
  };

  void check_delta(const replication::RaftCore& core, View& view);
  void check_leader(const replication::RaftCore& core, const View& view);
  void check_new_leader(const replication::RaftCore& core);
  void check_commit_keeps_up(const replication::RaftCore& core);
  void follow_log(const replication::RaftCore& core, View& view);
  void register_entry(ReplicaId replica, LogIndex index, const DurableImage::Mark& mark);
  void follow_commit(const replication::RaftCore& core);
  void check_committed_durable(const replication::RaftCore& core, LogIndex index, Chain chain);
  void follow_config(const replication::RaftCore& core);
  bool is_durable_at(ReplicaId replica, LogIndex index, Chain chain) const;
  void check_state(const char* what, ReplicaId replica, LogIndex index, Chain chain,
                   const storage::Digest128& digest);
  void count_op(const replication::Entry& entry, const MachineState& state);

  bool is_followed(ReplicaId replica) const { return listener_ && views_.contains(replica); }

  CoreListener* listener_ = nullptr;
  std::string failure_;
  Marks marks_{};
  FaultMarks fault_marks_{};
  std::map<ReplicaId, View> views_;
  std::map<ReplicaId, const DurableImage*> disks_;
  std::map<ReplicaId, DurableImage> lost_disks_;
  std::vector<std::vector<DurableImage::Mark>> entries_;  // By index: each (term, chain) ever seen.
  std::vector<Committed> committed_;                      // By index - 1.
  std::unordered_map<uint64_t, Leader> leaders_;          // By term.
  std::unordered_map<uint64_t, ReplicaId> votes_;         // By hash of (replica, term).
  std::unordered_map<uint64_t, uint32_t> ops_;
  std::vector<uint64_t> list_hashes_{0};
  replication::Membership config_;
  LogIndex config_index_;
  std::map<ReplicaId, bool> ever_member_;
  std::set<ReplicaId> lossy_;
  Term highest_term_;
  uint64_t leader_count_ = 0;
};

}  // namespace worldline::simulation
