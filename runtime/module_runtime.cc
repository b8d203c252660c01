#include "runtime/module_runtime.h"

#include <utility>

#include "runtime/v8/engine.h"
#include "runtime/watchdog.h"

namespace worldline::runtime {

Result<std::unique_ptr<ModuleRuntime>> ModuleRuntime::start(RuntimeConfig config,
                                                            const Clock& clock) {
  if (config.engine_threads < 1 || config.engine_threads > 64)
    return Status::invalid_argument("engine_threads must be 1 to 64, not {}",
                                    config.engine_threads);
  start_engine(config.engine_threads);
  return std::unique_ptr<ModuleRuntime>(new ModuleRuntime(std::move(config), clock));
}

ModuleRuntime::ModuleRuntime(RuntimeConfig config, const Clock& clock)
    : config_(std::move(config)),
      clock_(clock),
      watchdog_(std::make_unique<Watchdog>(config_.on_warning)) {}

void ModuleRuntime::wind_down(const WindDown& times) {
  watchdog_->wind_down(times);
}

bool ModuleRuntime::shortens_calls() const {
  return watchdog_->shortens_calls();
}

bool ModuleRuntime::refuses_calls() const {
  return watchdog_->refuses_calls();
}

ModuleRuntime::~ModuleRuntime() = default;

}  // namespace worldline::runtime
