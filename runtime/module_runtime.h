// runtime/module_runtime.h
//
// ModuleRuntime is the process-wide part of running modules: the script engine's start-up and the
// watchdog thread that ends calls over their budget. Create one before the first module is loaded
// and keep it until the last instance is gone.
//
// Invariants: the engine is started once per process and never stopped (it cannot be restarted);
// the watchdog thread lives as long as this object.
// Thread: start and destruction on one thread; otherwise thread-safe.
// Units: see RuntimeConfig.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/limits.h"
#include "base/status.h"

namespace worldline::runtime {

class Watchdog;
struct WindDown;

struct RuntimeConfig {
  // TypeScript's compiler as one script (npm package typescript, lib/typescript.js); lowers bundles
  // that use newer syntax than the engine's. Empty: the first that exists of the default places
  // compiled in (<prefix>/share/worldline, then third_party/ of the source tree). Per node.
  std::string lowering_tool;
  // Directory for lowered programs, by program hash; created if missing. Empty: no cache. Per node.
  std::string lowering_cache;
  std::chrono::milliseconds lowering_budget{60'000};  // Wall time of one lowering.
  size_t lowering_heap_bytes = 1 * limits::GiB;       // 80 MB for a bundle of 0.5 MB.
  // Lines for the server's log: long calls, schedules. From any thread; must not block. Per node.
  std::function<void(const std::string&)> on_warning;
  int engine_threads = 1;  // Background threads of the engine (compiler, garbage collector).
};

class ModuleRuntime {
 public:
  // `clock` gives module logs their time. Borrowed; outlives the object.
  static Result<std::unique_ptr<ModuleRuntime>> start(RuntimeConfig config, const Clock& clock);
  ~ModuleRuntime();
  ModuleRuntime(const ModuleRuntime&) = delete;
  ModuleRuntime& operator=(const ModuleRuntime&) = delete;

  const RuntimeConfig& config() const { return config_; }
  const Clock& clock() const { return clock_; }
  Watchdog& watchdog() { return *watchdog_; }
  void warn(const std::string& line) const {
    if (config_.on_warning) config_.on_warning(line);
  }

  // An orderly stop: what runs too long then is ended as if over budget.
  void wind_down(const WindDown& times);
  bool shortens_calls() const;
  bool refuses_calls() const;

 private:
  ModuleRuntime(RuntimeConfig config, const Clock& clock);

  const RuntimeConfig config_;
  const Clock& clock_;
  std::unique_ptr<Watchdog> watchdog_;
};

}  // namespace worldline::runtime
