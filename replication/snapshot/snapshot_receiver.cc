#include "replication/snapshot/snapshot_receiver.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace worldline::replication {
namespace {

constexpr size_t kFindAtOnce = 256;
constexpr uint32_t kRetryTicks = 3 * kTicksPerSecond;  // A piece that did not come.
constexpr uint32_t kAckTicks = 1 * kTicksPerSecond;    // While we work without the leader.
// The commit reads every page once more: a minute, and as much as a disk of 16 MiB/s needs for
// pages of 64 KiB, which is 25 pages a tick.
constexpr uint32_t kCommitTicksMin = 60 * kTicksPerSecond;
constexpr size_t kCommitPagesPerTick = 25;
constexpr uint32_t kCommitRoundsMax = 3;
constexpr uint32_t kCorruptPagesMax = 3;

std::vector<ContentHash> each_once(std::vector<ContentHash> hashes) {
  std::sort(hashes.begin(), hashes.end(), storage::ByHash());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes;
}

std::vector<ReplicaId> sources_of(const SnapshotOffer& offer, const SnapBegin& begin) {
  std::vector<ReplicaId> sources;
  for (const ReplicaId delegate : begin.delegates)
    if (delegate != offer.leader && delegate != offer.target && sources.size() < kDelegatesMax)
      sources.push_back(delegate);
  sources.push_back(offer.leader);
  return sources;
}

}  // namespace

size_t SnapshotReceiver::Fetch::pieces_in_flight() const {
  if (is_storing) return 1;
  const uint64_t bytes_in_flight = asked_until - bytes.size();
  return static_cast<size_t>((bytes_in_flight + kPieceBytesMax - 1) / kPieceBytesMax);
}

SnapshotReceiver::SnapshotReceiver(const SnapshotOffer& offer, const SnapBegin& begin)
    : offer_(offer), sources_(sources_of(offer, begin)) {
  fetches_[offer_.manifest_hash].source = offer_.leader;
}

bool SnapshotReceiver::rebind(const SnapshotOffer& offer, const SnapBegin& begin) {
  if (outcome_ || offer.manifest_hash != offer_.manifest_hash || offer.group != offer_.group ||
      offer.target != offer_.target || offer.index != offer_.index)
    return false;
  offer_ = offer;
  sources_ = sources_of(offer, begin);
  silent_ticks_.clear();
  asks_.clear();
  // What was asked for under the old id is not answered any more.
  for (auto& [hash, fetch] : fetches_) {
    if (fetch.is_storing) continue;
    fetch.asked_until = fetch.bytes.size();
    fetch.source = is_manifest(hash) ? offer_.leader : sources_.front();
  }
  send_ack();
  return true;
}

// --- Pieces --------------------------------------------------------------------------------------

void SnapshotReceiver::recv(const SnapMessage& message) {
  if (outcome_ || message.id != offer_.id || message.group != offer_.group) return;
  if (std::find(sources_.begin(), sources_.end(), message.from) == sources_.end()) return;
  std::visit([&](const auto& body) { on(message, body); }, message.body);
}

// In order, whole pieces, within the limit: anything else is late, twice or wrong, and the piece
// will be asked for again.
bool SnapshotReceiver::fits(const Fetch& fetch, const SnapPiece& piece) const {
  const uint64_t limit = is_manifest(piece.hash) ? kManifestBytesMax : kPageBytesMax;
  if (fetch.is_storing || piece.bytes == nullptr || piece.total_bytes == 0) return false;
  if (piece.total_bytes > limit || piece.offset != fetch.bytes.size()) return false;
  if (fetch.total_bytes != 0 && piece.total_bytes != fetch.total_bytes) return false;
  if (piece.offset >= fetch.asked_until) return false;
  const uint64_t expected = std::min<uint64_t>(kPieceBytesMax, piece.total_bytes - piece.offset);
  return piece.bytes->size() == expected;
}

