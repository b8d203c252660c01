#include "runtime/v8/hooks.h"
#include "runtime/v8/sys_functions.h"

namespace worldline::runtime {
namespace {

// Where the caller of the function that called `console_log` stands [S 03/3.7]. `filename` borrows
// from `storage`.
SystemCalls::LogPosition log_position(IsolateScope& scope, JsHost& host, std::string& storage) {
  const auto trace = v8::StackTrace::CurrentStackTrace(
      scope.isolate(), 2,
      static_cast<v8::StackTrace::StackTraceOptions>(v8::StackTrace::kLineNumber |
                                                     v8::StackTrace::kScriptName));
  const int count = trace->GetFrameCount();
  if (count == 0) return {};
  const auto frame = trace->GetFrame(scope.isolate(), count > 1 ? 1 : 0);
  SystemCalls::LogPosition position;
  if (const auto script = frame->GetScriptName(); !script.IsEmpty()) {
    append_utf8(scope, script, storage);
    position.filename = storage;
  }
  auto line = static_cast<uint32_t>(frame->GetLineNumber());
  if (host.positions != nullptr)
    line = host.positions->bundle_line(scope, line, static_cast<uint32_t>(frame->GetColumn()));
  position.line = line;
  return position;
}

v8::Local<v8::String> errno_message(IsolateScope& scope, Errno code) {
  return js_string(scope, errno_text(code));
}

// `new C(message)` with the module's own class for the code; a plain Error before hooks exist.
v8::MaybeLocal<v8::Value> make_error(IsolateScope& scope, JsHost& host, Errno code) {
  const auto message = errno_message(scope, code);
  if (host.hooks.get_error_constructor.empty()) return v8::Exception::Error(message);
  v8::Local<v8::Value> number =
      v8::Integer::NewFromUnsigned(scope.isolate(), static_cast<uint32_t>(code));
  v8::Local<v8::Value> constructor;
  if (!host.hooks.get_error_constructor.get(scope.isolate())
           ->Call(scope.context(), host.hooks.receiver(scope), 1, &number)
           .ToLocal(&constructor))
    return {};
  if (!constructor->IsFunction()) return v8::Exception::Error(message);
  v8::Local<v8::Value> argument = message;
  v8::Local<v8::Object> error;
  if (!constructor.As<v8::Function>()->NewInstance(scope.context(), 1, &argument).ToLocal(&error))
    return {};
  return error;
}

}  // namespace

void trap_script(IsolateScope& scope, JsHost& host) {
  host.trapped = true;
  scope.isolate()->TerminateExecution();
  // The request alone is noticed only at the next loop or call of the module. Running any loop
  // turns it into the pending, uncatchable exception right here.
  const auto nothing = host.endless_loop.get(scope.isolate())
                           ->Call(scope.context(), v8::Undefined(scope.isolate()), 0, nullptr);
  WL_CHECK(nothing.IsEmpty());
}

template <>
void throw_errno<Abi::kV2>(IsolateScope& scope, JsHost& host, Errno code) {
  if (code == Errno::kTrap) return trap_script(scope, host);
  v8::Local<v8::Value> error;
  // If the module's own constructor throws, that is the exception.
  if (make_error(scope, host, code).ToLocal(&error)) scope.isolate()->ThrowException(error);
}

template <>
void throw_errno<Abi::kV1>(IsolateScope& scope, JsHost& host, Errno code) {
  if (code == Errno::kTrap) return trap_script(scope, host);
  const auto error = v8::Object::New(scope.isolate());
  const auto number = v8::Integer::NewFromUnsigned(scope.isolate(), static_cast<uint32_t>(code));
  if (!error->Set(scope.context(), js_name(scope, "__code_error__"), number).FromMaybe(false) ||
      !error->SetIntegrityLevel(scope.context(), v8::IntegrityLevel::kSealed).FromMaybe(false))
    return;
  scope.isolate()->ThrowException(error);
}

template <Abi abi>
void SharedCalls<abi>::table_id_from_name(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  host.text.clear();
  if (!read_string(scope, info[0], host.text)) return;
  TableId id;
  if (const Errno code = host.calls.table_id_from_name(host.text, id); code != Errno::kOk)
    return throw_errno<abi>(scope, host, code);
  info.GetReturnValue().Set(id.value);
}

template <Abi abi>
void SharedCalls<abi>::index_id_from_name(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  host.text.clear();
  if (!read_string(scope, info[0], host.text)) return;
  TableIndexId id;
  if (const Errno code = host.calls.index_id_from_name(host.text, id); code != Errno::kOk)
    return throw_errno<abi>(scope, host, code);
  info.GetReturnValue().Set(id.value);
}

template <Abi abi>
void SharedCalls<abi>::datastore_table_row_count(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t table = 0;
  if (!read_u32(scope, info[0], table)) return;
  uint64_t count = 0;
  if (const Errno code = host.calls.table_row_count(TableId(table), count); code != Errno::kOk)
    return throw_errno<abi>(scope, host, code);
  info.GetReturnValue().Set(v8::BigInt::NewFromUnsigned(scope.isolate(), count));
}

template <Abi abi>
void SharedCalls<abi>::datastore_table_scan_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t table = 0;
  if (!read_u32(scope, info[0], table)) return;
  uint32_t iterator = 0;
  if (const Errno code = host.calls.table_scan(TableId(table), iterator); code != Errno::kOk)
    return throw_errno<abi>(scope, host, code);
  info.GetReturnValue().Set(iterator);
}

