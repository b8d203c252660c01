#include "gateway/auth/key_files.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/auth/crypto.h"

namespace worldline::gateway {
namespace {

constexpr size_t kKeyFileBytesMax = 64 * 1024;  // A PEM key has a few hundred bytes.

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

Status io_error(const std::string& path, const char* what) {
  return Status::io_error("cannot {} {}: {}", what, path, std::strerror(errno));
}

Result<std::string> read_file(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0)  // It is not where the configuration says.
    return Status::invalid_argument("cannot open {}: {}", path, std::strerror(errno));
  std::string text(kKeyFileBytesMax, '\0');
  const ssize_t bytes = ::read(file.get(), text.data(), text.size());
  if (bytes < 0) return io_error(path, "read");
  text.resize(static_cast<size_t>(bytes));
  return text;
}

Status sync_folder(const std::string& folder) {
  const File file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0) return io_error(folder, "open");
  return ::fsync(file.get()) == 0 ? Status() : io_error(folder, "sync");
}

std::string part_of(const std::string& path) {
  return path + ".new";
}

Status write_part(const std::string& path, const std::string& text) {
  const std::string part = part_of(path);
  const File file(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (file.get() < 0) return io_error(part, "create");
  if (::fchmod(file.get(), 0600) != 0) return io_error(part, "set the mode of");
  const ssize_t bytes = ::write(file.get(), text.data(), text.size());
  if (bytes != static_cast<ssize_t>(text.size())) return io_error(part, "write");
  if (::fsync(file.get()) != 0) return io_error(part, "sync");
  return {};
}

Status publish_part(const std::string& path) {
  return ::rename(part_of(path).c_str(), path.c_str()) == 0 ? Status()
                                                            : io_error(path, "rename to");
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

Result<KeyPairText> create_pair(const std::string& folder, const std::string& private_path,
                                const std::string& public_path) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return Status::io_error("cannot create the key folder {}: {}", folder, error.message());
  WL_ASSIGN_OR_RETURN(const PrivateKey key, PrivateKey::generate());
  KeyPairText pair{key.private_pem(), key.public_pem()};
  WL_RETURN_IF_ERROR(write_part(private_path, pair.private_pem));
  WL_RETURN_IF_ERROR(write_part(public_path, pair.public_pem));
  WL_RETURN_IF_ERROR(publish_part(private_path));
  WL_RETURN_IF_ERROR(publish_part(public_path));
  WL_RETURN_IF_ERROR(sync_folder(folder));
  return pair;
}

Result<KeyPairText> read_pair(const std::string& private_path, const std::string& public_path) {
  auto private_pem = read_file(private_path);
  if (!private_pem.ok())
    return private_pem.status().with_context("Unable to read private key for JWT token signing");
  auto public_pem = read_file(public_path);
  if (!public_pem.ok())
    return public_pem.status().with_context("Unable to read public key for JWT token verification");
  return KeyPairText{std::move(*private_pem), std::move(*public_pem)};
}

}  // namespace

Result<KeyPairText> load_or_create_key_pair(const AuthConfig& config) {
  if (!config.private_key_path.empty())
    return read_pair(config.private_key_path, config.public_key_path);
  const std::string private_path = config.key_dir + "/id_ecdsa";
  const std::string public_path = config.key_dir + "/id_ecdsa.pub";
  if (!exists(private_path) && !exists(public_path))
    return create_pair(config.key_dir, private_path, public_path);
  return read_pair(private_path, public_path);
}

}  // namespace worldline::gateway
