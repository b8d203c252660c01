// storage/log/log_types.h
//
// The values of the node's log: entries with their envelope, and the rows that say where a group's
// log begins and ends and whom it voted for [S 08/3.6].
//
// Units: payloads in bytes; log indexes from 1, terms from 1 (0 = uninitialised replica).
// Thread: values; payloads are frozen and may cross threads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/entry_kind.h"
#include "base/ids.h"
#include "base/limits.h"
#include "storage/storage_types.h"

namespace worldline::storage {

using CheckpointId = StrongId<struct CheckpointIdTag, uint64_t>;  // Per group, grows, from 1.
using RandomId = std::array<Byte, 16>;                            // Cluster id, node uuid.

inline constexpr GroupId kCatalogGroup{1};
inline constexpr uint8_t kEntryFormat = 1;         // Raised when the envelope changes.
inline constexpr uint32_t kNodeFormatVersion = 1;  // Raised when the data directory changes.
inline constexpr size_t kGroupConfigBytesMax = 64 * limits::KiB;
inline constexpr size_t kGenesisBytesMax = 64 * limits::KiB;  // Sixteen seeds are 5 KiB.
// One synchronous write: a full batch, or a single entry that alone exceeds it [S 08/3.6].
inline constexpr size_t kLogBatchBytesTarget = 8 * limits::MiB;
inline constexpr size_t kLogBatchJobsMax = 4096;

// The envelope as it lies on disk: little-endian, followed by the payload.
struct EntryHeader {
  uint8_t format;  // kEntryFormat.
  uint8_t kind;    // EntryKind.
  uint16_t flags;  // None defined; anything else is a newer format.
  uint32_t payload_bytes;
  uint64_t term;
  uint64_t index;
  uint64_t chain;     // Over the previous chain, the fields above and the payload.
  uint32_t crc;       // CRC-32C over the fields above and the payload.
  uint32_t reserved;  // 0.
};
static_assert(sizeof(EntryHeader) == 40, "no padding may reach the disk");

// A log entry, sealed: its header agrees with the payload. The payload is never null.
struct LogEntry {
  EntryHeader header{};
  SharedBytes payload;

  Term term() const { return Term{header.term}; }
  LogIndex index() const { return LogIndex{header.index}; }
  EntryKind kind() const { return static_cast<EntryKind>(header.kind); }
  Chain chain() const { return Chain{header.chain}; }
  size_t stored_bytes() const { return sizeof header + payload->size(); }
};

// Term and vote of a replica [S 08/1.1]. Durable before any effect of it leaves the node.
struct HardState {
  ReplicaId replica;
  Term term;
  ReplicaId vote;         // 0 = none in `term`.
  LogIndex commit_hint;   // Lower bound of commit after a restart.
  uint64_t generation{};  // Counts writes of this row.
  friend bool operator==(const HardState&, const HardState&) = default;
};

// Names a checkpoint in the checkpoint database; id 0 = none (the state of birth).
struct CheckpointRef {
  CheckpointId id;
  Digest128 manifest_hash{};
  friend bool operator==(const CheckpointRef&, const CheckpointRef&) = default;
};

// The last position the local checkpoint covers; the log that counts follows it.
struct Boundary {
  LogIndex index;
  Term term;
  Chain chain;
  ByteBuffer config;  // Members as of `index`; opaque here.
  CheckpointRef checkpoint;
  Digest128 digest{};  // Of the state at `index`.
  friend bool operator==(const Boundary&, const Boundary&) = default;
};

// End of a group's log, in the same batch as every append or truncation.
struct TailRow {
  LogIndex last;
  Term term;
  Chain chain;
  friend bool operator==(const TailRow&, const TailRow&) = default;
};

// An entry of a group's log and all before it: equal places mean equal logs up to there.
struct LogPlace {
  LogIndex index;
  Term term;
  Chain chain;
  friend bool operator==(const LogPlace&, const LogPlace&) = default;
};

// Where one group's stored log stands: what the next job is compared with.
struct GroupPosition {
  HardState hard_state;
  TailRow boundary;  // Of the boundary: its index, term and chain. Index 0 = uninitialised.
  TailRow tail;
  LogIndex first;  // First entry kept; tail + 1 if none. At most boundary + 1.
  friend bool operator==(const GroupPosition&, const GroupPosition&) = default;
};

// Stands for the id of a quarantined replica whose hard state cannot be read any more.
inline constexpr ReplicaId kUnknownReplica{UINT64_MAX};

// Why a copy is marked [S 08/2]. In rows of the store: never renumbered.
enum class MarkKind : uint8_t {
  kQuarantined = 0,  // This copy broke an invariant or is damaged.
  kFrozen = 1,       // The group held two truths: an operator decides about all of it.
};

// The least ReplicaId that may live here, and a copy that must never be used again [S 08/2].
struct Tombstone {
  ReplicaId lowest_allowed;
  ReplicaId quarantined;  // 0 = none; it and all older ones must not serve.
  std::string reason;     // Of the mark, for people.
  MarkKind mark = MarkKind::kQuarantined;
  friend bool operator==(const Tombstone&, const Tombstone&) = default;
};

// Who this data directory belongs to.
struct NodeRecord {
  RandomId cluster{};  // All zero: none yet; then the node has no id either.
  RandomId uuid{};
  NodeId node;
  uint64_t incarnation = 0;  // +1 per process start, durable before any message is sent.
  uint32_t format = kNodeFormatVersion;
  bool clean_shutdown = false;
  friend bool operator==(const NodeRecord&, const NodeRecord&) = default;
};

using LogTicket = StrongId<struct LogTicketTag, uint64_t>;  // Order of admission, from 1.

// What a job's boundary means for the log before it.
enum class BoundaryUse : uint8_t {
  kCheckpoint,  // Of the state this log led to: the log stays.
  kSnapshot,    // Of another replica's state: the whole log goes and begins again behind it.
};

// One atomic change of one group's log, the unit the log writer makes stable [S 08/1.3]. In this
// order: the log is replaced or its suffix dropped, entries follow, the rows are written.
struct LogJob {
  GroupId group;
  // Drop entries from here to the end first. Above the boundary and the commit hint. Void in a job
  // that replaces the log.
  std::optional<LogIndex> truncate_from;
  std::vector<LogEntry> entries;  // Consecutive, after the (truncated or replaced) end.
  std::optional<HardState> hard_state;
  std::optional<Boundary> boundary;
  BoundaryUse boundary_use = BoundaryUse::kCheckpoint;
  uint64_t job = 0;  // Of the Raft core that wants to know when it is stable; 0 = nobody does.

  bool replaces_log() const { return boundary && boundary_use == BoundaryUse::kSnapshot; }
  size_t bytes() const;  // What it adds to a write, roughly.
};

// A job as the log writer hands it on.
struct QueuedJob {
  LogTicket ticket;
  LogJob job;
};

}  // namespace worldline::storage