void SnapshotReceiver::on(const SnapMessage& message, const SnapPiece& piece) {
  const auto found = fetches_.find(piece.hash);
  if (found == fetches_.end()) return;
  Fetch& fetch = found->second;
  if (fetch.source != message.from || !fits(fetch, piece)) return;
  silent_ticks_[message.from] = 0;
  fetch.waiting_ticks = 0;
  fetch.total_bytes = piece.total_bytes;
  append(fetch.bytes, *piece.bytes);
  spent_ += piece.bytes->size();
  // The first piece was asked for without knowing how long it is.
  fetch.asked_until =
      std::min(std::max<uint64_t>(fetch.asked_until, fetch.bytes.size()), fetch.total_bytes);
  if (fetch.bytes.size() == fetch.total_bytes) finish_fetch(piece.hash, fetch);
}

void SnapshotReceiver::finish_fetch(const ContentHash& hash, Fetch& fetch) {
  if (is_manifest(hash)) {
    accept_manifest(fetch);
    return;
  }
  if (storage::content_hash(fetch.bytes) == hash) {
    fetch.is_storing = true;
    output_.store.push_back(
        {hash, std::make_shared<const ByteBuffer>(std::exchange(fetch.bytes, {}))});
    return;
  }
  if (++corrupt_pages_ >= kCorruptPagesMax) {
    fail(fmt::format("{} pages came damaged", corrupt_pages_));
    return;
  }
  restart(fetch, source_after(fetch.source));
}

void SnapshotReceiver::restart(Fetch& fetch, ReplicaId source) {
  fetch = {};
  fetch.source = source;
}

Status SnapshotReceiver::check_manifest(const storage::Checkpoint& manifest) const {
  if (manifest.manifest_hash != offer_.manifest_hash)
    return Status::corruption("it has another hash");
  if (manifest.state.group != offer_.group)
    return Status::corruption("it is of group {}", manifest.state.group.value);
  if (manifest.index != offer_.index || manifest.term != offer_.term ||
      manifest.chain != offer_.chain)
    return Status::corruption("it was cut at index {} term {}", manifest.index.value,
                              manifest.term.value);
  return Status::ok_status();
}

void SnapshotReceiver::accept_manifest(Fetch& fetch) {
  Result<storage::Checkpoint> manifest = storage::decode_checkpoint(fetch.bytes);
  const Status status = manifest.ok() ? check_manifest(*manifest) : manifest.status();
  if (!status.ok()) {
    fail(fmt::format("the manifest of the offer cannot be used: {}", status.message()));
    return;
  }
  fetches_.erase(offer_.manifest_hash);
  manifest_ = std::move(manifest).value();
  pages_ = each_once(manifest_->page_hashes);
  send_ack();
  look_up_more();
  commit_if_complete();
}

void SnapshotReceiver::on(const SnapMessage& message, const SnapMissing& missing) {
  const auto found = fetches_.find(missing.hash);
  if (found == fetches_.end()) return;
  Fetch& fetch = found->second;
  if (fetch.source != message.from || fetch.is_storing) return;
  silent_ticks_[message.from] = 0;
  if (message.from == offer_.leader) {
    fail("the leader does not have what it offered");
    return;
  }
  restart(fetch, source_after(message.from));
}

void SnapshotReceiver::on(const SnapMessage& message, const SnapAbort& abort) {
  if (message.from != offer_.leader) {
    give_up(message.from);
    return;
  }
  failure_ = "the leader ended it";
  outcome_ = abort.reason == AbortReason::kSuperseded ? TransferOutcome::kSuperseded
                                                      : TransferOutcome::kFailed;
}

// --- Sources -------------------------------------------------------------------------------------

// The leader is the last resort, and comes again after itself.
ReplicaId SnapshotReceiver::source_after(ReplicaId source) const {
  const auto at = std::find(sources_.begin(), sources_.end(), source);
  if (at == sources_.end() || std::next(at) == sources_.end()) return sources_.back();
  return *std::next(at);
}

void SnapshotReceiver::give_up(ReplicaId source) {
  if (source == offer_.leader) {
    fail("the leader sends nothing");
    return;
  }
  const ReplicaId next = source_after(source);
  std::erase(sources_, source);
  silent_ticks_.erase(source);
  asks_.erase(source);
  for (auto& [hash, fetch] : fetches_)
    if (fetch.source == source && !fetch.is_storing) restart(fetch, next);
}

