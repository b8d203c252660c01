// runtime/v8/js_host.h
//
// JsHost is what a callback from JavaScript reaches: the system calls, the module's registered
// hooks and the objects kept for them. It lies in the isolate's data slot 0.
//
// Ownership: a member of JsInstance, its thread. `calls` and `isolate` are borrowed.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/system_calls.h"
#include "runtime/v8/exceptions.h"
#include "runtime/v8/isolate.h"

namespace worldline::runtime {

enum class Abi : uint8_t { kNone, kV1, kV2 };

// `spacetime:sys@M.m` versions, in the order of JsHost::sys_modules.
enum class SysVersion : uint8_t { k1_0, k1_1, k1_2, k1_3, k2_0, k2_1 };
inline constexpr size_t kSysVersionCount = 6;

// Functions of the module the host calls. Unset ones are empty.
struct JsHooks {
  Abi abi = Abi::kNone;
  Kept<v8::Object> self;  // `this` of the hooks; empty in 1.x (undefined).
  Kept<v8::Function> describe_module;
  Kept<v8::Function> call_reducer;
  Kept<v8::Function> get_error_constructor;
  Kept<v8::Object> sender_error_class;
  uint8_t registered_versions = 0;  // 1.x: bit per minor version.

  v8::Local<v8::Value> receiver(IsolateScope& scope) const {
    if (self.empty()) return v8::Undefined(scope.isolate());
    return self.get(scope.isolate());
  }
};

struct RejectedPromise {
  Kept<v8::Promise> promise;
  Kept<v8::Value> reason;
};

struct JsHost {
  JsHost(JsIsolate& js, SystemCalls& system_calls) : isolate(js), calls(system_calls) {}

  JsIsolate& isolate;
  SystemCalls& calls;
  JsHooks hooks;
  ScriptPositions* positions = nullptr;  // Set while a module is loaded.
  std::array<Kept<v8::Module>, kSysVersionCount> sys_modules;
  Kept<v8::Symbol> module_hooks;
  Kept<v8::Function> endless_loop;        // Called to notice a termination at once.
  bool trapped = false;                   // A system call ended the running script.
  std::vector<RejectedPromise> rejected;  // Of the running call, not handled so far.
  ByteBuffer scratch;                     // Rows on their way to a 1.x module.
  std::string text;                       // Scratch for strings from the module.

  static JsHost& of(v8::Isolate* isolate) { return *static_cast<JsHost*>(isolate->GetData(0)); }
};

// Ends the running script; neither `catch` nor `finally` will run. To be called from a callback,
// which returns right after.
void trap_script(IsolateScope& scope, JsHost& host);

// Keeps track of promises that were rejected without anybody to handle it. For
// Isolate::SetPromiseRejectCallback.
void on_promise_reject(v8::PromiseRejectMessage message);
// Logs those left at the end of a call: nothing else comes of them. Forgets them.
void log_rejected_promises(IsolateScope& scope, JsHost& host);

// Throws what the ABI's modules expect for an errno; traps for Errno::kTrap.
template <Abi abi>
void throw_errno(IsolateScope& scope, JsHost& host, Errno code);

}  // namespace worldline::runtime
