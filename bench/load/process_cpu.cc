#include "bench/load/process_cpu.h"

#include <fstream>
#include <sstream>
#include <thread>

#include <sys/utsname.h>
#include <unistd.h>

namespace worldline::bench {

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
  return info;
}

}  // namespace worldline::bench
