#include "runtime/v8/globals.h"

#include "runtime/v8/values.h"
#include "schema/utf8.h"

namespace worldline::runtime {

extern const std::string_view kPreludeSource;  // prelude.js
extern const std::string_view kBoundsSource;   // bounds.js

namespace {

void utf8_encode(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  const auto text = info[0].As<v8::String>();  // The prelude passes nothing else.
  const int length = text->Utf8Length(scope.isolate());
  std::unique_ptr<v8::BackingStore> store =
      v8::ArrayBuffer::NewBackingStoreForNodeLTS(scope.isolate(), static_cast<size_t>(length));
  if (!store) return throw_range_error(scope, "Array buffer allocation failed");
  text->WriteUtf8(scope.isolate(), static_cast<char*>(store->Data()), length, nullptr,
                  v8::String::NO_NULL_TERMINATION | v8::String::REPLACE_INVALID_UTF8);
  const auto buffer = v8::ArrayBuffer::New(scope.isolate(), std::move(store));
  info.GetReturnValue().Set(v8::Uint8Array::New(buffer, 0, static_cast<size_t>(length)));
}

bool is_ascii(Bytes bytes) {
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8)
    if ((load_le<uint64_t>(bytes.data() + at) & 0x8080808080808080u) != 0) return false;
  for (; at < bytes.size(); ++at)
    if ((bytes[at] & 0x80) != 0) return false;
  return true;
}

// The memory of any kind of buffer or view, or false after throwing.
bool read_buffer_source(IsolateScope& scope, v8::Local<v8::Value> value, Bytes& out) {
  if (value->IsArrayBufferView()) {
    const auto view = value.As<v8::ArrayBufferView>();
    const size_t length = view->ByteLength();
    // Buffer() of a view over shared memory is the same object kind behind the interface.
    if (length > 0) out = view_bytes(view);
    return true;
  }
  if (value->IsArrayBuffer()) {
    const auto buffer = value.As<v8::ArrayBuffer>();
    out = {static_cast<const Byte*>(buffer->Data()), buffer->ByteLength()};
    return true;
  }
  if (value->IsSharedArrayBuffer()) {
    const auto buffer = value.As<v8::SharedArrayBuffer>();
    out = {static_cast<const Byte*>(buffer->Data()), buffer->ByteLength()};
    return true;
  }
  throw_type_error(scope, "Expected `ArrayBuffer` or a view of one");
  return false;
}

void utf8_decode(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  Bytes bytes;
  if (!read_buffer_source(scope, info[0], bytes)) return;
  v8::Local<v8::String> text;
  if (is_ascii(bytes)) {
    if (v8::String::NewFromOneByte(scope.isolate(), bytes.data(), v8::NewStringType::kNormal,
                                   static_cast<int>(bytes.size()))
            .ToLocal(&text))
      info.GetReturnValue().Set(text);
    else
      throw_range_error(scope, "Invalid string length");
    return;
  }
  if (info[1]->IsTrue() && !schema::is_valid_utf8(bytes))
    return throw_type_error(scope, "The encoded data was not valid for encoding utf-8");
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (as_text(bytes).starts_with(kMark)) bytes = bytes.subspan(kMark.size());
  if (v8::String::NewFromUtf8(scope.isolate(), reinterpret_cast<const char*>(bytes.data()),
                              v8::NewStringType::kNormal, static_cast<int>(bytes.size()))
          .ToLocal(&text))
    info.GetReturnValue().Set(text);
  else
    throw_range_error(scope, "Invalid string length");
}

void is_error(const CallbackInfo& info) {
  info.GetReturnValue().Set(info[0]->IsNativeError());
}

void is_string_object(const CallbackInfo& info) {
  info.GetReturnValue().Set(info[0]->IsStringObject());
}

bool set_native(IsolateScope& scope, v8::Local<v8::Object> natives, std::string_view name,
                v8::FunctionCallback callback) {
  const auto function_template = v8::FunctionTemplate::New(scope.isolate(), callback, {}, {}, 0,
                                                           v8::ConstructorBehavior::kThrow);
  v8::Local<v8::Function> function;
  return function_template->GetFunction(scope.context()).ToLocal(&function) &&
         natives->Set(scope.context(), js_name(scope, name), function).FromMaybe(false);
}

// Runs a script of ours, which is a function, and calls it with the natives. False after throwing.
bool run_own_script(IsolateScope& scope, std::string_view name, std::string_view source,
                    v8::Local<v8::Object> natives) {
  const auto context = scope.context();
  v8::ScriptOrigin origin(scope.isolate(), js_name(scope, name));
  v8::Local<v8::Script> script;
  v8::Local<v8::Value> function;
  v8::Local<v8::Value> argument = natives;
  return v8::Script::Compile(context, js_string(scope, source), &origin).ToLocal(&script) &&
         script->Run(context).ToLocal(&function) && function->IsFunction() &&
         !function.As<v8::Function>()
              ->Call(context, v8::Undefined(scope.isolate()), 1, &argument)
              .IsEmpty();
}

}  // namespace

Status install_globals(IsolateScope& scope) {
  v8::TryCatch failed(scope.isolate());
  const auto natives = v8::Object::New(scope.isolate());
  if (set_native(scope, natives, "utf8Encode", utf8_encode) &&
      set_native(scope, natives, "utf8Decode", utf8_decode) &&
      set_native(scope, natives, "isError", is_error) &&
      set_native(scope, natives, "isStringObject", is_string_object) &&
      run_own_script(scope, "worldline_prelude", kPreludeSource, natives) &&
      run_own_script(scope, "worldline_bounds", kBoundsSource, natives))
    return Status();
  const std::string text =
      failed.HasCaught() ? to_utf8(scope, failed.Message()->Get()) : "not a function";
  return Status::internal("prelude: {}", text);
}

}  // namespace worldline::runtime
