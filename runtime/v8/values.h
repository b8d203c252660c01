// runtime/v8/values.h
//
// Conversions between JavaScript values and ours, and the argument checks of the system calls with
// their texts [S 03/3.5]. A failed check has thrown a JavaScript error: the callback just returns.
//
// Units: bytes. Borrowed: byte ranges point into array buffers and are valid until the callback
// returns or runs JavaScript.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <v8.h>

#include "base/bytes.h"
#include "runtime/v8/isolate.h"
#include "schema/identity.h"

namespace worldline::runtime {

using CallbackInfo = v8::FunctionCallbackInfo<v8::Value>;

v8::Local<v8::String> js_string(IsolateScope& scope, std::string_view utf8);
v8::Local<v8::String> js_name(IsolateScope& scope, std::string_view ascii);  // Internalised.
// UTF-8; lone surrogates become U+FFFD.
std::string to_utf8(IsolateScope& scope, v8::Local<v8::String> text);
void append_utf8(IsolateScope& scope, v8::Local<v8::String> text, std::string& out);

v8::Local<v8::BigInt> js_bigint(IsolateScope& scope, const schema::Identity& identity);
v8::Local<v8::BigInt> js_bigint(IsolateScope& scope, const schema::ConnectionId& id);

// A fresh Uint8Array with a copy of the bytes. Throws a RangeError if there is no memory for it.
v8::MaybeLocal<v8::Uint8Array> js_bytes(IsolateScope& scope, Bytes bytes);

void throw_type_error(IsolateScope& scope, std::string_view text);
void throw_range_error(IsolateScope& scope, std::string_view text);

// Checked arguments. Each returns false after throwing.
bool read_u32(IsolateScope& scope, v8::Local<v8::Value> value, uint32_t& out);
bool read_u16(IsolateScope& scope, v8::Local<v8::Value> value, uint16_t& out);
bool read_level(IsolateScope& scope, v8::Local<v8::Value> value, uint8_t& out);  // Truncates.
bool read_string(IsolateScope& scope, v8::Local<v8::Value> value, std::string& out);
bool read_u128(IsolateScope& scope, v8::Local<v8::Value> value, schema::ConnectionId& out);
bool read_uint8_array(IsolateScope& scope, v8::Local<v8::Value> value, MutableBytes& out);
bool read_array_buffer(IsolateScope& scope, v8::Local<v8::Value> value, MutableBytes& out);
// `length` bytes from the start of `buffer`, or a RangeError.
bool read_length(IsolateScope& scope, v8::Local<v8::Value> length, MutableBytes buffer,
                 MutableBytes& out);

// The memory of a view; empty views have a null pointer.
MutableBytes view_bytes(v8::Local<v8::ArrayBufferView> view);

}  // namespace worldline::runtime
