// bench/load/process_cpu.h
//
// CPU time and memory of a process on this machine, from /proc.
//
// Thread: any. Units: seconds of user and system time together (the kernel counts in 10 ms), bytes.
// Errors: kNotFound if there is no such process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/status.h"

namespace worldline::bench {

Result<double> process_cpu_seconds(pid_t pid);
Result<uint64_t> process_resident_bytes(pid_t pid);

// What a reader of a number must know about the machine.
struct MachineInfo {
  std::string cpu_model;
  unsigned cpus = 0;
  std::string kernel;
  // What making 4 KiB durable costs in the folder for temporary files; absent if it cannot be
  // tried.
  std::optional<uint64_t> fsync_us_p50;
  std::optional<uint64_t> fsync_us_p99;
};
MachineInfo machine_info();  // Takes the time of a few dozen synchronous writes.

}  // namespace worldline::bench
