#include "bench/load/process_cpu.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include <sys/utsname.h>
#include <unistd.h>

namespace worldline::bench {
namespace {

constexpr int kSyncs = 50;
constexpr size_t kSyncBytes = 4096;

// Microseconds of each synchronous write at the end of a file, ascending; empty if one failed.
std::vector<uint64_t> sync_times() {
  std::string name = (std::filesystem::temp_directory_path() / "worldline-sync-XXXXXX").string();
  const int file = ::mkstemp(name.data());
  if (file < 0) return {};
  ::unlink(name.c_str());
  const std::vector<char> block(kSyncBytes, 'w');
  std::vector<uint64_t> times;
  for (int i = 0; i < kSyncs; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    if (::write(file, block.data(), block.size()) != static_cast<ssize_t>(block.size()) ||
        ::fdatasync(file) != 0)
      break;
    const auto took = std::chrono::steady_clock::now() - begun;
    times.push_back(static_cast<uint64_t>(took / std::chrono::microseconds(1)));
  }
  ::close(file);
  if (times.size() < kSyncs) return {};
  std::sort(times.begin(), times.end());
  return times;
}

}  // namespace

Result<double> process_cpu_seconds(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return Status::not_found("no process {}", pid);
  // The second field is the name in parentheses and may hold spaces; fields 14 and 15 are wanted.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Result<uint64_t> process_resident_bytes(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/statm", pid));
  uint64_t total = 0;
  uint64_t resident = 0;
  if (!(file >> total >> resident)) return Status::not_found("no process {}", pid);
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

MachineInfo machine_info() {
  MachineInfo info;
  info.cpus = std::thread::hardware_concurrency();
  utsname name{};
  if (::uname(&name) == 0) info.kernel = fmt::format("{} {}", name.sysname, name.release);
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(':');
    info.cpu_model = colon + 2 < line.size() ? line.substr(colon + 2) : "";
    break;
  }
  if (const std::vector<uint64_t> times = sync_times(); !times.empty()) {
    info.fsync_us_p50 = times[times.size() / 2];
    info.fsync_us_p99 = times[times.size() * 99 / 100];
  }
  return info;
}

}  // namespace worldline::bench
