// runtime/v8/js_instance.h
//
// JsInstance runs one JavaScript module in its own isolate.
//
// Invariants: between calls no script is on the stack, no call is marked for the watchdog, and no
// iterator is open. Arguments up to 4 KiB share one ArrayBuffer; modules must not keep it
// [S 03/3.4].
// Ownership and thread: see ModuleInstance. Errors: see module_loader.h.
#pragma once

#include <array>
#include <memory>

#include "runtime/module_instance.h"
#include "runtime/module_loader.h"
#include "runtime/v8/js_host.h"
#include "runtime/watchdog.h"

namespace worldline::runtime {

Result<std::unique_ptr<ModuleInstance>> load_js_module(ModuleRuntime& runtime,
                                                       const ModuleProgram& program,
                                                       const ModuleLimits& limits, ModuleLog& log);

class JsInstance final : public ModuleInstance {
 public:
  JsInstance(ModuleRuntime& runtime, const ModuleProgram& program, const ModuleLimits& limits,
             ModuleLog& log);
  ~JsInstance() override;

  Status load();  // Once, before anything else.

  Result<ByteBuffer> describe() override;
  CallOutcome call_reducer(const ReducerCall& call, CallContext& context) override;
  HeapStats heap_stats() const override { return js_.heap_stats(); }
  bool must_be_replaced() const override { return must_be_replaced_; }
  void terminate() override { watch_.stop_now(); }

 private:
  static constexpr size_t kSharedArgsBytes = 4096;
  static constexpr size_t kCachedViewsMax = 128;  // DataViews kept, by argument length.

  Status install();
  Status compile(IsolateScope& scope, v8::Local<v8::Module>& module);
  Status evaluate(IsolateScope& scope, v8::Local<v8::Module> module);
  Status load_failure(IsolateScope& scope, v8::TryCatch& failed, bool stopped);
  Status recover(IsolateScope& scope, bool stopped);

  v8::MaybeLocal<v8::Value> invoke(IsolateScope& scope, v8::Local<v8::Context> context,
                                   const ReducerCall& call);
  bool make_arguments(IsolateScope& scope, const ReducerCall& call, v8::Local<v8::Value>* out);
  v8::Local<v8::Value> args_view(IsolateScope& scope, Bytes args);
  CallOutcome read_result(IsolateScope& scope, v8::Local<v8::Value> result);
  CallOutcome read_exception(IsolateScope& scope, v8::TryCatch& failed);
  CallOutcome finish_stopped(IsolateScope& scope, bool stopped);
  void check_heap(IsolateScope& scope);

  ModuleRuntime& runtime_;
  const ModuleProgram program_;
  const ModuleLimits limits_;
  JsIsolate js_;
  SystemCalls calls_;
  JsHost host_;
  WatchSlot watch_;
  std::unique_ptr<ScriptPositions> positions_;
  Kept<v8::ArrayBuffer> shared_args_;
  Byte* shared_args_data_ = nullptr;
  std::array<Kept<v8::DataView>, kCachedViewsMax> views_;
  // The caller's ids as BigInts: clients call again and again.
  Kept<v8::BigInt> sender_;
  Kept<v8::BigInt> connection_;
  schema::Identity sender_id_;
  schema::ConnectionId connection_id_;
  uint32_t calls_since_heap_check_ = 0;
  bool must_be_replaced_ = false;
};

}  // namespace worldline::runtime
