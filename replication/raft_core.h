// replication/raft_core.h
//
// RaftCore is one replica's consensus as a plain value: ticks, messages, proposals and completed
// writes go in, one Ready comes out. It reads no clock, does no I/O, takes no lock, and draws
// chance only from config.seed: equal inputs give equal outputs, byte for byte.
//
// Invariants: I-1 .. I-28 of [S 08/2] as far as one replica sees them, checked in every build (see
//   raft_invariants.cc). A broken one leaves as Ready::fatal; if it is ours, the core stops.
// Ownership: one replication actor; not thread-safe.
// Units: time in ticks of kRaftTick; log indexes start at 1 (0 = uninitialised).
// Errors: a refusal is a Status: kNotLeader, kBusy .. as RaftRefusal; nothing was changed.
// Sources: [S 08/1] for the rules, Ongaro's thesis as [T section] for the reasons.
// Order of calls: any input, then take_ready(); persisted() in the order of jobs; applied() after
//   Ready::apply; installed() after Ready::install.
#pragma once

#include <deque>
#include <map>

#include "base/prng.h"
#include "base/status.h"
#include "replication/quorum.h"
#include "replication/raft_inputs.h"
#include "replication/raft_log.h"
#include "replication/raft_messages.h"
#include "replication/raft_roles.h"
#include "replication/ready.h"

namespace worldline::replication {

class RaftCore {
 public:
  // REQUIRES: config.chain set, E >= 4 heartbeats; restored.entries gapless.
  RaftCore(const RaftConfig& config, RestoredState restored);
  RaftCore(const RaftCore&) = delete;
  RaftCore& operator=(const RaftCore&) = delete;

  // --- Time and messages -------------------------------------------------------------------------
  void tick();                         // One tick passed; may start an election.
  void recv(const Envelope& message);  // Late, twice or reordered is fine [S 08/1.5].
  void paused();                       // The tick loop was silent for >= E [S 08/3.5].

  // --- The state machine and the disk ------------------------------------------------------------
  // `term` is the one the effects were computed for. All entries or none are appended.
  ProposeResult propose(Term term, const std::vector<Proposal>& proposals);
  void persisted(JobId job);     // Stable. REQUIRES: jobs in order.
  void applied(LogIndex index);  // REQUIRES: in order, handed out before.
  // A checkpoint at `id` is durable: the log up to it is needed by followers only.
  void checkpointed(EntryId id, Chain chain);
  void fetched(ReplicaId peer, std::vector<Entry> entries);  // Empty: the range is gone.

  // --- Snapshots ---------------------------------------------------------------------------------
  void snapshot_staged(const SnapshotMeta& meta);  // All chunks verified and synced here.
  void installed(LogIndex index);                  // The state machine holds the snapshot.
  void snapshot_result(ReplicaId peer, SnapshotOutcome outcome);
  // The snapshot service sends a checkpoint at `index` to `peer`: entries behind it stay.
  void snapshot_pinned(ReplicaId peer, LogIndex index);

  // --- Peers -------------------------------------------------------------------------------------
  void unreachable(ReplicaId peer);
  void node_hint(ReplicaId replica, PeerHint hint);
  void say_hello();  // A new stream to the leader was opened.

  // --- Membership, reads, leadership -------------------------------------------------------------
  // Errors: kFailedPrecondition, kInvalidArgument; texts for operators. Success without an entry if
  // nothing would change: the index is then that of the config in force.
  Result<LogIndex> change_config(const std::vector<MemberChange>& changes, LogIndex expected_index);
  // Turns the joint change of entry `index` back: once that entry commits, the way leads back to
  // the old voters instead of on to the new ones. Forgotten by a change of leader.
  Status cancel_config_change(LogIndex index);
  void read_barrier(ReadToken token);
  Status transfer(ReplicaId target);
  Status campaign(CampaignReason reason);  // Now, if promotable.
  void forget_leader();
  void set_eligible(bool eligible);
  void set_disk_full(bool is_full);
  Status quiesce();
  void wake();
  void quarantine();

  Ready take_ready();  // Everything to be done since the last call.