void SnapshotReceiver::source_lost(ReplicaId source) {
  if (outcome_ || std::find(sources_.begin(), sources_.end(), source) == sources_.end()) return;
  if (source != offer_.leader) {
    give_up(source);
    return;
  }
  // The leader's stream may come back; until then its answers are lost.
  for (auto& [hash, fetch] : fetches_)
    if (fetch.source == source && !fetch.is_storing) fetch.asked_until = fetch.bytes.size();
}

// --- What the store answers ----------------------------------------------------------------------

void SnapshotReceiver::look_up_more() {
  if (!finding_.empty() || missing_.size() >= kTransferWindow || looked_up_ == pages_.size())
    return;
  const size_t count = std::min(kFindAtOnce, pages_.size() - looked_up_);
  const auto begin = pages_.begin() + static_cast<ptrdiff_t>(looked_up_);
  finding_.assign(begin, begin + static_cast<ptrdiff_t>(count));
  looked_up_ += count;
  output_.find = finding_;
}

void SnapshotReceiver::found(const std::vector<bool>& present) {
  if (outcome_) return;
  WL_CHECK(present.size() == finding_.size());
  for (size_t i = 0; i < present.size(); ++i) {
    if (present[i]) {
      ++pages_done_;
    } else {
      missing_.push_back(finding_[i]);
    }
  }
  finding_.clear();
  send_ack();
  look_up_more();
  commit_if_complete();
}

void SnapshotReceiver::stored(const ContentHash& hash) {
  if (outcome_) return;
  const auto found = fetches_.find(hash);
  WL_CHECK(found != fetches_.end());
  WL_CHECK(found->second.is_storing);
  fetches_.erase(found);
  ++pages_done_;
  send_ack();
  look_up_more();
  commit_if_complete();
}

void SnapshotReceiver::commit_if_complete() {
  if (outcome_ || is_committing_ || !manifest_ || looked_up_ < pages_.size()) return;
  if (!finding_.empty() || !missing_.empty() || !fetches_.empty()) return;
  is_committing_ = true;
  commit_ticks_ = 0;
  output_.commit = *manifest_;
}

void SnapshotReceiver::committed(const std::vector<ContentHash>& missing) {
  if (outcome_) return;
  WL_CHECK(is_committing_);
  is_committing_ = false;
  if (missing.empty()) {
    outcome_ = TransferOutcome::kStaged;
    send_ack();
    return;
  }
  if (++commit_rounds_ > kCommitRoundsMax) {
    fail("pages vanish faster than they come");
    return;
  }
  const std::vector<ContentHash> again = each_once(missing);
  missing_.assign(again.begin(), again.end());
  pages_done_ -= std::min<uint64_t>(pages_done_, again.size());
}

void SnapshotReceiver::failed(const Status& why) {
  fail(why.message());
}

void SnapshotReceiver::fail(std::string why) {
  if (outcome_) return;
  failure_ = std::move(why);
  send(offer_.leader, SnapAbort{AbortReason::kFailed});
  outcome_ = TransferOutcome::kFailed;
}

void SnapshotReceiver::cancel(AbortReason reason) {
  if (outcome_) return;
  failure_ = "it is not wanted any more";
  send(offer_.leader, SnapAbort{reason});
  outcome_ = TransferOutcome::kCancelled;
}

// --- Time and credit -----------------------------------------------------------------------------

bool SnapshotReceiver::has_local_work() const {
  return is_committing_ || !finding_.empty() ||
         std::any_of(fetches_.begin(), fetches_.end(),
                     [](const auto& item) { return item.second.is_storing; });
}

void SnapshotReceiver::tick() {
  if (outcome_) return;
  watch_sources();
  if (outcome_) return;
  retry_fetches();
  const size_t commit_ticks_max = kCommitTicksMin + pages_.size() / kCommitPagesPerTick;
  if (is_committing_ && ++commit_ticks_ > commit_ticks_max) {
    fail("the disk does not finish");
    return;
  }
  // Delegates and our own disk keep us busy: the leader must not take that for silence.
  if (++quiet_ticks_ >= kAckTicks && (has_local_work() || sources_.size() > 1)) send_ack();
}

