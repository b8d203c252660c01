#include "actors/outage.h"

namespace worldline::actors {
namespace {

constexpr const char* kLastResort =
    "its owner may give the data up: `worldline delete` removes it, `worldline publish "
    "--delete-data` starts it anew";

// A copy that is marked cannot be brought back in place [S 08/2]: "never truncate and continue".
constexpr const char* kMarked =
    "Its files are kept as they are; unmarking or salvaging them is not supported. Keep a copy of "
    "the data directory";

}  // namespace

const char* outage_name(OutageKind kind) {
  switch (kind) {
    case OutageKind::kQuarantined:
      return "quarantined";
    case OutageKind::kFrozen:
      return "frozen";
    case OutageKind::kDamaged:
      return "damaged";
    case OutageKind::kStopped:
      return "stopped";
  }
  return "unknown";
}

Status outage_status(const Outage& outage) {
  const std::string head = fmt::format("this database is out of service ({}): {}.",
                                       outage_name(outage.kind), outage.reason);
  switch (outage.kind) {
    case OutageKind::kQuarantined:
    case OutageKind::kFrozen:
      return Status::corruption("{} {}, then {}", head, kMarked, kLastResort);
    case OutageKind::kDamaged:
      return Status::corruption(
          "{} Nothing was changed: if the disk can be repaired or an intact copy of the data "
          "directory exists, restart the server on it; else {}",
          head, kLastResort);
    case OutageKind::kStopped:
      return Status::corruption(
          "{} What was confirmed is on disk: restart the server to serve it again", head);
  }
  return Status::corruption("{}", head);
}

}  // namespace worldline::actors
