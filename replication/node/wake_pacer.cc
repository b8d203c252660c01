#include "replication/node/wake_pacer.h"

#include <algorithm>

namespace worldline::replication {
namespace {

constexpr uint64_t kCostOfOne = 1'000'000;

}  // namespace

WakePacer::WakePacer(uint32_t per_second_max, BootTime now)
    : per_second_max_(per_second_max), counted_to_(now) {
  WL_CHECK(per_second_max > 0);
}

void WakePacer::push(GroupId group, NodeTick used) {
  const Place place{group == kCatalogGroupId ? 0 : 1, UINT64_MAX - used.value, group};
  if (!waiting_.emplace(group, place).second) return;
  line_.emplace(place, group);
}

void WakePacer::remove(GroupId group) {
  const auto found = waiting_.find(group);
  if (found == waiting_.end()) return;
  line_.erase(found->second);
  waiting_.erase(found);
}

std::vector<GroupId> WakePacer::take(BootTime now) {
  const uint64_t burst =
      std::max(kCostOfOne, static_cast<uint64_t>(kTickLength.count()) * per_second_max_);
  if (now > counted_to_) {
    const auto elapsed = static_cast<uint64_t>((now - counted_to_).count());
    const uint64_t full_after = burst / per_second_max_ + 1;  // More cannot be saved up.
    credit_ = std::min(burst, credit_ + std::min(elapsed, full_after) * per_second_max_);
    counted_to_ = now;
  }
  std::vector<GroupId> admitted;
  while (credit_ >= kCostOfOne && !line_.empty()) {
    credit_ -= kCostOfOne;
    admitted.push_back(line_.begin()->second);
    waiting_.erase(admitted.back());
    line_.erase(line_.begin());
  }
  return admitted;
}

}  // namespace worldline::replication