void SnapshotReceiver::retry_fetches() {
  for (auto& [hash, fetch] : fetches_) {
    if (fetch.is_storing || fetch.asked_until == fetch.bytes.size()) continue;
    if (++fetch.waiting_ticks < kRetryTicks) continue;
    fetch.waiting_ticks = 0;
    fetch.asked_until = fetch.bytes.size();
  }
}

void SnapshotReceiver::watch_sources() {
  const std::vector<ReplicaId> sources = sources_;
  for (const ReplicaId source : sources) {
    const bool owes = std::any_of(fetches_.begin(), fetches_.end(), [source](const auto& item) {
      const Fetch& fetch = item.second;
      return fetch.source == source && !fetch.is_storing && fetch.asked_until > fetch.bytes.size();
    });
    if (owes && ++silent_ticks_[source] >= kSilenceTicksMax) give_up(source);
  }
}

size_t SnapshotReceiver::pieces_in_flight() const {
  size_t pieces = 0;
  for (const auto& [hash, fetch] : fetches_) pieces += fetch.pieces_in_flight();
  return pieces;
}

uint64_t SnapshotReceiver::wants() const {
  const bool has_more = !missing_.empty() || !fetches_.empty();
  return has_more && !outcome_ ? kTransferWindow * kPieceBytesMax : 0;
}

void SnapshotReceiver::ask(const ContentHash& hash, Fetch& fetch) {
  asks_[fetch.source].push_back({hash, fetch.asked_until});
  fetch.asked_until += kPieceBytesMax;
  if (fetch.total_bytes != 0) fetch.asked_until = std::min(fetch.asked_until, fetch.total_bytes);
}

void SnapshotReceiver::advance(int64_t credit) {
  if (outcome_ || credit <= 0) return;
  size_t room = kTransferWindow - std::min(kTransferWindow, pieces_in_flight());
  bool has_long_page = false;
  for (auto& [hash, fetch] : fetches_) {
    if (fetch.is_storing) continue;
    const bool is_begun = fetch.total_bytes != 0;
    // One long page at a time; the others wait with their first piece.
    if (is_begun && std::exchange(has_long_page, true)) continue;
    while (room > 0 &&
           (is_begun ? fetch.asked_until < fetch.total_bytes : fetch.asked_until == 0)) {
      ask(hash, fetch);
      --room;
    }
  }
  for (; room > 0 && !missing_.empty(); --room) {
    const ContentHash hash = missing_.front();
    missing_.pop_front();
    Fetch& fetch = fetches_[hash];
    fetch.source = sources_.front();
    ask(hash, fetch);
  }
  look_up_more();
}

// --- Output --------------------------------------------------------------------------------------

void SnapshotReceiver::send(ReplicaId to, SnapBody body) {
  if (to == offer_.leader) quiet_ticks_ = 0;
  output_.send.push_back({offer_.id, offer_.group, offer_.target, to, std::move(body)});
}

void SnapshotReceiver::send_ack() {
  send(offer_.leader, SnapAck{pages_done_, pages_.size(), outcome_ == TransferOutcome::kStaged});
}

SnapshotReceiver::Output SnapshotReceiver::take_output() {
  for (auto& [source, pieces] : asks_) {
    for (size_t at = 0; at < pieces.size(); at += kTransferWindow) {
      SnapWant want;
      const size_t end = std::min(pieces.size(), at + kTransferWindow);
      want.pieces.assign(pieces.begin() + static_cast<ptrdiff_t>(at),
                         pieces.begin() + static_cast<ptrdiff_t>(end));
      send(source, std::move(want));
    }
  }
  asks_.clear();
  return std::exchange(output_, {});
}

uint64_t SnapshotReceiver::take_spent() {
  return std::exchange(spent_, 0);
}

}  // namespace worldline::replication
