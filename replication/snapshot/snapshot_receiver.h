// replication/snapshot/snapshot_receiver.h
//
// SnapshotReceiver fetches one checkpoint: the manifest from the leader, then the pages that are
// not here yet from whoever has them, a window of pieces at a time, each page checked against its
// name [S 08/3.8]. Pure: looking pages up, storing them and the final sync are asked for.
//
// Invariants: a page is handed to the store only if its bytes have its hash; at most
// kTransferWindow pieces are asked for and not yet stored; beyond their first piece one long page
// is fetched at a time, so memory stays below a window and one page. A leader that sends nothing
// for ten seconds, and a delegate likewise, is given up.
// Ownership and thread: one value, one thread. Units: bytes; ticks of kTransferTick.
// Order of calls: any input, then take_output(); each request in it is answered once by found(),
//   stored() or committed(), or by failed().
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/status.h"
#include "replication/snapshot/snapshot_sender.h"
#include "storage/log/checkpoint_store.h"

namespace worldline::replication {

struct ReceivedPage {
  ContentHash hash{};
  SharedBytes image;
};

class SnapshotReceiver {
 public:
  SnapshotReceiver(const SnapshotOffer& offer, const SnapBegin& begin);

  // The same checkpoint offered anew, perhaps by another leader: goes on where it is. False: it is
  // another one, nothing was changed.
  bool rebind(const SnapshotOffer& offer, const SnapBegin& begin);

  void recv(const SnapMessage& message);
  void found(const std::vector<bool>& present);  // Of Output::find, in order.
  void stored(const ContentHash& hash);
  // Everything is on disk, or these pages are gone meanwhile and needed first.
  void committed(const std::vector<ContentHash>& missing);
  void failed(const Status& why);      // Of any of the above.
  void source_lost(ReplicaId source);  // Its stream broke.
  void tick();
  void cancel(AbortReason reason);

  uint64_t wants() const;        // For the throttle.
  void advance(int64_t credit);  // Asks for pieces while credit is positive.

  struct Output {
    std::vector<SnapMessage> send;
    std::vector<ContentHash> find;              // Which of these are here?
    std::vector<ReceivedPage> store;            // Write these.
    std::optional<storage::Checkpoint> commit;  // Check that all pages are there, write and sync.
  };
  Output take_output();
  uint64_t take_spent();  // Bytes received since the last call.

  const std::optional<TransferOutcome>& outcome() const { return outcome_; }
  const std::string& failure() const { return failure_; }
  const SnapshotOffer& offer() const { return offer_; }
  uint64_t pages_done() const { return pages_done_; }

 private:
  struct Fetch {
    ReplicaId source;
    ByteBuffer bytes;            // What came so far.
    uint64_t total_bytes = 0;    // 0 = not known before the first piece.
    uint64_t asked_until = 0;    // Offset behind the last piece asked for.
    uint32_t waiting_ticks = 0;  // Since anything of it was asked for or came.
    bool is_storing = false;

    size_t pieces_in_flight() const;
  };
  using Fetches = std::map<ContentHash, Fetch, storage::ByHash>;

  void on(const SnapMessage& message, const SnapPiece& piece);
  void on(const SnapMessage& message, const SnapMissing& missing);
  void on(const SnapMessage& message, const SnapAbort& abort);
  void on(const SnapMessage&, const SnapBegin&) {}
  void on(const SnapMessage&, const SnapWant&) {}
  void on(const SnapMessage&, const SnapAck&) {}
  bool fits(const Fetch& fetch, const SnapPiece& piece) const;
  void finish_fetch(const ContentHash& hash, Fetch& fetch);
  void accept_manifest(Fetch& fetch);
  Status check_manifest(const storage::Checkpoint& manifest) const;
  static void restart(Fetch& fetch, ReplicaId source);
  void ask(const ContentHash& hash, Fetch& fetch);
  void give_up(ReplicaId source);
  ReplicaId source_after(ReplicaId source) const;
  bool is_manifest(const ContentHash& hash) const { return hash == offer_.manifest_hash; }
  void look_up_more();
  void commit_if_complete();
  void retry_fetches();
  void watch_sources();
  void fail(std::string why);
  void send_ack();
  void send(ReplicaId to, SnapBody body);
  size_t pieces_in_flight() const;
  bool has_local_work() const;

  SnapshotOffer offer_;
  std::vector<ReplicaId> sources_;  // Delegates first, the leader last; never empty.
  std::optional<storage::Checkpoint> manifest_;
  std::vector<ContentHash> pages_;  // Of the manifest, each once.
  size_t looked_up_ = 0;            // How many of pages_ were looked up.
  std::vector<ContentHash> finding_;
  std::deque<ContentHash> missing_;  // To be fetched.
  Fetches fetches_;
  std::map<ReplicaId, std::vector<PieceRequest>> asks_;  // To be sent.
  uint64_t pages_done_ = 0;
  uint32_t corrupt_pages_ = 0;
  uint32_t commit_rounds_ = 0;
  bool is_committing_ = false;
  uint32_t commit_ticks_ = 0;
  uint32_t quiet_ticks_ = 0;                    // Since we last told the leader anything.
  std::map<ReplicaId, uint32_t> silent_ticks_;  // Of sources that owe us pieces.
  uint64_t spent_ = 0;
  Output output_;
  std::optional<TransferOutcome> outcome_;
  std::string failure_;
};

}  // namespace worldline::replication
