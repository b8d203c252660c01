#include "tests/storage_log/fault_file_system.h"

#include <cstring>
#include <utility>

#include <rocksdb/system_clock.h>

namespace worldline::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Outcome = DiskImage::Outcome;

IOStatus status_of(Outcome outcome, const std::string& path) {
  switch (outcome) {
    case Outcome::kOk:
      return IOStatus::OK();
    case Outcome::kIoError:
      return IOStatus::IOError(path, "fails on order");
    case Outcome::kNoSpace:
      return IOStatus::NoSpace(path, "full on order");
    case Outcome::kNotFound:
      return IOStatus::PathNotFound(path);
  }
  return IOStatus::OK();
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  SequentialFile(std::shared_ptr<DiskImage> image, DiskImage::Handle handle)
      : image_(std::move(image)), handle_(std::move(handle)) {}
  IOStatus Read(size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    size_t got = 0;
    const Outcome outcome = image_->read(handle_, at_, n, scratch, got);
    at_ += got;
    *result = Slice(scratch, got);
    return status_of(outcome, handle_.path);
  }
  IOStatus Skip(uint64_t n) override {
    at_ += n;
    return IOStatus::OK();
  }
  IOStatus InvalidateCache(size_t, size_t) override {
    return status_of(image_->drop_cache(handle_), handle_.path);
  }

 private:
  std::shared_ptr<DiskImage> image_;
  const DiskImage::Handle handle_;
  uint64_t at_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  RandomAccessFile(std::shared_ptr<DiskImage> image, DiskImage::Handle handle)
      : image_(std::move(image)), handle_(std::move(handle)) {}
  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    size_t got = 0;
    const Outcome outcome = image_->read(handle_, offset, n, scratch, got);
    *result = Slice(scratch, got);
    return status_of(outcome, handle_.path);
  }

 private:
  std::shared_ptr<DiskImage> image_;
  const DiskImage::Handle handle_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::shared_ptr<DiskImage> image, DiskImage::Handle handle, uint64_t size)
      : image_(std::move(image)), handle_(std::move(handle)), size_(size) {}
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const Outcome outcome = image_->append(handle_, {data.data(), data.size()});
    if (outcome == Outcome::kOk) size_ += data.size();
    return status_of(outcome, handle_.path);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    if (size == size_) return IOStatus::OK();  // RocksDB does this before each close.
    size_ = size;
    return status_of(image_->truncate(handle_, size), handle_.path);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return status_of(image_->sync(handle_), handle_.path);
  }
  bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  std::shared_ptr<DiskImage> image_;
  const DiskImage::Handle handle_;
  uint64_t size_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(std::shared_ptr<DiskImage> image, std::string path)
      : image_(std::move(image)), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return status_of(image_->sync_directory(), path_);
  }

 private:
  std::shared_ptr<DiskImage> image_;
  const std::string path_;
};

// RocksDB's own log has times in it: it would make runs differ.
class SilentLogger final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

class Lock final : public rocksdb::FileLock {
 public:
  explicit Lock(std::string path_in) : path(std::move(path_in)) {}
  const std::string path;
};

class FaultFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultFileSystem(std::shared_ptr<DiskImage> image)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), image_(std::move(image)) {}
  const char* Name() const override { return "FaultFileSystem"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* out,
                             IODebugContext*) override {
    return open<SequentialFile>(path, out);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* out,
                               IODebugContext*) override {
    return open<RandomAccessFile>(path, out);
  }
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* out,
                           IODebugContext*) override {
    DiskImage::Handle handle;
    const Outcome outcome = image_->create(path, handle);
    if (outcome == Outcome::kOk) *out = std::make_unique<WritableFile>(image_, handle, 0);
    return status_of(outcome, path);
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* out,
                              IODebugContext*) override {
    DiskImage::Handle handle;
    uint64_t size = 0;
    Outcome outcome = image_->open(path, handle);
    if (outcome == Outcome::kOk) outcome = image_->size(path, size);
    if (outcome == Outcome::kOk) *out = std::make_unique<WritableFile>(image_, handle, size);
    return status_of(outcome, path);
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* out, IODebugContext*) override {
    *out = std::make_unique<Directory>(image_, path);
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    return image_->exists(path) ? IOStatus::OK() : IOStatus::NotFound(path);
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* out,
                       IODebugContext*) override {
    *out = image_->children(path);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return status_of(image_->remove(path), path);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    image_->make_directory(path);
    return IOStatus::OK();
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    image_->make_directory(path);
    return IOStatus::OK();
  }
  IOStatus DeleteDir(const std::string&, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_directory,
                       IODebugContext*) override {
    *is_directory = image_->is_directory(path);
    return IOStatus::OK();
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* out,
                       IODebugContext*) override {
    return status_of(image_->size(path, *out), path);
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* out,
                                   IODebugContext*) override {
    *out = 0;
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* out,
                           IODebugContext*) override {
    *out = path;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return status_of(image_->rename(from, to), from);
  }
  IOStatus LinkFile(const std::string& from, const std::string&, const IOOptions&,
                    IODebugContext*) override {
    return IOStatus::NotSupported(from);
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** out,
                    IODebugContext*) override {
    if (!image_->lock(path)) return IOStatus::IOError(path, "is locked");
    *out = std::make_unique<Lock>(path).release();  // Comes back to UnlockFile.
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    const std::unique_ptr<Lock> owned(static_cast<Lock*>(lock));
    image_->unlock(owned->path);
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* out,
                     IODebugContext*) override {
    *out = std::make_shared<SilentLogger>();
    return IOStatus::OK();
  }

 private:
  template <typename Made, typename Pointer>
  IOStatus open(const std::string& path, Pointer* out) {
    DiskImage::Handle handle;
    const Outcome outcome = image_->open(path, handle);
    if (outcome == Outcome::kOk) *out = std::make_unique<Made>(image_, handle);
    return status_of(outcome, path);
  }

  std::shared_ptr<DiskImage> image_;
};

// After a failed flush RocksDB waits a second in the hope of better times; there are none here.
class HastyClock final : public rocksdb::SystemClockWrapper {
 public:
  HastyClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "HastyClock"; }
  void SleepForMicroseconds(int) override {}
};

class FaultEnv final : public rocksdb::EnvWrapper {
 public:
  explicit FaultEnv(std::unique_ptr<rocksdb::Env> files) : EnvWrapper(std::move(files)) {
    system_clock_ = std::make_shared<HastyClock>();
  }
  const char* Name() const override { return "FaultEnv"; }
};

}  // namespace

std::unique_ptr<rocksdb::Env> make_fault_env(std::shared_ptr<DiskImage> image) {
  return std::make_unique<FaultEnv>(
      rocksdb::NewCompositeEnv(std::make_shared<FaultFileSystem>(std::move(image))));
}

}  // namespace worldline::storage
