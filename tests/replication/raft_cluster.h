// tests/replication/raft_cluster.h
//
// RaftCluster drives a few RaftCores over a network, disks and state machines that do only what
// they are told: every message, write and apply step is a call. What happens is written to a trace.
//
// Invariants: after every input the invariants of that core hold and the observer finds nothing;
//   no acknowledgement or vote leaves before what it promises is on the (test) disk; entries are
//   applied once and in order. A breach is a problem: a line in the trace and a failed test.
// Ownership: one test; plain values, one thread. Units: as in replication/raft_types.h.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replication/raft_core.h"
#include "tests/replication/raft_observer.h"
#include "tests/simulation/core_listener.h"

namespace worldline::replication::testing {

enum class Pace : uint8_t { kAutomatic, kManual };

struct ReplicaSpec {
  RaftConfig config;
  RestoredState state;
  Pace disk = Pace::kAutomatic;   // Manual: write_one() completes jobs.
  Pace apply = Pace::kAutomatic;  // Manual: apply_one() runs the state machine.
  // Manual: fetch_one() reads the log for a follower, and a restart leaves nothing in memory that
  // was applied. What was compacted stays on the disk, as nobody waits for its deletion.
  Pace fetch = Pace::kAutomatic;
};

// What a state machine holds, and the place in the log it stands for.
struct StateImage {
  LogBoundary at;
  std::vector<std::string> texts;  // Payloads of the bundles, in order.
};

struct DiskImage {
  HardState hard;
  LogBoundary boundary;
  std::vector<Entry> entries;
  std::map<LogIndex, StateImage> checkpoints;
  std::optional<LogBoundary> kept_from;  // Where `kept` begins, if anything is kept.
  std::vector<Entry> kept;               // Compacted, up to the boundary.

  LogIndex last() const;
  bool has(EntryId id) const;
  void write(const PersistJob& job);
  bool begin_at(LogIndex place);  // The boundary moves there. False: it cannot.
};

// Either an install or one entry.
struct ApplyStep {
  std::optional<SnapshotMeta> install;
  ApplyEntry entry;
};

struct TestReplica {
  ReplicaSpec spec;
  std::unique_ptr<RaftCore> core;
  DiskImage disk;
  std::deque<PersistJob> jobs;  // Not on the disk yet.
  std::deque<ApplyStep> apply_steps;
  StateImage state;
  std::map<LogIndex, size_t> texts_at;    // How many texts the state had there.
  std::deque<FetchRequest> fetches;       // Manual ones.
  std::deque<SnapshotMeta> offers;        // Received, their chunks not fetched.
  std::map<LogIndex, StateImage> staged;  // Fetched, not installed.
  std::set<ReplicaId> wants_snapshot;     // Peers the leader asks to serve.
  std::map<uint64_t, std::string> reads;  // Token -> index or "failed".
  std::vector<std::string> notes;         // Since clear_notes().
  std::vector<std::string> fatals;        // Not yet expected by the test.
  std::vector<std::string> role_changes;  // Since clear_notes().
  uint64_t checks = 0;                    // How often its invariants may have been due.

  ReplicaId id() const { return spec.config.self.replica; }
};

// What is special about a restart; by default nothing is.
struct Restart {
  std::optional<uint64_t> incarnation;
  std::optional<uint64_t> seed;
  size_t written = 0;                  // So many jobs reached the disk and were not reported.
  std::optional<LogIndex> checkpoint;  // Durable, and not reported either.
  std::optional<LogIndex> boundary;    // Recovery lets the log begin here.
  std::optional<LogIndex> last;        // The disk lies: what is behind is gone.
};

// Which messages under way are meant; an empty set means any.
struct MessageFilter {
  std::set<ReplicaId> from;
  std::set<ReplicaId> to;
  std::set<std::string> types;  // As message_name() says.
  std::optional<Term> term;
  size_t skip = 0;  // Of those that match, leave the first ones out.
  size_t count = SIZE_MAX;

  bool matches(const Envelope& message) const;
};

class RaftCluster {
 public:
  void add(ReplicaSpec spec);  // Starts it; replaces a replica of the same id.
  // From its disk: jobs that were not written are lost. False: it cannot be as `how` says.
  bool restart(ReplicaId id, const Restart& how = {});
  void lose(ReplicaId id, const Restart& how);  // Its disk: it starts without a state.
  TestReplica* find(ReplicaId id);
  const std::map<ReplicaId, TestReplica>& replicas() const { return replicas_; }
  std::vector<ReplicaId> ids() const;