template <Abi abi>
void SharedCalls<abi>::row_iter_bsatn_close(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t iterator = 0;
  if (!read_u32(scope, info[0], iterator)) return;
  if (!host.calls.iterators().close(iterator)) throw_errno<abi>(scope, host, Errno::kNoSuchIter);
}

template <Abi abi>
void SharedCalls<abi>::volatile_nonatomic_schedule_immediate(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  host.text.clear();
  MutableBytes args;
  if (!read_string(scope, info[0], host.text) || !read_uint8_array(scope, info[1], args)) return;
  if (const Errno code = host.calls.schedule_immediate(host.text, args); code != Errno::kOk)
    throw_errno<abi>(scope, host, code);
}

template <Abi abi>
void SharedCalls<abi>::console_log(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint8_t level = 0;
  host.text.clear();
  if (!read_level(scope, info[0], level) || !read_string(scope, info[1], host.text)) return;
  std::string file;
  const auto position = log_position(scope, host, file);
  host.calls.console_log(level, host.text, position);
}

template <Abi abi>
void SharedCalls<abi>::console_timer_start(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  host.text.clear();
  if (!read_string(scope, info[0], host.text)) return;
  info.GetReturnValue().Set(host.calls.console_timer_start(host.text));
}

template <Abi abi>
void SharedCalls<abi>::console_timer_end(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t timer = 0;
  if (!read_u32(scope, info[0], timer)) return;
  std::string file;
  const auto position = log_position(scope, host, file);
  if (const Errno code = host.calls.console_timer_end(timer, position); code != Errno::kOk)
    throw_errno<abi>(scope, host, code);
}

template <Abi abi>
void SharedCalls<abi>::get_jwt_payload(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  schema::ConnectionId connection;
  if (!read_u128(scope, info[0], connection)) return;
  if (const Errno code = host.calls.get_jwt(connection, host.scratch); code != Errno::kOk)
    return throw_errno<abi>(scope, host, code);
  v8::Local<v8::Uint8Array> payload;
  if (js_bytes(scope, host.scratch).ToLocal(&payload)) info.GetReturnValue().Set(payload);
}

template <Abi abi>
void SharedCalls<abi>::procedure_start_mut_tx(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  throw_errno<abi>(scope, host, host.calls.procedure_start());
}

template <Abi abi>
void SharedCalls<abi>::procedure_commit_mut_tx(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  throw_errno<abi>(scope, host, host.calls.procedure_end());
}

template <Abi abi>
void SharedCalls<abi>::procedure_abort_mut_tx(const CallbackInfo& info) {
  procedure_commit_mut_tx(info);
}

template <Abi abi>
void SharedCalls<abi>::procedure_http_request(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  throw_errno<abi>(scope, host, host.calls.procedure_http());
}

template struct SharedCalls<Abi::kV1>;
template struct SharedCalls<Abi::kV2>;

}  // namespace worldline::runtime
