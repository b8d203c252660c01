#include "replication/node/disk_monitor.h"

#include <algorithm>

namespace worldline::replication {
namespace {

constexpr Micros kSliceLength{10'000'000};
constexpr uint32_t kWritesPerSliceMin = 20;  // Fewer have no 99th percentile worth the name.

}  // namespace

void DiskMonitor::write_began(uint64_t ticket, BootTime now) {
  in_flight_.emplace(ticket, now);
}

void DiskMonitor::write_ended(uint64_t ticket, BootTime now) {
  const auto found = in_flight_.find(ticket);
  if (found == in_flight_.end()) return;
  const Micros took = now - found->second;
  in_flight_.erase(found);
  if (took >= thresholds_.slow) bad_until_ = now + thresholds_.recover_after;
  if (slices_.empty() || now >= slices_.back().begins + kSliceLength)
    slices_.push_back({now, 0, 0});
  Slice& slice = slices_.back();
  ++slice.count;
  if (took > thresholds_.pressed_p99) ++slice.slow_count;
}

void DiskMonitor::space_measured(size_t free_bytes, size_t total_bytes) {
  const DiskSpace strict = space_of(free_bytes, total_bytes);
  // Better only with a tenth to spare, so that a compaction's ebb and flow does not flap.
  const DiskSpace lenient = space_of(free_bytes - free_bytes / 10, total_bytes);
  measured_ = strict >= measured_ ? strict : std::min(measured_, lenient);
}

DiskSpace DiskMonitor::space_of(size_t free_bytes, size_t total_bytes) const {
  // A small volume is full at its last twentieth, never at birth.
  const auto limit = [total_bytes](size_t bytes, size_t divisor) {
    const size_t share = total_bytes / divisor;
    return std::max(share, std::min(bytes, total_bytes / 4));
  };
  if (free_bytes < limit(thresholds_.full_bytes, 20)) return DiskSpace::kFull;
  if (free_bytes < limit(thresholds_.almost_full_bytes, 10)) return DiskSpace::kAlmostFull;
  if (free_bytes < total_bytes / 5) return DiskSpace::kLow;
  return DiskSpace::kEnough;
}

DiskVerdict DiskMonitor::on_time(BootTime now) {
  while (!slices_.empty() && now - slices_.front().begins > thresholds_.pressed_for + kSliceLength)
    slices_.pop_front();
  const DiskSpeed speed = speed_at(now);
  if (speed >= DiskSpeed::kSlow) bad_until_ = now + thresholds_.recover_after;
  const bool may_improve = now >= bad_until_;
  if (speed > verdict_.speed || may_improve) verdict_.speed = speed;
  verdict_.space = measured_;
  return verdict_;
}

DiskSpeed DiskMonitor::speed_at(BootTime now) const {
  Micros oldest{0};
  for (const auto& [ticket, began] : in_flight_) oldest = std::max(oldest, now - began);
  if (oldest > thresholds_.hopeless) return DiskSpeed::kHopeless;
  if (oldest > thresholds_.stalled) return DiskSpeed::kStalled;
  if (oldest > thresholds_.slow) return DiskSpeed::kSlow;
  return is_pressed(now) ? DiskSpeed::kPressed : DiskSpeed::kGood;
}

// Every slice of the last minute has more than one slow sync in a hundred.
bool DiskMonitor::is_pressed(BootTime now) const {
  if (slices_.empty() || now - slices_.front().begins < thresholds_.pressed_for) return false;
  return std::all_of(slices_.begin(), slices_.end(), [](const Slice& slice) {
    return slice.count >= kWritesPerSliceMin && slice.slow_count * 100 > slice.count;
  });
}

uint8_t DiskMonitor::pressure_per_cent() const {
  switch (verdict_.speed) {
    case DiskSpeed::kGood:
      return 0;
    case DiskSpeed::kPressed:
      return 50;
    case DiskSpeed::kSlow:
    case DiskSpeed::kStalled:
    case DiskSpeed::kHopeless:
      return 100;
  }
  return 100;
}

}  // namespace worldline::replication
