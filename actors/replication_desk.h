// actors/replication_desk.h
//
// ReplicationDesk is a node's replication without threads: the RaftNode with all its groups, the
// machine of each, and the ports that carry jobs to the log writer and reports to the node.
//
// Invariants: the node is settled after every input: what the cores handed out is acknowledged, and
//   what committed is told; an input of an unknown group is dropped, but for those that answer. A
//   group that breaks an invariant stops alone, at once; nobody hears of it before the mark that
//   keeps it from being used again is on disk [S 08/2].
// Ownership: the replication actor; not thread-safe, but for the log's completions, which are
// posted. Units: BootTime. Errors: a group that cannot be opened tells its listener. Sources:
// architecture 2, [S 08/1.3], [S 08/3.9].
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "actors/group_machine.h"
#include "actors/log_router.h"
#include "base/clock.h"
#include "replication/log_adapter.h"
#include "replication/node/raft_node.h"
#include "storage/log/log_writer_queue.h"
#include "storage/log/prefix_truncation.h"

namespace worldline::actors {

// A replica of this node that recovery found, or a new one.
struct OpenGroup {
  GroupId group;
  ReplicaId replica;
  // Set: recovered. Else the group is born here, with this node as its only member.
  std::optional<replication::RestoredState> restored;
  uint64_t generation = 0;            // Of the stored hard state.
  storage::LogPlace covered;          // Recovered: up to it checkpoints cover the log.
  storage::LogExtent log;             // As recovery found it; of birth: empty.
  storage::Digest128 birth_digest{};  // Of the state of birth.
  GroupListener listener;
  std::shared_ptr<UncommittedGate> gate;
};

struct ReplicationDeskParts {
  replication::NodeConfig config;
  storage::LogWriterQueue* log = nullptr;  // Borrowed, as is the clock; they outlive the desk.
  const Clock* clock = nullptr;
  storage::TruncationPolicy truncation;  // When a log is cut at its front [S 08/3.6].
  std::function<void(CheckpointJob)> submit_checkpoint;  // It knows its place in the log.
  // The log writer's thread has made a new group's rows; post it to created().
  std::function<void(GroupId, Status)> post_created;
  std::function<void(GroupId)> post_destroyed;
  std::function<void(GroupId)> post_marked;                 // To marked().
  std::function<void(GroupId)> post_truncated;              // To truncated().
  std::function<void(const replication::Fatal&)> on_fatal;  // Ends the process.
  std::function<void(const std::string&)> on_note;
};

class ReplicationDesk final : private replication::LogPort,
                              private replication::MessagePort,
                              private replication::SnapshotPort,
                              private replication::NodePort {
 public:
  explicit ReplicationDesk(ReplicationDeskParts parts);
  ~ReplicationDesk() override;

  // --- Groups ------------------------------------------------------------------------------------
  void open(OpenGroup group);
  void created(GroupId group, const Status& outcome);
  // Its executor is gone: nothing is told any more. The replica stays, until the node stops or
  // remove() is called.
  void close(GroupId group);
  // Also deletes the replica's data; `done` when that is stable.
  void remove(GroupId group, std::function<void()> done);
  void destroyed(GroupId group);
  // By order of whoever found its data wrong: as if it had broken an invariant [S 08/2].
  void distrust(GroupId group, storage::MarkKind kind, const std::string& why);
  // The mark of a group that was stopped is on disk: now its listener hears of it.
  void marked(GroupId group);
  void truncated(GroupId group);  // The front of its log is gone.

  // --- Work --------------------------------------------------------------------------------------
  void propose(ProposalBatchPtr batch);
  void written(std::span<const WrittenJob> jobs);
  void checkpoint(ProposalSeq covers, CheckpointJob job);
  // The log up to `covered`, where a checkpoint was cut, is covered by stable checkpoints. If its
  // term or chain is not that of the log here, an invariant is broken: nothing is let go.
  void checkpointed(GroupId group, const storage::LogPlace& covered);

  void on_disk(const replication::DiskVerdict& verdict);

  // --- Time --------------------------------------------------------------------------------------
  void on_time();
  std::chrono::microseconds until_next_deadline() const;

  const replication::RaftNode& node() const { return *node_; }

 private:
  struct Hosted {
    std::unique_ptr<GroupMachine> machine;
    std::unique_ptr<replication::LogAdapter> adapter;
    std::optional<storage::PrefixTruncation> truncation;  // Set while its log is written to.
    storage::Digest128 birth_digest{};
    ReplicaId replica;
    std::function<void()> removed;  // Set: it is being removed.
    Status stopped;                 // Not OK: it broke an invariant, and its mark is being written.
    std::optional<replication::Fatal> fatal;  // Ends the process once that mark is durable.
  };

  // LogPort
  void write(GroupId group, ReplicaId replica, replication::PersistJob job) override;
  void fetch(GroupId group, const replication::FetchRequest& request) override;
  void compact(GroupId group, LogIndex upto) override;
  void create(GroupId group, ReplicaId replica, const replication::LogBoundary& boundary) override;
  void destroy(GroupId group, ReplicaId lowest_allowed) override;
  void quarantine(GroupId group, ReplicaId replica, const std::string& why) override;
  // MessagePort: a node alone has nobody to speak to.
  void send(replication::Envelope) override {}
  void send_node(NodeId, replication::NodeMessage) override {}
  // SnapshotPort
  void offered(GroupId, const replication::SnapshotMeta&) override {}
  void send(GroupId, ReplicaId) override {}
  void cancel(GroupId, ReplicaId) override {}
  // NodePort
  void fatal(GroupId group, const replication::Fatal& fatal) override;
  void report(const replication::NodeReport& report) override;
  void verify_gone(GroupId, ReplicaId, replication::GoneReason) override {}
  void noted(GroupId, const replication::Note&) override {}

  void mark(GroupId group, ReplicaId replica, storage::MarkKind kind, const std::string& why);
  void truncate_if_due(GroupId group, Hosted& hosted);
  Status begin(OpenGroup& group, Hosted& hosted);
  void lead_if_alone(GroupId group);
  void settle(GroupId group);
  replication::BootTime boot_time() const;

  const ReplicationDeskParts parts_;
  std::map<GroupId, Hosted> hosted_;
  std::unique_ptr<replication::RaftNode> node_;
  bool disk_is_full_ = false;  // Then whatever log may go goes at once.
};

}  // namespace worldline::actors
