// replication/ready.h
//
// Ready is everything a step of the core wants done. Draining it is the only way to observe the
// core [S 08/1.3].
//
// Order for the driver: role and config notices first, then `persist` to the log writer and
// `send_now` to the transport in any order, then `apply`. When a job is stable the driver calls
// persisted(job); messages that had to wait for it come out of the next Ready as `send_now`.
// Thread: a value, moved from the core to its driver. Units: as in raft_types.h.
#pragma once

#include "replication/raft_messages.h"

namespace worldline::replication {

// One atomic write to this group's log: all of it or nothing after a crash.
struct PersistJob {
  JobId job;
  uint64_t epoch = 0;  // Raised whenever the log is truncated or replaced [S 08/1.10].
  std::optional<HardState> hard_state;
  std::optional<LogIndex> truncate_from;    // Drop entries from here to the end first.
  std::optional<LogBoundary> new_boundary;  // Drop the whole log; it begins behind this.
  std::vector<Entry> entries;               // Consecutive, payloads present.
};

// A committed entry for the state machine, each exactly once per process life.
struct ApplyEntry {
  Entry entry;
  bool local_stable = false;  // On this replica's disk too.
};

enum class RoleKind : uint8_t {
  kUninit = 1,
  kFollower = 2,
  kPrecandidate = 3,
  kCandidate = 4,
  kLeader = 5,
  kQuarantined = 6,
};
const char* role_name(RoleKind role);

struct RoleChange {
  RoleKind role = RoleKind::kUninit;
  Term term;
  ReplicaId leader;  // 0 = unknown.
  LogIndex barrier;  // Of a leader: its first entry.
};
struct ConfigChange {
  LogIndex index;  // Of the entry in force.
  Membership config;
};

// Read a range of the local log for a follower that is behind what memory holds.
struct FetchRequest {
  ReplicaId peer;
  LogIndex first;
  LogIndex last;
  size_t bytes_max = 0;
};

struct ReadReady {
  ReadToken token;
  LogIndex index;  // Answer from the state machine once it has applied this.
};

// How far a broken invariant reaches [S 08/2].
enum class FatalScope : uint8_t {
  kReplica = 1,  // This replica stops and is quarantined.
  kProcess = 2,  // The process ends (exit 70).
  kGroup = 3,    // The process ends, and the database is frozen wherever it is heard of.
};
struct Fatal {
  int invariant = 0;  // 12 = I-12.
  FatalScope scope = FatalScope::kReplica;
  ReplicaId replica;  // Who is at fault; the local one unless the invariant is about a peer.
  std::string text;
};

// Things worth a log line or a counter; also the coverage marks of the simulator.
enum class NoteKind : uint8_t {
  kDropWrongTarget,
  kDropOldIncarnation,
  kDropTermZero,
  kDropNotMember,
  kDropMalformed,
  kDropQuarantined,
  kDropUninit,
  kDropInstalling,
  kDropStaleReply,
  kLeaseIgnoredVote,
  kStaleEpochCompletion,
  kStaleReject,
  kHintBelowBoundary,
  kVerifiedBound,
  kTruncated,
  kProbeToReplicate,
  kReplicateToProbe,
  kToSnapshot,
  kSnapshotIgnored,
  kSnapshotKeptLog,
  kSnapshotInstalled,
  kSnapshotReconnected,
  kCheckQuorumStepDown,
  kLeaderLeftConfig,
  kTransferAborted,
  kTransferSent,
  kConfigRefused,
  kWindowFull,
  kWindowProbe,
  kVoteRepeated,
  kBecameLeader,
  kAutoLeave,
  kQuiesced,
  kWoken,
  kPeerLostData,
};
inline constexpr size_t kNoteKindCount = static_cast<size_t>(NoteKind::kPeerLostData) + 1;
const char* note_name(NoteKind kind);
struct Note {
  NoteKind kind;
  uint64_t a = 0;  // Mostly a replica,
  uint64_t b = 0;  // and a log index or term.
};

struct Ready {
  std::optional<PersistJob> persist;
  std::vector<Envelope> send_now;
  std::vector<RoleChange> role_changes;
  std::vector<ConfigChange> config_changes;
  std::optional<SnapshotMeta> install;  // Swap the state machine, then call installed().
  std::vector<ApplyEntry> apply;        // In log order; then call applied().
  std::vector<SnapshotMeta> offers;     // To the snapshot service: the leader's offers.
  std::vector<ReplicaId> send_snapshot;
  std::vector<ReplicaId> cancel_snapshot;
  std::vector<FetchRequest> fetch;
  std::vector<ReadReady> read_ready;
  std::vector<ReadToken> read_failed;
  std::optional<LogIndex> compact;  // Entries up to here may be deleted.
  std::vector<Note> notes;
  std::vector<Fatal> fatal;  // Of peers: quarantine them. Of this replica: nothing else happens.

  bool empty() const;
};

}  // namespace worldline::replication