  // Runs `input` on the core and everything that follows without messages.
  void feed(ReplicaId id, const std::function<void(RaftCore&)>& input);

  // --- Network ----------------------------------------------------------------------------------
  size_t deliver(const MessageFilter& filter);
  size_t drop(const MessageFilter& filter);
  size_t duplicate(const MessageFilter& filter);  // Copies go to the end; at most kUnderWayMax.
  size_t reverse(const MessageFilter& filter);
  size_t count(const MessageFilter& filter) const;
  void inject(const Envelope& message);  // As if it had just arrived.
  void block(const MessageFilter& filter) { blocks_.push_back(filter); }
  void unblock() { blocks_.clear(); }
  const std::deque<Envelope>& under_way() const { return network_; }

  // --- Disk, state machine, snapshots
  // -------------------------------------------------------------
  bool write_one(ReplicaId id);  // False: nothing to do.
  bool apply_one(ReplicaId id);
  // Answers the oldest fetch, as if the disk had what it was given up to `last` (what was not
  // reported may be on it all the same), or had the range no more.
  enum class Found : uint8_t { kYes, kNo };
  bool fetch_one(ReplicaId id, Found found, LogIndex last = LogIndex{});
  void checkpoint(ReplicaId id);  // Of all that is applied and stable.
  bool checkpoint_at(ReplicaId id, LogIndex index);
  enum class Pinned : uint8_t { kYes, kNo };  // Whether the leader keeps the log behind it.
  bool offer_snapshot(ReplicaId leader, ReplicaId peer, std::optional<LogIndex> index,
                      Pinned pinned = Pinned::kYes);
  // Fetches the oldest offer, or the oldest of this place and forgets those before it.
  bool stage_one(ReplicaId id, std::optional<LogIndex> index = std::nullopt);
  void snapshot_result(ReplicaId leader, ReplicaId peer, SnapshotOutcome outcome);

  // Everything until nothing moves among `replicas` (empty: all). At most kStepsMax steps.
  void stabilise(const std::set<ReplicaId>& replicas);

  // --- Trace ------------------------------------------------------------------------------------
  std::vector<std::string> take_trace();
  void set_tracing(bool is_on) { is_tracing_ = is_on; }
  void set_listener(simulation::CoreListener* listener) { listener_ = listener; }  // Borrowed.
  void set_observing(bool is_on) { is_observing_ = is_on; }
  void clear_notes();
  void problem(const std::string& text);
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  static constexpr size_t kStepsMax = 20000;
  static constexpr size_t kUnderWayMax = 50'000;

  void start(TestReplica& replica, RestoredState state);
  void line(std::string text);
  void check(TestReplica& replica, const std::function<void(RaftCore&)>& input);
  void drain(TestReplica& replica);
  bool advance(TestReplica& replica);
  void take_notices(TestReplica& replica, const Ready& ready);
  void take_work(TestReplica& replica, Ready& ready);
  const StateImage* image_for(TestReplica& sender, ReplicaId peer, std::optional<LogIndex> index);
  void fetch(TestReplica& replica, const FetchRequest& request, const DiskImage& disk);
  std::optional<StateImage> image_at(const TestReplica& replica, LogIndex index) const;
  void store(TestReplica& replica, const PersistJob& job);
  void compact(TestReplica& replica);
  bool crash(TestReplica& replica, const Restart& how);
  bool is_durable(ReplicaId id, EntryId entry) const;
  void send(TestReplica& replica, const Envelope& message);
  void post(const Envelope& message);
  void check_promise(const TestReplica& replica, const Envelope& message);
  void receive(const Envelope& message);
  std::vector<Envelope> take(const MessageFilter& filter);
  void write_front(TestReplica& replica);
  void apply_front(TestReplica& replica);
  bool move(const std::set<ReplicaId>& replicas);
  bool move_message(const std::set<ReplicaId>& replicas);

  std::map<ReplicaId, TestReplica> replicas_;
  std::deque<Envelope> network_;
  std::vector<MessageFilter> blocks_;
  std::map<EntryId, StateImage> images_;  // Every checkpoint ever made, by its place.
  std::vector<std::pair<ReplicaId, DiskImage>> lost_disks_;  // What they held counted.
  RaftObserver observer_;
  simulation::CoreListener* listener_ = nullptr;
  uint64_t snapshots_ = 0;
  bool is_tracing_ = true;
  bool is_observing_ = true;
  bool was_full_ = false;  // The network, and it was told.
  std::vector<std::string> trace_;
  std::vector<std::string> problems_;
};

}  // namespace worldline::replication::testing
