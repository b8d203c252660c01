// replication/snapshot/snapshot_messages.h
//
// What two nodes say to each other while a checkpoint travels from one to the other [S 08/3.8].
// None of it enters the Raft core: the core sees the offer, and in the end the staged snapshot.
//
// The idea: a checkpoint is a manifest plus pages named by their hash, so a receiver asks for what
// it does not have, from whoever has it. Resuming and sending only changes are the same thing.
//
// Units: bytes; time in ticks of kTransferTick. Thread: values; frozen bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"
#include "storage/log/log_types.h"

namespace worldline::replication {

using ContentHash = storage::Digest128;  // Of a page or a manifest; see storage::content_hash.
using SnapshotId = StrongId<struct SnapshotIdTag, uint64_t>;  // Chosen by the leader's node.

inline constexpr std::chrono::milliseconds kTransferTick{100};
inline constexpr uint32_t kTicksPerSecond = 10;
static_assert(kTransferTick * kTicksPerSecond == std::chrono::seconds(1));

inline constexpr size_t kPieceBytesMax = 1 * limits::MiB;  // One message's share of a page.
inline constexpr size_t kTransferWindow = 8;               // Pieces asked for and not yet stored.
// A page of long rows: 16 of them [storage/page.h], each with its length, and what is around them.
inline constexpr size_t kPageBytesMax = 16 * (limits::kRowBytesMax + 8) + 64 * limits::KiB;
// 28 B a page: enough for nine million pages, half a terabyte.
inline constexpr size_t kManifestBytesMax = 256 * limits::MiB;
inline constexpr size_t kDelegatesMax = 2;

// What a leader offers and a receiver fetches.
struct SnapshotOffer {
  SnapshotId id;
  GroupId group;
  ReplicaId leader;
  ReplicaId target;
  Term leader_term;  // An offer of a lower term comes from a deposed leader.
  LogIndex index;    // Of the checkpoint, as are term, chain and hash.
  Term term;
  Chain chain;
  ContentHash manifest_hash{};
  uint64_t total_bytes = 0;  // Roughly, of all its pages.
  friend bool operator==(const SnapshotOffer&, const SnapshotOffer&) = default;
};

// The order in which transfers get a slot.
enum class TransferClass : uint8_t {
  kCatalog = 1,
  kQuorum = 2,  // The group is at or below a majority without this replica.
  kRepair = 3,
  kRebalance = 4,
};

enum class AbortReason : uint8_t {
  kBusy = 1,        // No slot: not a failure, try again later.
  kSuperseded = 2,  // A newer offer, or the snapshot is of no use any more.
  kFailed = 3,      // Disk, damage, or nobody has a page.
  kUnknown = 4,     // A want for a transfer the source knows nothing of.
};

// Leader to receiver, before anything else: what the offer does not say.
struct SnapBegin {
  TransferClass transfer_class = TransferClass::kRebalance;
  bool is_needed_for_quorum = false;  // May use the reserved slot.
  std::vector<ReplicaId> delegates;   // Who else has most of its pages; at most kDelegatesMax.
};
struct PieceRequest {
  ContentHash hash{};
  uint64_t offset = 0;
  friend bool operator==(const PieceRequest&, const PieceRequest&) = default;
};
struct SnapWant {
  std::vector<PieceRequest> pieces;  // At most kTransferWindow.
};
// At most kPieceBytesMax of a page or the manifest.
struct SnapPiece {
  ContentHash hash{};
  uint64_t offset = 0;
  uint64_t total_bytes = 0;
  SharedBytes bytes;  // Not null; empty only if total_bytes is 0.
};
struct SnapMissing {  // A source does not have it, or not whole.
  ContentHash hash{};
};
// Receiver to leader, after each page it stored, whoever sent it.
struct SnapAck {
  uint64_t pages_done = 0;
  uint64_t pages_total = 0;
  bool is_staged = false;  // All of it is stored and synced.
};
struct SnapAbort {  // Either side; ends the transfer.
  AbortReason reason = AbortReason::kFailed;
};

using SnapBody = std::variant<SnapBegin, SnapWant, SnapPiece, SnapMissing, SnapAck, SnapAbort>;

struct SnapMessage {
  SnapshotId id;
  GroupId group;
  ReplicaId from;
  ReplicaId to;
  SnapBody body;
};

}  // namespace worldline::replication
