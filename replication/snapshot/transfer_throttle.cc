#include "replication/snapshot/transfer_throttle.h"

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace worldline::replication {

TransferThrottle::TransferThrottle(uint64_t bytes_per_second)
    : bytes_per_tick_(bytes_per_second / kTicksPerSecond) {
  WL_CHECK(bytes_per_tick_ > 0);
}

void TransferThrottle::add(TakerId taker) {
  const bool inserted = takers_.emplace(taker, Taker{}).second;
  WL_CHECK(inserted);
}

void TransferThrottle::remove(TakerId taker) {
  takers_.erase(taker);
}

void TransferThrottle::want(TakerId taker, uint64_t bytes) {
  takers_.at(taker).wants = bytes;
}

// What brings a taker to the credit it could use.
uint64_t TransferThrottle::needs(const Taker& taker) const {
  const auto wants = static_cast<int64_t>(std::min<uint64_t>(taker.wants, INT64_MAX / 2));
  return wants > taker.credit ? static_cast<uint64_t>(wants - taker.credit) : 0;
}

void TransferThrottle::refill() {
  uint64_t left = std::min(unused_ + bytes_per_tick_, bytes_per_tick_ * kTicksPerSecond);
  // Those who need least first: what they leave raises the share of the rest.
  std::vector<Taker*> order;
  for (auto& [id, taker] : takers_)
    if (needs(taker) > 0) order.push_back(&taker);
  std::stable_sort(order.begin(), order.end(),
                   [this](const Taker* a, const Taker* b) { return needs(*a) < needs(*b); });
  size_t waiting = order.size();
  for (Taker* taker : order) {
    const uint64_t granted = std::min(needs(*taker), left / waiting);
    taker->credit += static_cast<int64_t>(granted);
    left -= granted;
    --waiting;
  }
  unused_ = left;
}

int64_t TransferThrottle::credit(TakerId taker) const {
  return takers_.at(taker).credit;
}

void TransferThrottle::spend(TakerId taker, uint64_t bytes) {
  takers_.at(taker).credit -= static_cast<int64_t>(bytes);
}

}  // namespace worldline::replication
