#include "gateway/process_samples.h"

#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace worldline::gateway {
namespace {

namespace fs = std::filesystem;
using actors::MetricKind;

// Fields of /proc/PID/stat that we read, counted from behind the name in parentheses [proc(5)].
enum StatField : size_t {
  kUserTicks = 11,
  kSystemTicks = 12,
  kThreads = 17,
  kStartTicks = 19,
  kVirtualBytes = 20,
  kResidentPages = 21,
  kStatFieldsNeeded = 22,
};

std::vector<double> read_stat(const fs::path& file) {
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const size_t name_end = text.rfind(')');
  std::vector<double> fields;
  if (name_end == std::string::npos) return fields;
  std::istringstream words(text.substr(name_end + 1));
  std::string state;
  words >> state;
  fields.push_back(0);  // The state is a letter.
  for (double value = 0; fields.size() < kStatFieldsNeeded && words >> value;)
    fields.push_back(value);
  return fields;
}

std::optional<double> boot_time_seconds(const fs::path& file) {
  std::ifstream in(file);
  std::string word;
  double value = 0;
  while (in >> word)
    if (word == "btime" && in >> value) return value;
  return std::nullopt;
}

std::optional<double> count_files(const fs::path& directory) {
  std::error_code failed;
  double count = 0;
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end;
       at.increment(failed))
    ++count;
  if (failed) return std::nullopt;
  return count;
}

}  // namespace

void append_process_samples(const fs::path& proc, std::vector<actors::MetricSample>& out) {
  const auto add = [&out](const char* name, MetricKind kind, double value) {
    out.push_back({name, {}, value, kind, {}});
  };
  const std::vector<double> stat = read_stat(proc / "stat");
  if (stat.size() >= kStatFieldsNeeded) {
    const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
    add("process_cpu_seconds_total", MetricKind::kCounter,
        (stat[kUserTicks] + stat[kSystemTicks]) / ticks_per_second);
    add("process_threads", MetricKind::kGauge, stat[kThreads]);
    add("process_virtual_memory_bytes", MetricKind::kGauge, stat[kVirtualBytes]);
    add("process_resident_memory_bytes", MetricKind::kGauge,
        stat[kResidentPages] * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    if (const auto boot = boot_time_seconds(proc.parent_path() / "stat"))
      add("process_start_time_seconds", MetricKind::kGauge,
          *boot + stat[kStartTicks] / ticks_per_second);
  }
  if (const auto files = count_files(proc / "fd"))
    add("process_open_fds", MetricKind::kGauge, *files);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    add("process_max_fds", MetricKind::kGauge, static_cast<double>(limit.rlim_cur));
}

}  // namespace worldline::gateway
