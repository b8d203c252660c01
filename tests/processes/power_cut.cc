// A library for LD_PRELOAD: notes in the file WORLDLINE_SYNCED how much of each file is safe. After
// kill -9 whoever reads those notes cuts the files back to that, as a power failure would.
//
// A line per event: "N PATH" = N bytes of PATH are synced, "0 PATH" = it was created or emptied;
// "> OLD NEW" = renamed, "!" = a sync is held. Writes only append, as those of RocksDB do.
// WORLDLINE_SYNC_MS: how long a sync takes, so that there is something to lose.
// WORLDLINE_SYNC_HOLD: while there is a file of that name, no sync that begins ever ends.
// WORLDLINE_SYNC_LIES: syncs are forgotten, for a test of the test. Thread: any.
#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr size_t kLineMax = 2 * 4096 + 32;

template <typename Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int notes() {
  static const int file = [] {
    const char* path = std::getenv("WORLDLINE_SYNCED");
    if (path == nullptr) return -1;
    using Open = int (*)(const char*, int, ...);
    return real<Open>("open")(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }();
  return file;
}

// One write to a file that is open for appending: lines of several threads do not mix.
void note(const char* line, int bytes) {
  if (notes() < 0 || bytes <= 0) return;
  if (::write(notes(), line, static_cast<size_t>(bytes)) != bytes) std::abort();
}

void note_size(long long bytes, const char* path) {
  std::array<char, kLineMax> line{};
  note(line.data(), std::snprintf(line.data(), line.size(), "%lld %s\n", bytes, path));
}

void wait_for_the_disk() {
  static const char* const ms = std::getenv("WORLDLINE_SYNC_MS");
  if (ms == nullptr) return;
  const timespec time{0, std::atol(ms) * 1'000'000L};
  nanosleep(&time, nullptr);
}

void be_held() {
  static const char* const mark = std::getenv("WORLDLINE_SYNC_HOLD");
  if (mark == nullptr || access(mark, F_OK) != 0) return;
  note("!\n", 2);
  while (true) pause();
}

// The size is taken first: what is written meanwhile may miss this sync.
int sync_with(const char* name, int file) {
  struct stat before {};
  const bool is_file = fstat(file, &before) == 0 && S_ISREG(before.st_mode);
  wait_for_the_disk();
  if (is_file) be_held();
  const int done = real<int (*)(int)>(name)(file);
  static const bool lies = std::getenv("WORLDLINE_SYNC_LIES") != nullptr;
  if (done != 0 || !is_file || lies) return done;
  std::array<char, 64> link{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", file);
  std::array<char, 4096> path{};
  if (readlink(link.data(), path.data(), path.size() - 1) > 0)
    note_size(before.st_size, path.data());
  return done;
}

int open_with(const char* name, const char* path, int flags, mode_t mode) {
  using Open = int (*)(const char*, int, ...);
  const bool is_new = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
  const int file = real<Open>(name)(path, flags, mode);
  if (file >= 0 && (is_new || (flags & O_TRUNC) != 0)) note_size(0, path);
  return file;
}

mode_t mode_of(int flags, va_list more) {
  return (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
}

}  // namespace

extern "C" {

int fsync(int file) {
  return sync_with("fsync", file);
}

int fdatasync(int file) {
  return sync_with("fdatasync", file);
}

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return open_with("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return open_with("open64", path, flags, mode);
}

int rename(const char* before, const char* after) {
  const int done = real<int (*)(const char*, const char*)>("rename")(before, after);
  if (done == 0) {
    std::array<char, kLineMax> line{};
    note(line.data(), std::snprintf(line.data(), line.size(), "> %s %s\n", before, after));
  }
  return done;
}
}
