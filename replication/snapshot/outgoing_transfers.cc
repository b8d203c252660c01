#include "replication/snapshot/outgoing_transfers.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace worldline::replication {
namespace {

constexpr uint32_t kBackoffTicksMax = 30 * kTicksPerSecond;
constexpr size_t kBackoffsMax = 4096;

SlotRequest slot_request(const OutgoingRequest& request) {
  return {{request.offer.group, request.offer.target},
          request.begin.transfer_class,
          request.begin.is_needed_for_quorum};
}

}  // namespace

OutgoingTransfers::OutgoingTransfers(const OutgoingLimits& limits_in)
    : limits_(limits_in), slots_(limits_in.slots), throttle_(limits_in.bytes_per_second) {}

// --- By the leader of a group --------------------------------------------------------------------

void OutgoingTransfers::request(const OutgoingRequest& request) {
  const SlotRequest slot = slot_request(request);
  const TransferKey key = slot.key;
  if (const auto running = transfers_.find(key); running != transfers_.end()) {
    running->second.sender.abort(AbortReason::kSuperseded, TransferOutcome::kSuperseded);
    finish_ended();
    backoffs_.erase(key);  // It gave way to this one.
  }
  if (const auto waiting = requests_.find(key); waiting != requests_.end()) {
    output_.finished.push_back({key, waiting->second.offer.id, TransferOutcome::kSuperseded});
    drop_waiting(key);
  }
  requests_[key] = request;
  const auto backoff = backoffs_.find(key);
  if (backoff != backoffs_.end() && backoff->second.ticks_left > 0) {
    held_.push_back(key);
    return;
  }
  if (!slots_.enqueue(slot)) {
    requests_.erase(key);
    output_.finished.push_back({key, request.offer.id, TransferOutcome::kBusy});
    return;
  }
  start_waiting();
}

bool OutgoingTransfers::drop_waiting(const TransferKey& key) {
  if (requests_.erase(key) == 0) return false;
  slots_.release(key);
  std::erase(held_, key);
  return true;
}

void OutgoingTransfers::cancel(GroupId group, ReplicaId peer) {
  const TransferKey key{group, peer};
  const auto waiting = requests_.find(key);
  if (waiting != requests_.end()) {
    output_.finished.push_back({key, waiting->second.offer.id, TransferOutcome::kCancelled});
    drop_waiting(key);
    return;
  }
  const auto running = transfers_.find(key);
  if (running == transfers_.end()) return;
  running->second.sender.abort(AbortReason::kSuperseded, TransferOutcome::kCancelled);
  finish_ended();
}

void OutgoingTransfers::cancel_all(GroupId group) {
  std::vector<TransferKey> keys;
  for (const auto& [key, request] : requests_)
    if (key.group == group) keys.push_back(key);
  for (const auto& [key, transfer] : transfers_)
    if (key.group == group && transfer.sender.role() == SnapshotSender::Role::kLeader)
      keys.push_back(key);
  for (const TransferKey& key : keys) cancel(key.group, key.peer);
}

void OutgoingTransfers::on_log_grew(GroupId group, uint64_t bytes) {
  for (auto& [key, transfer] : transfers_)
    if (key.group == group) transfer.pin.on_log_grew(bytes);
}

// --- Slots ---------------------------------------------------------------------------------------

void OutgoingTransfers::start_waiting() {
  while (const auto next = slots_.take_next()) {
    const auto found = requests_.find(next->key);
    WL_CHECK(found != requests_.end());
    const OutgoingRequest request = std::move(found->second);
    requests_.erase(found);
    begin(request);
  }
}

void OutgoingTransfers::begin(const OutgoingRequest& request) {
  const SnapshotOffer& offer = request.offer;
  const TransferKey key{offer.group, offer.target};
  const TakerId taker{++last_taker_};
  throttle_.add(taker);
  transfers_.emplace(key, Transfer{SnapshotSender(offer, SnapshotSender::Role::kLeader),
                                   LogPin(limits_.pin, offer.index), taker});
  output_.offers.push_back(offer);
  output_.send.push_back({offer.id, offer.group, offer.leader, offer.target, request.begin});
  output_.pins.push_back({key, offer.index});
}

// --- Traffic -------------------------------------------------------------------------------------

void OutgoingTransfers::recv(const SnapMessage& message) {
  const TransferKey key{message.group, message.from};
  auto found = transfers_.find(key);
  const bool is_known = found != transfers_.end() && found->second.sender.offer().id == message.id;
  if (!is_known) {
    if (std::holds_alternative<SnapWant>(message.body)) serve_as_delegate(message);
    return;
  }
  found->second.sender.recv(message);
  pump(key, found->second);
  finish_ended();
}

