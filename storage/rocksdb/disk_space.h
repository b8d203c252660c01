// storage/rocksdb/disk_space.h
//
// Reads how full the disk of a directory is, and keeps the ballast: a file that holds space back so
// that a node on a full disk can still start, recover, checkpoint and truncate [S 08/3.12].
//
// Thread: any. Units: bytes. Errors: kIoError with the path; kNotSupported where the file system
// cannot reserve space.
#pragma once

#include <filesystem>

#include "base/status.h"
#include "storage/log/disk_space_monitor.h"

namespace worldline::storage {

Result<SpaceReading> read_disk_space(const std::filesystem::path& directory);

struct BallastPolicy {
  uint64_t bytes = 1 * limits::GiB;  // 0: no ballast, an existing one is removed.
  double share_max = 0.02;           // ...but no more than this share of the disk.
};

// What the policy asks for on a disk of this size.
uint64_t ballast_bytes(const BallastPolicy& policy, const SpaceReading& reading);

enum class BallastOutcome : uint8_t {
  kKept,      // It lies there, whole.
  kCreated,   // Made, or brought to its size.
  kReleased,  // The disk was full: its space is free now.
  kSkipped,   // Not there, and this is no time to take space.
};

// At start, with the level of a reading taken before.
Result<BallastOutcome> prepare_ballast(const std::filesystem::path& file,
                                       const BallastPolicy& policy, const SpaceReading& reading,
                                       SpaceLevel level);
// By hand; true if there was one.
Result<bool> release_ballast(const std::filesystem::path& file);

}  // namespace worldline::storage
