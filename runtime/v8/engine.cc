#include "runtime/v8/engine.h"

#include <memory>
#include <mutex>

#include <libplatform/libplatform.h>
#include <unicode/uloc.h>
#include <v8-initialization.h>

#include "base/check.h"

namespace worldline::runtime {
namespace {

// V8's own state is process-wide and cannot be torn down; this mirrors it (departure from the rule
// against singletons). Never destroyed: background threads may still look at it at exit.
struct Engine {
  std::once_flag once;
  v8::Platform* platform = nullptr;
};

Engine& engine() {
  static Engine* const instance = std::make_unique<Engine>().release();
  return *instance;
}

}  // namespace

void start_engine(int threads) {
  WL_CHECK(threads >= 1);
  std::call_once(engine().once, [threads] {
    // Traces of up to 1024 frames [S 03/3.1]. Flags of the command line never reach V8.
    v8::V8::SetFlagsFromString("--stack-trace-limit=1024");
    // WebAssembly memories a script makes are not the allocator's: 256 MiB each at most.
    v8::V8::SetFlagsFromString("--wasm-max-mem-pages=4096");
    // Nothing counts shared ones, and a module has no second thread to share with.
    v8::V8::SetFlagsFromString("--no-experimental-wasm-threads");
    // What Intl and toLocaleString() use unless told; never the locale of the process [S 03/3.1].
    UErrorCode error = U_ZERO_ERROR;
    uloc_setDefault("en-001", &error);
    WL_CHECK(U_SUCCESS(error));
    engine().platform = v8::platform::NewDefaultPlatform(threads).release();
    v8::V8::InitializePlatform(engine().platform);
    v8::V8::Initialize();
  });
}

v8::Platform& engine_platform() {
  WL_CHECK(engine().platform != nullptr);
  return *engine().platform;
}

}  // namespace worldline::runtime
