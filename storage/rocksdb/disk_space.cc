#include "storage/rocksdb/disk_space.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace worldline::storage {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFileMode = 0600;
constexpr uint64_t kStatBlockBytes = 512;  // Unit of st_blocks.

Status io_failure(const char* what, const fs::path& path, int error) {
  return Status::io_error("{} {}: {}", what, path.string(), std::strerror(error));
}

// The file has its size, and the space is really taken.
bool is_whole(const fs::path& file, uint64_t bytes) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return false;
  return static_cast<uint64_t>(info.st_size) == bytes &&
         static_cast<uint64_t>(info.st_blocks) * kStatBlockBytes >= bytes;
}

Status reserve(int fd, const fs::path& file, uint64_t bytes) {
  if (::ftruncate(fd, static_cast<off_t>(bytes)) != 0)
    return io_failure("cannot size", file, errno);
  if (::fallocate(fd, 0, 0, static_cast<off_t>(bytes)) != 0) {
    if (errno == EOPNOTSUPP)
      return Status::not_supported("{}: the file system cannot reserve space", file.string());
    return io_failure("cannot reserve", file, errno);
  }
  if (::fsync(fd) != 0) return io_failure("cannot sync", file, errno);
  return Status::ok_status();
}

Status create(const fs::path& file, uint64_t bytes) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
  if (fd < 0) return io_failure("cannot open", file, errno);
  Status status = reserve(fd, file, bytes);
  ::close(fd);
  if (!status.ok()) ::unlink(file.c_str());  // Half a ballast helps nobody.
  return status;
}

}  // namespace

Result<SpaceReading> read_disk_space(const fs::path& directory) {
  struct statvfs info {};
  if (::statvfs(directory.c_str(), &info) != 0)
    return io_failure("cannot read the space of", directory, errno);
  const SpaceReading reading{static_cast<uint64_t>(info.f_bavail) * info.f_frsize,
                             static_cast<uint64_t>(info.f_blocks) * info.f_frsize};
  if (reading.total_bytes == 0)
    return Status::io_error("{}: the file system says it has no space at all", directory.string());
  return reading;
}

uint64_t ballast_bytes(const BallastPolicy& policy, const SpaceReading& reading) {
  const double share = policy.share_max * static_cast<double>(reading.total_bytes);
  return std::min(policy.bytes, static_cast<uint64_t>(share));
}

Result<BallastOutcome> prepare_ballast(const fs::path& file, const BallastPolicy& policy,
                                       const SpaceReading& reading, SpaceLevel level) {
  const uint64_t bytes = ballast_bytes(policy, reading);
  if (level == SpaceLevel::kFull || bytes == 0) {
    WL_ASSIGN_OR_RETURN(const bool was_there, release_ballast(file));
    return was_there ? BallastOutcome::kReleased : BallastOutcome::kSkipped;
  }
  if (is_whole(file, bytes)) return BallastOutcome::kKept;
  if (level == SpaceLevel::kAlmostFull) return BallastOutcome::kSkipped;
  WL_RETURN_IF_ERROR(create(file, bytes));
  return BallastOutcome::kCreated;
}

Result<bool> release_ballast(const fs::path& file) {
  if (::unlink(file.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  return io_failure("cannot remove", file, errno);
}

}  // namespace worldline::storage
