#include "storage/rocksdb/data_directory.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace worldline::storage {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

Status io_failure(const char* what, const fs::path& path, int error) {
  return Status::io_error("{} {}: {}", what, path.string(), std::strerror(error));
}

// Closes its descriptor at the end of a scope.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Status make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) == 0 || errno == EEXIST) return Status::ok_status();
  return io_failure("cannot make directory", path, errno);
}

Status sync_directory(const fs::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return io_failure("cannot open directory", path, errno);
  if (::fsync(fd.get()) != 0) return io_failure("cannot sync directory", path, errno);
  return Status::ok_status();
}

Status write_all(int fd, Bytes content, const fs::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return io_failure("cannot write", path, errno);
    }
    content = content.subspan(static_cast<size_t>(written));
  }
  return Status::ok_status();
}

}  // namespace

Result<std::unique_ptr<DataDirectory>> DataDirectory::open(const fs::path& root) {
  std::error_code error;
  fs::create_directories(root, error);
  if (error) return Status::io_error("cannot make {}: {}", root.string(), error.message());
  const fs::path lock_path = root / "LOCK";
  FileDescriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode));
  if (lock.get() < 0) return io_failure("cannot open", lock_path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return io_failure("cannot lock", lock_path, errno);
    return Status::failed_precondition(
        "Database is already opened. Path: `{}`. Error: the data directory is in use by another "
        "process",
        root.string());
  }
  std::unique_ptr<DataDirectory> directory(new DataDirectory(root, lock.release()));
  fs::remove_all(directory->temporary(), error);
  if (error) return Status::io_error("cannot empty tmp: {}", error.message());
  for (const fs::path& path : {directory->log(), directory->checkpoints(), directory->programs(),
                               directory->keys(), directory->module_logs(), directory->temporary()})
    WL_RETURN_IF_ERROR(make_directory(path));
  WL_RETURN_IF_ERROR(sync_directory(root));
  return directory;
}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

Status write_file_atomically(const fs::path& target, const fs::path& temporary, Bytes content) {
  std::string name = (temporary / (target.filename().string() + ".XXXXXX")).string();
  const FileDescriptor fd(::mkostemp(name.data(), O_CLOEXEC));  // Mode 0600.
  if (fd.get() < 0) return io_failure("cannot create", name, errno);
  Status status = write_all(fd.get(), content, name);
  if (status.ok() && ::fsync(fd.get()) != 0) status = io_failure("cannot sync", name, errno);
  if (status.ok() && ::rename(name.c_str(), target.c_str()) != 0)
    status = io_failure("cannot rename to", target, errno);
  if (!status.ok()) {
    ::unlink(name.c_str());
    return status;
  }
  return sync_directory(target.parent_path());
}

Result<ByteBuffer> read_file(const fs::path& path, size_t bytes_max) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOENT) return Status::not_found("no file {}", path.string());
  if (fd.get() < 0) return io_failure("cannot open", path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return io_failure("cannot stat", path, errno);
  if (info.st_size < 0 || static_cast<uint64_t>(info.st_size) > bytes_max)
    return Status::too_large("{}: {} B, limit {} B", path.string(), info.st_size, bytes_max);
  ByteBuffer content(static_cast<size_t>(info.st_size));
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t count = ::read(fd.get(), content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_failure("cannot read", path, errno);
    if (count == 0) return Status::io_error("{}: ended after {} B", path.string(), done);
    done += static_cast<size_t>(count);
  }
  return content;
}

}  // namespace worldline::storage
