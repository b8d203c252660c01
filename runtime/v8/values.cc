#include "runtime/v8/values.h"

#include <array>
#include <cmath>

#include <fmt/core.h>

namespace worldline::runtime {
namespace {

constexpr size_t kStringBytesMax = 256 * limits::MiB;  // V8's own limit is 512 M characters.

std::string type_name(IsolateScope& scope, v8::Local<v8::Value> value) {
  if (value->IsNull()) return "null";
  return to_utf8(scope, value->TypeOf(scope.isolate()));
}

bool expected(IsolateScope& scope, std::string_view what, v8::Local<v8::Value> value) {
  throw_type_error(scope, fmt::format("Expected {}, got {}", what, type_name(scope, value)));
  return false;
}

bool overflowed(IsolateScope& scope, std::string_view type) {
  throw_type_error(scope, fmt::format("Value overflowed `{}`", type));
  return false;
}

// Slow path of the unsigned readers: not a 32-bit unsigned number.
bool refuse_number(IsolateScope& scope, v8::Local<v8::Value> value, std::string_view type) {
  if (!value->IsNumber()) return expected(scope, fmt::format("number for `{}`", type), value);
  const double number = value.As<v8::Number>()->Value();
  if (std::isfinite(number) && std::trunc(number) != number)
    return expected(scope, fmt::format("number for `{}`", type), value);
  return overflowed(scope, type);
}

}  // namespace

v8::Local<v8::String> js_string(IsolateScope& scope, std::string_view utf8) {
  const auto length = static_cast<int>(std::min(utf8.size(), kStringBytesMax));
  v8::Local<v8::String> text;
  if (v8::String::NewFromUtf8(scope.isolate(), utf8.data(), v8::NewStringType::kNormal, length)
          .ToLocal(&text))
    return text;
  return v8::String::Empty(scope.isolate());
}

v8::Local<v8::String> js_name(IsolateScope& scope, std::string_view ascii) {
  return v8::String::NewFromOneByte(scope.isolate(), as_bytes(ascii).data(),
                                    v8::NewStringType::kInternalized,
                                    static_cast<int>(ascii.size()))
      .ToLocalChecked();
}

void append_utf8(IsolateScope& scope, v8::Local<v8::String> text, std::string& out) {
  const size_t start = out.size();
  const auto length = static_cast<size_t>(text->Utf8Length(scope.isolate()));
  out.resize(start + length);
  const int written =
      text->WriteUtf8(scope.isolate(), out.data() + start, static_cast<int>(length), nullptr,
                      v8::String::NO_NULL_TERMINATION | v8::String::REPLACE_INVALID_UTF8);
  out.resize(start + static_cast<size_t>(written));
}

std::string to_utf8(IsolateScope& scope, v8::Local<v8::String> text) {
  std::string out;
  append_utf8(scope, text, out);
  return out;
}

v8::Local<v8::BigInt> js_bigint(IsolateScope& scope, const schema::Identity& identity) {
  std::array<uint64_t, 4> words{};
  std::memcpy(words.data(), identity.le.data(), sizeof words);
  return v8::BigInt::NewFromWords(scope.context(), 0, 4, words.data()).ToLocalChecked();
}

v8::Local<v8::BigInt> js_bigint(IsolateScope& scope, const schema::ConnectionId& id) {
  std::array<uint64_t, 2> words{};
  std::memcpy(words.data(), id.le.data(), sizeof words);
  return v8::BigInt::NewFromWords(scope.context(), 0, 2, words.data()).ToLocalChecked();
}

v8::MaybeLocal<v8::Uint8Array> js_bytes(IsolateScope& scope, Bytes bytes) {
  std::unique_ptr<v8::BackingStore> store =
      v8::ArrayBuffer::NewBackingStoreForNodeLTS(scope.isolate(), bytes.size());
  if (!store) {
    throw_range_error(scope, "Array buffer allocation failed");
    return {};
  }
  if (!bytes.empty()) std::memcpy(store->Data(), bytes.data(), bytes.size());
  const auto buffer = v8::ArrayBuffer::New(scope.isolate(), std::move(store));
  return v8::Uint8Array::New(buffer, 0, bytes.size());
}

void throw_type_error(IsolateScope& scope, std::string_view text) {
  scope.isolate()->ThrowException(v8::Exception::TypeError(js_string(scope, text)));
}

void throw_range_error(IsolateScope& scope, std::string_view text) {
  scope.isolate()->ThrowException(v8::Exception::RangeError(js_string(scope, text)));
}

bool read_u32(IsolateScope& scope, v8::Local<v8::Value> value, uint32_t& out) {
  if (!value->IsUint32()) return refuse_number(scope, value, "u32");
  out = value.As<v8::Uint32>()->Value();
  return true;
}

bool read_u16(IsolateScope& scope, v8::Local<v8::Value> value, uint16_t& out) {
  if (!value->IsUint32()) return refuse_number(scope, value, "u16");
  const uint32_t number = value.As<v8::Uint32>()->Value();
  if (number > UINT16_MAX) return overflowed(scope, "u16");
  out = static_cast<uint16_t>(number);
  return true;
}

bool read_level(IsolateScope& scope, v8::Local<v8::Value> value, uint8_t& out) {
  uint32_t level = 0;
  if (!read_u32(scope, value, level)) return false;
  out = static_cast<uint8_t>(level);
  return true;
}

bool read_string(IsolateScope& scope, v8::Local<v8::Value> value, std::string& out) {
  if (!value->IsString()) return expected(scope, "`string`", value);
  append_utf8(scope, value.As<v8::String>(), out);
  return true;
}

bool read_u128(IsolateScope& scope, v8::Local<v8::Value> value, schema::ConnectionId& out) {
  if (!value->IsBigInt()) return expected(scope, "bigint for `u128`", value);
  std::array<uint64_t, 2> words{};
  int sign = 0;
  int count = 2;
  value.As<v8::BigInt>()->ToWordsArray(&sign, &count, words.data());
  if (sign != 0 || count > 2) return overflowed(scope, "u128");
  std::memcpy(out.le.data(), words.data(), sizeof words);
  return true;
}

MutableBytes view_bytes(v8::Local<v8::ArrayBufferView> view) {
  const size_t length = view->ByteLength();
  if (length == 0) return {};
  auto* data = static_cast<Byte*>(view->Buffer()->Data());
  return {data + view->ByteOffset(), length};
}

bool read_uint8_array(IsolateScope& scope, v8::Local<v8::Value> value, MutableBytes& out) {
  if (!value->IsUint8Array()) return expected(scope, "`Uint8Array`", value);
  out = view_bytes(value.As<v8::ArrayBufferView>());
  return true;
}

bool read_array_buffer(IsolateScope& scope, v8::Local<v8::Value> value, MutableBytes& out) {
  if (!value->IsArrayBuffer()) return expected(scope, "`ArrayBuffer`", value);
  const auto buffer = value.As<v8::ArrayBuffer>();
  out = {static_cast<Byte*>(buffer->Data()), buffer->ByteLength()};
  return true;
}

bool read_length(IsolateScope& scope, v8::Local<v8::Value> length, MutableBytes buffer,
                 MutableBytes& out) {
  uint32_t count = 0;
  if (!read_u32(scope, length, count)) return false;
  if (count > buffer.size()) {
    throw_range_error(scope, "length argument was out of bounds for `ArrayBuffer`");
    return false;
  }
  out = buffer.first(count);
  return true;
}

}  // namespace worldline::runtime
