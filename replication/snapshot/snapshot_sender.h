// replication/snapshot/snapshot_sender.h
//
// SnapshotSender serves the pages of one checkpoint to one receiver: as the leader that offered it,
// or as a delegate that happens to have most of its pages [S 08/3.8]. It answers requests in order,
// one piece at a time, as fast as its credit allows. Pure: loading pages is asked for.
//
// Invariants: one page is loaded at a time; of a page longer than a piece the rest is kept until it
// was asked for; requests beyond two windows are dropped. As leader it ends with an outcome: a
// receiver that is silent for ten seconds has failed.
// Ownership and thread: one value, one thread. Units: bytes; ticks of kTransferTick.
// Order of calls: recv, then advance(credit) until it gives nothing more to load; loaded() answers;
//   take_messages and take_spent after each input.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "replication/snapshot/snapshot_messages.h"

namespace worldline::replication {

inline constexpr uint32_t kSilenceTicksMax = 10 * kTicksPerSecond;

enum class TransferOutcome : uint8_t {
  kStaged = 1,      // The receiver has all of it on disk.
  kFailed = 2,      // Try again later.
  kBusy = 3,        // The receiver had no slot; not a failure.
  kSuperseded = 4,  // Offer a newer checkpoint.
  kCancelled = 5,   // By our own side.
};

class SnapshotSender {
 public:
  enum class Role : uint8_t { kLeader, kDelegate };
  // As delegate only id, group, target and `leader` (here: ourselves) of the offer count.
  SnapshotSender(const SnapshotOffer& offer, Role role) : offer_(offer), role_(role) {}

  void recv(const SnapMessage& message);  // Of another transfer: ignored.
  // `image`: null if it is not here, or not whole.
  void loaded(const ContentHash& hash, SharedBytes image);
  void tick();
  void abort(AbortReason reason, TransferOutcome outcome);

  uint64_t wants() const;  // Bytes asked of us, roughly, for the throttle.
  // What to load next, if credit is positive and there is anything to do.
  std::optional<ContentHash> advance(int64_t credit);

  std::vector<SnapMessage> take_messages();
  uint64_t take_spent();  // Bytes of the pieces sent since the last call.
  const std::optional<TransferOutcome>& outcome() const { return outcome_; }
  const SnapshotOffer& offer() const { return offer_; }
  Role role() const { return role_; }

 private:
  void on(const SnapWant& want);
  void on(const SnapAck& ack);
  void on(const SnapAbort& abort);
  void on(const SnapBegin&) {}
  void on(const SnapPiece&) {}
  void on(const SnapMissing&) {}
  void send(SnapBody body);
  void send_piece(const PieceRequest& request);

  const SnapshotOffer offer_;
  const Role role_;
  std::deque<PieceRequest> queue_;  // INVARIANT: no two are equal; at most two windows.
  std::optional<PieceRequest> loading_;
  ContentHash image_hash_{};  // Of image_.
  SharedBytes image_;         // The last page, if more of it will be asked for.
  uint32_t silent_ticks_ = 0;
  uint64_t spent_ = 0;
  std::optional<TransferOutcome> outcome_;
  std::vector<SnapMessage> messages_;
};

}  // namespace worldline::replication
