#include "replication/node/append_outbox.h"

#include <algorithm>

namespace worldline::replication {
namespace {

constexpr size_t kMessageOverheadBytes = 128;
constexpr size_t kEntryOverheadBytes = 64;
constexpr Micros kRefillEvery{100'000};

}  // namespace

size_t message_bytes(const Envelope& message) {
  const auto* append = std::get_if<Append>(&message.body);
  size_t bytes = kMessageOverheadBytes;
  if (append == nullptr) return bytes;
  for (const Entry& entry : append->entries)
    bytes += kEntryOverheadBytes + (entry.payload ? entry.payload->size() : 0);
  return bytes;
}

AppendOutbox::Outcome AppendOutbox::offer(Envelope& message) {
  const size_t bytes = message_bytes(message);
  const bool must_wait = waiting_.contains(message.group) || !fits(bytes);
  if (!must_wait) {
    unsent_bytes_ += bytes;
    return Outcome::kSend;
  }
  if (waiting_bytes_ + bytes > waiting_bytes_max_) return Outcome::kDropped;
  waiting_bytes_ += bytes;
  waiting_[message.group].push_back(std::move(message));
  return Outcome::kWaiting;
}

std::vector<Envelope> AppendOutbox::sent(size_t bytes) {
  unsent_bytes_ -= std::min(bytes, unsent_bytes_);
  std::vector<Envelope> released;
  while (!waiting_.empty()) {
    const auto turn = next_in_turn();
    const size_t next_bytes = message_bytes(turn->second.front());
    if (!fits(next_bytes)) break;
    unsent_bytes_ += next_bytes;
    waiting_bytes_ -= next_bytes;
    last_served_ = turn->first;
    released.push_back(std::move(turn->second.front()));
    turn->second.pop_front();
    if (turn->second.empty()) waiting_.erase(turn);
  }
  return released;
}

// The catalog before its turn; then the group after the one served last.
std::map<GroupId, std::deque<Envelope>>::iterator AppendOutbox::next_in_turn() {
  if (waiting_.begin()->first == kCatalogGroupId) return waiting_.begin();
  const auto next = waiting_.upper_bound(last_served_);
  return next != waiting_.end() ? next : waiting_.begin();
}

void AppendOutbox::reset() {
  waiting_.clear();
  waiting_bytes_ = 0;
  unsent_bytes_ = 0;
}

void AppendOutbox::forget(GroupId group) {
  const auto found = waiting_.find(group);
  if (found == waiting_.end()) return;
  for (const Envelope& message : found->second) waiting_bytes_ -= message_bytes(message);
  waiting_.erase(found);
}

FetchQueue::FetchQueue(size_t bytes_per_second, BootTime now)
    : bytes_per_second_(bytes_per_second), tokens_(bytes_per_second / 10), refilled_at_(now) {
  WL_CHECK(bytes_per_second >= 10);
}

void FetchQueue::push(const WaitingFetch& fetch) {
  const auto same = std::find_if(waiting_.begin(), waiting_.end(), [&fetch](const auto& other) {
    return other.group == fetch.group && other.peer == fetch.peer;
  });
  if (same != waiting_.end()) {
    *same = fetch;
  } else if (fetch.group == kCatalogGroupId) {
    waiting_.push_front(fetch);
  } else {
    waiting_.push_back(fetch);
  }
}

void FetchQueue::forget(GroupId group) {
  std::erase_if(waiting_, [group](const WaitingFetch& fetch) { return fetch.group == group; });
}

// A tenth of a second's worth, ten times a second; unused shares do not add up.
void FetchQueue::refill(BootTime now) {
  if (now < refilled_at_ + kRefillEvery) return;
  const auto periods = static_cast<size_t>((now - refilled_at_) / kRefillEvery);
  const size_t share = bytes_per_second_ / 10;
  const size_t earned = periods > SIZE_MAX / share ? SIZE_MAX : periods * share;
  const size_t paid = std::min(owed_, earned);
  owed_ -= paid;
  tokens_ = owed_ > 0 ? 0 : std::min(share, tokens_ + (earned - paid));
  refilled_at_ += kRefillEvery * static_cast<Micros::rep>(periods);
}

}  // namespace worldline::replication
