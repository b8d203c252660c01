// replication/raft_messages.h
//
// What replicas of a group say to each other [S 08/1.4]. The cluster id and the version of the wire
// belong to the transport's handshake and frames; everything here is what the core sees.
//
// Thread: values; frozen payloads. Units: log indexes, terms, bytes.
#pragma once

#include <variant>

#include "replication/raft_types.h"

namespace worldline::replication {

enum class CampaignReason : uint8_t { kTimeout = 1, kSuspect = 2, kTransfer = 3, kOperator = 4 };
enum class VoteAnswer : uint8_t {
  kOk = 1,
  kStaleLog = 2,
  kLeaderAlive = 3,
  kNotMember = 4,
  kQuarantined = 5,  // Also a replica without state.
  kVotedOther = 6,
  kOldTerm = 7,
};
enum class HeartbeatStatus : uint8_t {
  kOk = 1,
  kHigherTerm = 2,
  kUnknownGroup = 3,
  kUninit = 4,
  kQuarantined = 5,
  kRefuseQuiesce = 6,
};
enum class GoneReason : uint8_t {
  kRemoved = 1,
  kGroupDeleted = 2,
  kTombstone = 3,
  kLostData = 4,  // By its leader: it reports less than it acknowledged (I-12).
};

struct PreVoteReq {  // Envelope term: the *next* term, not the sender's.
  EntryId last;
  CampaignReason reason = CampaignReason::kTimeout;
};
struct PreVoteResp {  // Envelope term: the requested one if granted, else the voter's own.
  VoteAnswer why = VoteAnswer::kOk;
  ReplicaId leader_hint;
  bool granted() const { return why == VoteAnswer::kOk; }
};
struct VoteReq {
  EntryId last;
  bool transfer = false;  // By order of the leader: leases do not count.
};
struct VoteResp {
  VoteAnswer why = VoteAnswer::kOk;
  bool granted() const { return why == VoteAnswer::kOk; }
};
struct Append {
  EntryId prev;
  Chain prev_chain;
  LogIndex commit;
  std::vector<Entry> entries;  // Consecutive from prev.index + 1; payloads never null.
  uint64_t seq = 0;            // Numbers the messages to one replica in one term, from 1.
};
struct AppendResp {
  bool ok = false;
  LogIndex match;        // ok: equal to the leader's log up to here, and stable.
  LogIndex reject_prev;  // not ok: the refused prev.index,
  EntryId hint;          // a place that may agree; index 0: nothing does,
  LogIndex last_index;   // and the end of the log.
  LogIndex applied;
  uint64_t seq_echo = 0;
  bool disk_full = false;
  bool apply_lag = false;
};
struct Heartbeat {
  LogIndex commit;        // The leader's true commit; the verified rule makes it safe [S 08/1.9].
  uint64_t read_ctx = 0;  // Highest pending read round; 0 = none.
  bool quiesce = false;
};
struct HeartbeatResp {
  HeartbeatStatus status = HeartbeatStatus::kOk;
  uint64_t read_ctx = 0;
  LogIndex applied;
  LogIndex last_index;
};
struct ReadIndexReq {
  ReadToken token;
};
struct ReadIndexResp {
  ReadToken token;
  bool ok = false;
  LogIndex index;
};
struct TimeoutNow {};
// Names a checkpoint to fetch. What is behind it (chunks) never enters the core.
struct SnapshotMeta {
  LogBoundary boundary;
  uint64_t snap_id = 0;
  ByteBuffer manifest_hash;
  uint64_t total_bytes = 0;
  uint32_t chunk_count = 0;
  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};
struct SnapOffer {
  SnapshotMeta meta;
};
struct Hello {  // First message of a new stream to the leader. Envelope term: the current one.
  EntryId last;
  Term durable_term;
  LogIndex boundary_index;
};
struct GroupGone {  // Handled by the node, but for kLostData.
  ReplicaId replica;
  GoneReason reason = GoneReason::kRemoved;
};

using MessageBody = std::variant<PreVoteReq, PreVoteResp, VoteReq, VoteResp, Append, AppendResp,
                                 Heartbeat, HeartbeatResp, ReadIndexReq, ReadIndexResp, TimeoutNow,
                                 SnapOffer, Hello, GroupGone>;

// One message. `to.incarnation` is set in replies: it is that of the asker.
struct Envelope {
  GroupId group;
  Address from;
  Address to;
  Term term;
  LogIndex config_index;  // Of the config in force at the sender.
  MessageBody body;
};

const char* message_name(const MessageBody& body);

}  // namespace worldline::replication