  // --- Observers ---------------------------------------------------------------------------------
  RoleKind role() const;
  Term term() const { return hard_.term; }
  ReplicaId vote() const { return hard_.vote; }
  ReplicaId leader() const { return leader_; }
  LogIndex commit() const { return commit_; }
  LogIndex applied_index() const { return applied_; }
  LogIndex stable() const { return stable_; }
  LogIndex verified() const { return verified_; }
  LogIndex barrier() const;  // Of a leader; 0 otherwise.
  bool barrier_committed() const;
  bool is_quiesced() const { return quiesced_; }
  bool is_installing() const { return installing_.has_value(); }
  bool is_stopped() const { return stopped_; }
  ReplicaId transferee() const;
  const HardState& hard_state() const { return hard_; }
  const HardState& durable_hard_state() const { return durable_; }
  const RaftLog& log() const { return log_; }
  const RaftConfig& config() const { return config_; }
  const Progress* progress(ReplicaId replica) const;  // Null unless leader of a member.
  size_t uncommitted_bytes() const;
  size_t uncommitted_transactions() const;
  size_t pending_reads() const;
  uint32_t election_elapsed() const { return election_elapsed_; }
  uint32_t randomised_timeout() const { return randomised_timeout_; }
  void set_randomised_timeout(uint32_t ticks) { randomised_timeout_ = ticks; }  // For tests.

  // Invariants of [S 08/2] this replica can see; O(log). The first broken one, or OK.
  Status check_invariants() const;

 private:
  // --- raft_core.cc: admission, output, the disk -------------------------------------------------
  bool admit(const Envelope& message);
  bool admit_address(const Envelope& message);
  bool admit_without_state(const Envelope& message);
  bool admit_term(const Envelope& message);
  void forget_a_node();
  void refuse_old_term(const Envelope& message);
  void adopt_term(const Envelope& message);
  void dispatch(const Envelope& message);
  void after_input();
  void fail(int invariant, FatalScope scope, std::string text);
  void fail(Fatal fatal);
  void note(NoteKind kind, uint64_t a = 0, uint64_t b = 0);
  Envelope envelope_to(ReplicaId replica, MessageBody body) const;
  Envelope answer_to(const Envelope& asked, MessageBody body) const;
  NodeId node_of(ReplicaId replica) const;
  void send_now(Envelope message);
  void send_now(ReplicaId replica, MessageBody body);
  // Leaves once our (term, vote) and the log up to `match` are on disk.
  void send_stable(Envelope message, LogIndex match = LogIndex{});
  void attach(std::vector<Envelope>& list, Envelope message);
  bool truncate(LogIndex from);  // False: it would have cut what is committed (I-3).
  std::optional<PersistJob> make_job();
  void release(OutstandingJob& job);
  void hand_out_apply(Ready& ready);
  void announce_role();
  void announce_config();
  void set_commit(LogIndex index);
  bool is_self(ReplicaId replica) const { return replica == config_.self.replica; }
  bool is_vote_durable() const;

  // --- raft_election.cc --------------------------------------------------------------------------
  bool in_lease() const;
  bool is_alone() const;  // The only voter: eligibility and stepping down serve nobody then.
  bool is_promotable() const;
  bool is_up_to_date(EntryId candidate) const;
  void reset_election_timer();
  void become_follower(Term term, ReplicaId leader);
  void start_campaign(CampaignReason reason);
  void become_precandidate(CampaignReason reason);
  void send_pre_votes();
  void become_candidate(bool transfer);
  void tally();
  void tally_pre_votes(PrecandidateRole& round);
  void tally_votes(CandidateRole& round);
  void lose_round();
  void tick_non_leader();
  void tick_precandidate(PrecandidateRole& round);
  VoteAnswer judge_pre_vote(const Envelope& message, const PreVoteReq& request) const;
  VoteAnswer judge_vote(const Envelope& message, const VoteReq& request) const;
  void on(const Envelope& message, const PreVoteReq& request);
  void on(const Envelope& message, const PreVoteResp& response);
  void on(const Envelope& message, const VoteReq& request);
  void on(const Envelope& message, const VoteResp& response);
  void on(const Envelope& message, const TimeoutNow& request);

  // --- raft_follower.cc --------------------------------------------------------------------------
  void follow(const Envelope& message);
  void on(const Envelope& message, const Append& append);
  void on(const Envelope& message, const Heartbeat& heartbeat);
  void on(const Envelope& message, const SnapOffer& offer);
  void on(const Envelope& message, const ReadIndexResp& response);
  void on(const Envelope& message, const GroupGone& gone);
  bool is_behind() const;  // Its state machine: it stores no more entries (A10).
  bool check_committed_prefix(const Append& append);
  void reject_append(const Envelope& message, const Append& append);
  std::optional<LogIndex> store_entries(const Append& append, size_t skip);
  void accept_append(const Envelope& message, const Append& append, LogIndex match);
  bool join_quiescence(const Heartbeat& heartbeat);
  void answer_staged(LogIndex match);
  bool is_same_history(const LogBoundary& image);
  void keep_log_for_snapshot(const SnapshotMeta& meta);
  void start_install(const SnapshotMeta& meta);
  void finish_install();
  void fail_forwarded_reads();
  void tick_forwarded_reads();

