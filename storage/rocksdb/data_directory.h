// storage/rocksdb/data_directory.h
//
// The node's data directory [S 09/1.5]: its lock, its sub-directories, and file writes that either
// happened whole or not at all.
//
// Invariants: the lock is held for the life of the object; `tmp/` is empty after open(). Files
// 0600, directories 0700. Thread: any, after open(). Errors: kFailedPrecondition = another process
// holds the lock (exit 5); kIoError with the path.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace worldline::storage {

class DataDirectory {
 public:
  static Result<std::unique_ptr<DataDirectory>> open(const std::filesystem::path& root);
  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path log() const { return root_ / "log"; }
  std::filesystem::path checkpoints() const { return root_ / "ckpt"; }
  std::filesystem::path programs() const { return root_ / "programs"; }
  std::filesystem::path keys() const { return root_ / "keys"; }
  std::filesystem::path module_logs() const { return root_ / "module-logs"; }
  std::filesystem::path ballast() const { return root_ / "ballast"; }
  std::filesystem::path temporary() const { return root_ / "tmp"; }

 private:
  DataDirectory(std::filesystem::path root, int lock_fd) : root_(std::move(root)), lock_(lock_fd) {}

  std::filesystem::path root_;
  int lock_;  // Advisory lock on LOCK; closed last.
};

// Writes `target` so that after a crash it is absent (or old) or whole: temporary file beside it in
// `temporary`, fsync, rename, fsync of the directory. REQUIRES: both on one file system.
Status write_file_atomically(const std::filesystem::path& target,
                             const std::filesystem::path& temporary, Bytes content);
// kNotFound if absent; kTooLarge beyond `bytes_max`.
Result<ByteBuffer> read_file(const std::filesystem::path& path, size_t bytes_max);

}  // namespace worldline::storage
