#include "runtime/v8/js_instance.h"

#include <utility>

#include <fmt/core.h>

#include "runtime/v8/globals.h"
#include "runtime/v8/hooks.h"
#include "runtime/v8/lowering.h"
#include "runtime/v8/sys_modules.h"
#include "runtime/v8/values.h"
#include "schema/utf8.h"

namespace worldline::runtime {
namespace {

using v8::Local;

constexpr std::string_view kScriptName = "spacetimedb_module";
constexpr uint32_t kCallsPerHeapCheck = 4096;  // [S 03/3.11]
constexpr size_t kHeapCollectPercent = 67;     // Above this a collection is forced,
constexpr size_t kHeapReplacePercent = 75;     // and still above this the instance is replaced.

// Never returns by itself: called to turn a requested termination into the pending exception.
constexpr std::string_view kEndlessLoop = "(function () { for (;;) {} })";

}  // namespace

Result<std::unique_ptr<ModuleInstance>> load_js_module(ModuleRuntime& runtime,
                                                       const ModuleProgram& program,
                                                       const ModuleLimits& limits, ModuleLog& log) {
  if (!schema::is_valid_utf8(*program.bytes))
    return Status::invalid_argument("the JavaScript program is not valid UTF-8");
  auto instance = std::make_unique<JsInstance>(runtime, program, limits, log);
  WL_RETURN_IF_ERROR(instance->load());
  return std::unique_ptr<ModuleInstance>(std::move(instance));
}

JsInstance::JsInstance(ModuleRuntime& runtime, const ModuleProgram& program,
                       const ModuleLimits& limits, ModuleLog& log)
    : runtime_(runtime),
      program_(program),
      limits_(limits),
      js_({.heap_bytes = limits.heap_bytes, .stack_bytes = limits.stack_bytes}),
      calls_(program.database, log, runtime.clock()),
      host_(js_, calls_),
      watch_(js_, limits.call_budget, fmt::format("database={}", program.database.to_hex())) {
  runtime_.watchdog().add(watch_);
}

JsInstance::~JsInstance() {
  runtime_.watchdog().remove(watch_);
}

// ---- Loading -----------------------------------------------------------------------------------

Status JsInstance::load() {
  EnteredIsolate entered(js_);
  IsolateScope& scope = entered.scope();
  js_.isolate()->SetData(0, &host_);
  js_.isolate()->SetPromiseRejectCallback(on_promise_reject);
  WL_RETURN_IF_ERROR(install());
  Local<v8::Module> module;
  WL_RETURN_IF_ERROR(compile(scope, module));
  host_.positions = positions_.get();
  const Status status = evaluate(scope, module);
  if (status.ok())
    log_rejected_promises(scope, host_);
  else
    host_.rejected.clear();
  calls_.end_call();
  return status;
}

Status JsInstance::install() {
  IsolateScope scope(js_.isolate());
  WL_RETURN_IF_ERROR(install_globals(scope));
  const auto isolate = scope.isolate();
  // In the API's registry: the same for the whole isolate, out of reach of Symbol.for.
  host_.module_hooks.set(isolate,
                         v8::Symbol::ForApi(isolate, js_name(scope, "SpacetimeDB.moduleHooks.v2")));
  Local<v8::Script> script;
  Local<v8::Value> loop;
  if (!v8::Script::Compile(scope.context(), js_string(scope, kEndlessLoop)).ToLocal(&script) ||
      !script->Run(scope.context()).ToLocal(&loop))
    return Status::internal("the engine refuses a constant script");
  host_.endless_loop.set(isolate, loop.As<v8::Function>());
  auto store = v8::ArrayBuffer::NewBackingStore(isolate, kSharedArgsBytes);
  shared_args_data_ = static_cast<Byte*>(store->Data());
  shared_args_.set(isolate, v8::ArrayBuffer::New(isolate, std::move(store)));
  return Status();
}

// Parses the bundle; if it does not parse, what the lowering makes of it.
Status JsInstance::compile(IsolateScope& scope, Local<v8::Module>& module) {
  const std::string_view bundle = as_text(*program_.bytes);
  const auto try_compile = [&scope, &module](std::string_view text) {
    v8::ScriptOrigin origin(scope.isolate(), js_name(scope, kScriptName), 0, 0, false, -1, {},
                            false, false, true);
    v8::ScriptCompiler::Source source(js_string(scope, text), origin);
    return v8::ScriptCompiler::CompileModule(scope.isolate(), &source).ToLocal(&module);
  };
  v8::TryCatch failed(scope.isolate());
  if (try_compile(bundle)) {
    positions_ = std::make_unique<ScriptPositions>(bundle, "");
    return Status();
  }
  failed.Reset();
  WL_ASSIGN_OR_RETURN(LoweredScript lowered, lower_script(runtime_, bundle, program_.hash));
  positions_ = std::make_unique<ScriptPositions>(bundle, std::move(lowered.map));
  if (try_compile(lowered.script)) return Status();
  const ExceptionText text = describe_exception(scope, failed, positions_.get());
  return Status::invalid_argument("{}", text.message);
}

Status JsInstance::evaluate(IsolateScope& scope, Local<v8::Module> module) {
  const auto context = scope.context();
  v8::TryCatch failed(scope.isolate());
  WatchedCall watched(watch_);
  Local<v8::Value> promise;
  bool done = link_imports(scope, module) && module->Evaluate(context).ToLocal(&promise);
  if (done) js_.run_promise_jobs();
  if (done && promise.As<v8::Promise>()->State() == v8::Promise::kRejected) {
    scope.isolate()->ThrowException(promise.As<v8::Promise>()->Result());
    done = false;
  } else if (done && promise.As<v8::Promise>()->State() == v8::Promise::kPending) {
    throw_type_error(scope, "module has top-level await and is pending");
    done = false;
  }
  done = done && finish_registration(scope, host_, module);
  const bool stopped = watched.end();
  if (done && !stopped) return Status();
  return load_failure(scope, failed, stopped);
}

Status JsInstance::load_failure(IsolateScope& scope, v8::TryCatch& failed, bool stopped) {
  WL_RETURN_IF_ERROR(recover(scope, stopped));
  const ExceptionText text = describe_exception(scope, failed, positions_.get());
  return Status::invalid_argument("{}", text.message);
}

// After a call that may have been ended from outside: OK if it was not. Makes the isolate usable.
Status JsInstance::recover(IsolateScope& scope, bool stopped) {
  const size_t raised_limit = js_.raised_heap_limit();
  const bool trapped = std::exchange(host_.trapped, false);
  if (!stopped && !trapped && raised_limit == 0) return Status();
  js_.cancel_stop();
  if (scope.isolate()->IsExecutionTerminating() || raised_limit != 0) must_be_replaced_ = true;
  if (raised_limit != 0)
    return Status::module_fatal(
        "Javascript module exceeded memory limit (current limit: {}, initial: {})", raised_limit,
        js_.initial_heap_limit());
  if (trapped) return Status::module_fatal("{}", calls_.trap_text());
  return Status::timeout("the module ran longer than its budget of {} ms",
                         limits_.call_budget.count());
}

Result<ByteBuffer> JsInstance::describe() {
  EnteredIsolate entered(js_);
  IsolateScope& scope = entered.scope();
  v8::TryCatch failed(scope.isolate());
  WatchedCall watched(watch_);
  ByteBuffer definition;
  const bool done = call_describe(scope, host_, definition);
  const bool stopped = watched.end();
  calls_.end_call();
  if (!done || stopped) return load_failure(scope, failed, stopped);
  return definition;
}

// ---- Calls -------------------------------------------------------------------------------------

CallOutcome JsInstance::call_reducer(const ReducerCall& call, CallContext& context) {
  EnteredIsolate entered(js_);
  IsolateScope& scope = entered.scope();
  calls_.begin_call(context, call.name);
  CallOutcome outcome;
  v8::TryCatch failed(scope.isolate());
  WatchedCall watched(watch_);
  Local<v8::Value> result;
  const bool returned = invoke(scope, entered.context(), call).ToLocal(&result);
  if (!failed.HasTerminated()) js_.run_promise_jobs();  // Still inside the transaction.
  js_.check_external();
  if (!returned)
    outcome = read_exception(scope, failed);
  else if (!result->IsUndefined() || host_.hooks.abi == Abi::kV1)
    outcome = read_result(scope, result);
  const bool stopped = watched.end();
  if (stopped || host_.trapped || js_.raised_heap_limit() != 0)
    outcome = finish_stopped(scope, stopped);
  if (!host_.rejected.empty()) log_rejected_promises(scope, host_);
  calls_.end_call();
  if (calls_.iterators().is_worn()) must_be_replaced_ = true;
  if (++calls_since_heap_check_ == kCallsPerHeapCheck || watch_.take_heap_check())
    check_heap(scope);
  return outcome;
}

v8::MaybeLocal<v8::Value> JsInstance::invoke(IsolateScope& scope, Local<v8::Context> context,
                                             const ReducerCall& call) {
  constexpr int kArgumentCount = 5;
  Local<v8::Value> arguments[kArgumentCount];
  if (!make_arguments(scope, call, arguments)) return {};
  return host_.hooks.call_reducer.get(scope.isolate())
      ->Call(context, host_.hooks.receiver(scope), kArgumentCount, arguments);
}

// id, sender, connection, timestamp, args. False after throwing.
bool JsInstance::make_arguments(IsolateScope& scope, const ReducerCall& call,
                                Local<v8::Value>* out) {
  const auto isolate = scope.isolate();
  if (sender_.empty() || sender_id_ != call.sender) {
    sender_.set(isolate, js_bigint(scope, call.sender));
    sender_id_ = call.sender;
  }
  if (connection_.empty() || connection_id_ != call.connection) {
    connection_.set(isolate, js_bigint(scope, call.connection));
    connection_id_ = call.connection;
  }
  out[0] = v8::Integer::NewFromUnsigned(isolate, call.id.value);
  out[1] = sender_.get(isolate);
  out[2] = connection_.get(isolate);
  out[3] = v8::BigInt::New(isolate, call.timestamp.micros);
  if (host_.hooks.abi == Abi::kV2) {
    out[4] = args_view(scope, call.args);
    return !out[4].IsEmpty();
  }
  Local<v8::Uint8Array> bytes;
  if (!js_bytes(scope, call.args).ToLocal(&bytes)) return false;
  out[4] = bytes;
  return true;
}

// A DataView of exactly the argument bytes; empty after throwing. Views of short arguments are
// kept: their buffer is the shared one anyway.
Local<v8::Value> JsInstance::args_view(IsolateScope& scope, Bytes args) {
  const auto isolate = scope.isolate();
  if (args.size() > kSharedArgsBytes) {
    Local<v8::Uint8Array> bytes;
    if (!js_bytes(scope, args).ToLocal(&bytes)) return {};
    return v8::DataView::New(bytes->Buffer(), 0, args.size());
  }
  if (!args.empty()) std::memcpy(shared_args_data_, args.data(), args.size());
  if (args.size() < kCachedViewsMax && !views_[args.size()].empty())
    return views_[args.size()].get(isolate);
  const auto view = v8::DataView::New(shared_args_.get(isolate), 0, args.size());
  if (args.size() < kCachedViewsMax) views_[args.size()].set(isolate, view);
  return view;
}

// Anything but `undefined` in 2.x; the tagged result of 1.x.
CallOutcome JsInstance::read_result(IsolateScope& scope, Local<v8::Value> result) {
  v8::TryCatch failed(scope.isolate());
  const auto context = scope.context();
  Local<v8::Value> tag;
  Local<v8::Value> value;
  if (host_.hooks.abi == Abi::kV1 && result->IsObject() && !result->IsPromise()) {
    const auto object = result.As<v8::Object>();
    if (!object->Get(context, js_name(scope, "tag")).ToLocal(&tag))
      return read_exception(scope, failed);
    if (tag->IsString() && tag->StrictEquals(js_name(scope, "ok"))) return {};
    if (tag->IsString() && tag->StrictEquals(js_name(scope, "err"))) {
      if (!object->Get(context, js_name(scope, "value")).ToLocal(&value))
        return read_exception(scope, failed);
      if (value->IsString())
        return {CallStatus::kUserError, to_utf8(scope, value.As<v8::String>())};
    }
  }
  throw_type_error(scope, host_.hooks.abi == Abi::kV1
                              ? "Reducer returned something other than a result"
                              : "Reducer returned a value other than `undefined`");
  return read_exception(scope, failed);
}

// A SenderError is the module's refusal; everything else is its crash [S 03/3.7].
CallOutcome JsInstance::read_exception(IsolateScope& scope, v8::TryCatch& failed) {
  if (!failed.HasCaught() || failed.HasTerminated()) return {CallStatus::kFatal, {}};
  const auto context = scope.context();
  const auto exception = failed.Exception();
  v8::TryCatch inner(scope.isolate());
  bool refused = false;
  if (!host_.hooks.sender_error_class.empty() && exception->IsObject() &&
      exception->InstanceOf(context, host_.hooks.sender_error_class.get(scope.isolate()))
          .To(&refused) &&
      refused) {
    Local<v8::Value> message;
    Local<v8::String> text;
    if (exception.As<v8::Object>()->Get(context, js_name(scope, "message")).ToLocal(&message) &&
        message->ToString(context).ToLocal(&text))
      return {CallStatus::kUserError, to_utf8(scope, text)};
  }
  if (inner.HasTerminated()) return {CallStatus::kFatal, {}};
  ExceptionText text =
      describe_exception(scope, inner.HasCaught() ? inner : failed, positions_.get());
  calls_.panic(text.message, text.frames);
  return {CallStatus::kFatal, std::move(text.message)};
}

CallOutcome JsInstance::finish_stopped(IsolateScope& scope, bool stopped) {
  const Status status = recover(scope, stopped);
  if (status.code() == StatusCode::kTimeout) return {CallStatus::kBudget, status.message()};
  calls_.panic(status.message(), {});
  return {CallStatus::kFatal, status.message()};
}

void JsInstance::check_heap(IsolateScope& scope) {
  calls_since_heap_check_ = 0;
  const size_t limit = limits_.heap_bytes;
  const auto used_percent = [this, limit] {
    const HeapStats stats = js_.heap_stats();
    return (stats.used_bytes + stats.external_bytes) * 100 / limit;
  };
  if (used_percent() <= kHeapCollectPercent) return;
  scope.isolate()->LowMemoryNotification();
  if (used_percent() > kHeapReplacePercent) must_be_replaced_ = true;
}

}  // namespace worldline::runtime