  // --- raft_leader.cc ----------------------------------------------------------------------------
  void become_leader();
  const Entry& append_own(EntryKind kind, SharedBytes payload);
  void on(const Envelope& message, const AppendResp& response);
  void on(const Envelope& message, const HeartbeatResp& response);
  void on(const Envelope& message, const Hello& hello);
  void on_accepted(ReplicaId peer, Progress& progress, const Envelope& message,
                   const AppendResp& response);
  void on_rejected(ReplicaId peer, Progress& progress, const Envelope& message,
                   const AppendResp& response);
  Refusal judge_proposals(Term term, const std::vector<Proposal>& proposals) const;
  bool is_majority_full(const LeaderRole& leader) const;
  static bool is_later_life(const Envelope& message, const Progress& progress);
  void tell_lost(ReplicaId peer);
  void peer_lost_data(ReplicaId peer, Progress& progress, LogIndex claims);
  Progress* heard_from(const Envelope& message);
  void flush_appends();
  void flush_append(ReplicaId peer, Progress& progress);
  bool wants_append(const Progress& progress) const;
  void send_append(ReplicaId peer, Progress& progress, std::vector<Entry> entries);
  void start_snapshot(ReplicaId peer, Progress& progress);
  LogIndex quorum_index() const;
  void maybe_commit();
  void on_committed(LogIndex before);
  void tick_leader();
  void check_quorum();
  void broadcast_heartbeat();
  LogIndex compaction_target(LogIndex checkpoint) const;

  // --- raft_control.cc: membership, reads, transfer, quiescence ----------------------------------
  Status can_change_config(LogIndex expected_index) const;
  Status check_new_voters(const Membership& next) const;
  LogIndex append_config(const Membership& next);
  void adopt_progress();
  void leave_joint_if_due();
  void leave_if_removed();
  void dismiss_departing();
  void add_read(PendingRead read);
  void start_read_round();
  void confirm_reads();
  void release_barrier_reads();
  void finish_read(const PendingRead& read, bool ok);
  void fail_reads();
  void on(const Envelope& message, const ReadIndexReq& request);
  void maybe_send_timeout_now();
  void abort_transfer();

  // --- raft_invariants.cc -----------------------------------------------------------------------
  using Broken = std::optional<Fatal>;
  Broken broken(int number, std::string text) const;
  void check_input();
  Broken check_watermarks() const;
  Broken check_order() const;
  Broken check_role() const;
  Broken check_growth() const;
  Broken check_progress(ReplicaId peer, const Progress& progress) const;
  Broken check_config() const;
  Broken check_members() const;

  // --- Constant after construction ---------------------------------------------------------------
  const RaftConfig config_;

  // --- State -------------------------------------------------------------------------------------
  Prng prng_;
  HardState hard_;     // INVARIANT: a change of (term, vote) sets pending_.hard.
  HardState durable_;  // What the last persisted job said.
  RaftLog log_;
  Role role_;
  ReplicaId leader_;       // Of hard_.term; 0 = unknown.
  ReplicaId term_leader_;  // First leader known of hard_.term; never another one (I-9).
  LogIndex commit_;
  LogIndex applying_;
  LogIndex applied_;
  LogIndex stable_;
  LogIndex verified_;
  uint32_t election_elapsed_ = 0;
  uint32_t randomised_timeout_ = 0;
  uint32_t stale_log_factor_ = 1;  // Doubles with each round lost to better logs, up to 4.
  bool eligible_ = true;
  bool disk_full_ = false;
  bool quiesced_ = false;
  bool stopped_ = false;
  std::optional<SnapshotMeta> installing_;
  std::optional<JobId> installing_job_;      // The job that makes it durable,
  bool install_is_stable_ = false;           // that job is done,
  bool install_is_swapped_ = false;          // and the state machine holds it.
  LogIndex checkpoint_;                      // Newest durable checkpoint.
  std::map<NodeId, uint64_t> incarnations_;  // Highest seen of each node.
  std::deque<ForwardedRead> forwarded_reads_;

  // --- The disk ----------------------------------------------------------------------------------
  uint64_t write_epoch_ = 1;
  uint64_t last_job_ = 0;
  LogIndex unsaved_from_;   // First entry that is in no job yet.
  LogIndex hinted_commit_;  // commit_hint of the newest job with a hard state.
  PendingJob pending_;
  std::deque<OutstandingJob> jobs_;  // INVARIANT: in order; the front completes first.

  // --- Output ------------------------------------------------------------------------------------
  Ready ready_;
  RoleChange announced_;
  LogIndex announced_config_;

  // --- Checks ------------------------------------------------------------------------------------
  Watermarks watermarks_;
  ReplicaId touched_;        // Whose progress this input moved; 0 = nobody's.
  bool may_append_ = false;  // This input brought entries, or they are a leader's own (I-17).
};

}  // namespace worldline::replication
