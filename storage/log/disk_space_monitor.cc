#include "storage/log/disk_space_monitor.h"

#include <algorithm>
#include <string>

namespace worldline::storage {
namespace {

bool is_share(double share) {
  return share >= 0 && share < 1;
}

double limit_of(const SpaceLimit& limit, const SpacePolicy& policy, uint64_t total_bytes) {
  const auto total = static_cast<double>(total_bytes);
  return std::max(limit.share * total,
                  std::min(static_cast<double>(limit.bytes), policy.bytes_share_max * total));
}

}  // namespace

const char* space_level_name(SpaceLevel level) {
  switch (level) {
    case SpaceLevel::kPlenty:
      return "plenty";
    case SpaceLevel::kWarning:
      return "warning";
    case SpaceLevel::kAlmostFull:
      return "almost full";
    case SpaceLevel::kFull:
      return "full";
  }
  return "";
}

Status SpacePolicy::validate() const {
  std::string faults;
  for (const auto& [name, share] : {std::pair{"warning", warning.share},
                                    {"almost full", almost_full.share},
                                    {"full", full.share},
                                    {"margin", margin_share},
                                    {"bytes", bytes_share_max}})
    if (!is_share(share)) faults += fmt::format("; the share of {} is {}", name, share);
  if (full.share > almost_full.share || full.bytes > almost_full.bytes)
    faults += "; full begins above almost full";
  if (faults.empty()) return Status::ok_status();
  return Status::invalid_argument("disk space{}", faults);
}

SpaceRules rules_of(SpaceLevel level) {
  SpaceRules rules;
  rules.may_lead = level < SpaceLevel::kAlmostFull;
  rules.accepts_appends = level < SpaceLevel::kFull;
  return rules;
}

DiskSpaceMonitor::DiskSpaceMonitor(const SpacePolicy& policy) : policy_(policy) {
  WL_CHECK(policy.validate().ok());
}

// A small disk is almost full before its share of the warning: the worst level counts.
SpaceLevel DiskSpaceMonitor::level_of(const SpaceReading& reading, double margin_share) const {
  const double margin = margin_share * static_cast<double>(reading.total_bytes);
  const auto is_below = [&](const SpaceLimit& limit) {
    return static_cast<double>(reading.free_bytes) <
           limit_of(limit, policy_, reading.total_bytes) + margin;
  };
  if (is_below(policy_.full)) return SpaceLevel::kFull;
  if (is_below(policy_.almost_full)) return SpaceLevel::kAlmostFull;
  if (is_below(policy_.warning)) return SpaceLevel::kWarning;
  return SpaceLevel::kPlenty;
}

std::optional<SpaceChange> DiskSpaceMonitor::observe(const SpaceReading& reading) {
  WL_CHECK(reading.total_bytes > 0);
  const SpaceLevel before = level_;
  // Entered by the bare limit; what remains of the level before is decided with the margin.
  const SpaceLevel entered = level_of(reading, 0);
  const SpaceLevel kept = std::min(before, level_of(reading, policy_.margin_share));
  level_ = std::max(entered, kept);
  if (level_ == before) return std::nullopt;
  return SpaceChange{before, level_, reading};
}

}  // namespace worldline::storage