// Somebody asks for pages we did not offer. It may have them if there is room; a peer that we are
// leading through another transfer asks in vain.
void OutgoingTransfers::serve_as_delegate(const SnapMessage& message) {
  const TransferKey key{message.group, message.from};
  const auto running = transfers_.find(key);
  if (running != transfers_.end() &&
      running->second.sender.role() == SnapshotSender::Role::kDelegate) {
    running->second.sender.abort(AbortReason::kUnknown, TransferOutcome::kCancelled);
    finish_ended();
  }
  const bool is_taken = transfers_.contains(key) || requests_.contains(key);
  if (is_taken || !slots_.try_take({key, TransferClass::kRepair, false})) {
    output_.send.push_back({message.id, message.group, message.to, message.from,
                            SnapAbort{is_taken ? AbortReason::kUnknown : AbortReason::kBusy}});
    return;
  }
  SnapshotOffer offer;
  offer.id = message.id;
  offer.group = message.group;
  offer.leader = message.to;
  offer.target = message.from;
  const TakerId taker{++last_taker_};
  throttle_.add(taker);
  const auto [made, inserted] =
      transfers_.emplace(key, Transfer{SnapshotSender(offer, SnapshotSender::Role::kDelegate),
                                       LogPin(limits_.pin, LogIndex{0}), taker});
  WL_CHECK(inserted);
  made->second.sender.recv(message);
  pump(key, made->second);
}

void OutgoingTransfers::loaded(const Load& load, SharedBytes image) {
  const auto found = transfers_.find(load.key);
  if (found == transfers_.end() || found->second.sender.offer().id != load.id) return;
  found->second.sender.loaded(load.hash, std::move(image));
  pump(load.key, found->second);
  finish_ended();
}

void OutgoingTransfers::pump(const TransferKey& key, Transfer& transfer) {
  SnapshotSender& sender = transfer.sender;
  throttle_.spend(transfer.taker, sender.take_spent());
  const auto load = sender.advance(throttle_.credit(transfer.taker));
  throttle_.spend(transfer.taker, sender.take_spent());
  if (load) output_.loads.push_back({key, sender.offer().id, *load});
  for (SnapMessage& message : sender.take_messages()) output_.send.push_back(std::move(message));
}

void OutgoingTransfers::tick() {
  for (auto& [key, backoff] : backoffs_)
    if (backoff.ticks_left > 0) --backoff.ticks_left;
  for (const TransferKey& key : std::exchange(held_, {})) {
    if (backoffs_[key].ticks_left > 0) {
      held_.push_back(key);
    } else if (const OutgoingRequest& request = requests_.at(key);
               !slots_.enqueue(slot_request(request))) {
      output_.finished.push_back({key, request.offer.id, TransferOutcome::kBusy});
      requests_.erase(key);
    }
  }
  for (auto& [key, transfer] : transfers_) {
    throttle_.want(transfer.taker, transfer.sender.wants());
    transfer.sender.tick();
    transfer.pin.tick();
    if (transfer.sender.role() == SnapshotSender::Role::kLeader && transfer.pin.is_spent())
      transfer.sender.abort(AbortReason::kSuperseded, TransferOutcome::kSuperseded);
  }
  throttle_.refill();
  for (auto& [key, transfer] : transfers_) pump(key, transfer);
  finish_ended();
  start_waiting();
}

// --- Ends ----------------------------------------------------------------------------------------

void OutgoingTransfers::finish_ended() {
  for (auto at = transfers_.begin(); at != transfers_.end();) {
    SnapshotSender& sender = at->second.sender;
    if (!sender.outcome()) {
      ++at;
      continue;
    }
    const TransferKey key = at->first;
    for (SnapMessage& message : sender.take_messages()) output_.send.push_back(std::move(message));
    throttle_.remove(at->second.taker);
    slots_.release(key);
    if (sender.role() == SnapshotSender::Role::kLeader)
      finish(key, sender.offer().id, *sender.outcome());
    at = transfers_.erase(at);
  }
  start_waiting();
}

void OutgoingTransfers::finish(const TransferKey& key, SnapshotId id, TransferOutcome outcome) {
  output_.pins.push_back({key, std::nullopt});
  output_.finished.push_back({key, id, outcome});
  note_outcome(key, outcome);
}

void OutgoingTransfers::note_outcome(const TransferKey& key, TransferOutcome outcome) {
  switch (outcome) {
    case TransferOutcome::kStaged:
    case TransferOutcome::kCancelled:
      backoffs_.erase(key);
      return;
    case TransferOutcome::kBusy:
    case TransferOutcome::kSuperseded:
      backoffs_[key].ticks_left = kTicksPerSecond;
      break;
    case TransferOutcome::kFailed: {
      Backoff& backoff = backoffs_[key];
      backoff.ticks_left =
          std::min(kBackoffTicksMax, kTicksPerSecond << std::min(backoff.failures, 5u));
      ++backoff.failures;
      break;
    }
  }
  // Peers that are gone for good leave theirs behind.
  if (backoffs_.size() > kBackoffsMax)
    std::erase_if(backoffs_, [](const auto& item) { return item.second.ticks_left == 0; });
}

OutgoingTransfers::Output OutgoingTransfers::take_output() {
  return std::exchange(output_, {});
}

}  // namespace worldline::replication
