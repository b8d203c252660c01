// The functions that take or give row data, once for both ABIs. In 1.x bytes come as Uint8Array and
// leave as fresh ones [S 03/3.6]; in 2.x data travels as (buffer, byte length): one buffer is input
// and output, so a call allocates nothing [S 03/3.5].

#include "runtime/v8/sys_functions.h"

namespace worldline::runtime {
namespace {

// Row data among the arguments of a call.
template <Abi abi>
struct DataArgument;

template <>
struct DataArgument<Abi::kV1> {
  MutableBytes bytes;

  bool read(IsolateScope& scope, const CallbackInfo& info, int at) {
    return read_uint8_array(scope, info[at], bytes);
  }

  void give_generated(IsolateScope& scope, const CallbackInfo& info, Bytes generated) const {
    v8::Local<v8::Uint8Array> array;
    if (js_bytes(scope, generated).ToLocal(&array)) info.GetReturnValue().Set(array);
  }
};

template <>
struct DataArgument<Abi::kV2> {
  MutableBytes buffer;
  MutableBytes bytes;  // The start of `buffer`.

  bool read(IsolateScope& scope, const CallbackInfo& info, int at) {
    return read_array_buffer(scope, info[at], buffer) &&
           read_length(scope, info[at + 1], buffer, bytes);
  }

  // Writes the generated columns to the start of the buffer; they came out of it, so they fit.
  void give_generated(IsolateScope&, const CallbackInfo& info, Bytes generated) const {
    WL_CHECK(generated.size() <= buffer.size());
    if (!generated.empty()) std::memcpy(buffer.data(), generated.data(), generated.size());
    info.GetReturnValue().Set(static_cast<uint32_t>(generated.size()));
  }
};

template <Abi abi>
bool read_range(IsolateScope& scope, const CallbackInfo& info, uint32_t& index,
                RangeArguments& range);

// (index, prefix, prefix_elems, rstart, rend)
template <>
bool read_range<Abi::kV1>(IsolateScope& scope, const CallbackInfo& info, uint32_t& index,
                          RangeArguments& range) {
  MutableBytes prefix;
  MutableBytes start;
  MutableBytes end;
  if (!read_u32(scope, info[0], index) || !read_uint8_array(scope, info[1], prefix) ||
      !read_u16(scope, info[2], range.prefix_elements) ||
      !read_uint8_array(scope, info[3], start) || !read_uint8_array(scope, info[4], end))
    return false;
  range.prefix = prefix;
  range.start = start;
  range.end = end;
  return true;
}

// (index, buffer, prefix_len, prefix_elems, rstart_len, rend_len): the three parts lie back to
// back; an empty end means the start's bytes again.
template <>
bool read_range<Abi::kV2>(IsolateScope& scope, const CallbackInfo& info, uint32_t& index,
                          RangeArguments& range) {
  MutableBytes rest;
  MutableBytes prefix;
  MutableBytes start;
  MutableBytes end;
  if (!read_u32(scope, info[0], index) || !read_array_buffer(scope, info[1], rest) ||
      !read_length(scope, info[2], rest, prefix) ||
      !read_u16(scope, info[3], range.prefix_elements))
    return false;
  rest = rest.subspan(prefix.size());
  if (!read_length(scope, info[4], rest, start)) return false;
  rest = rest.subspan(start.size());
  if (!read_length(scope, info[5], rest, end)) return false;
  range.prefix = prefix;
  range.start = start;
  range.end = end.empty() ? start : end;
  return true;
}

}  // namespace

template <Abi abi>
void DataCalls<abi>::datastore_index_scan_range_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t index = 0;
  RangeArguments range;
  if (!read_range<abi>(scope, info, index, range)) return;
  uint32_t iterator = 0;
  const Errno code = host.calls.index_scan_range(TableIndexId(index), range, iterator);
  if (code != Errno::kOk) return throw_errno<abi>(scope, host, code);
  info.GetReturnValue().Set(iterator);
}

template <Abi abi>
void DataCalls<abi>::datastore_index_scan_point_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t index = 0;
  DataArgument<abi> point;
  if (!read_u32(scope, info[0], index) || !point.read(scope, info, 1)) return;
  uint32_t iterator = 0;
  const Errno code = host.calls.index_scan_point(TableIndexId(index), point.bytes, iterator);
  if (code != Errno::kOk) return throw_errno<abi>(scope, host, code);
  info.GetReturnValue().Set(iterator);
}

template <Abi abi>
void DataCalls<abi>::datastore_insert_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t table = 0;
  DataArgument<abi> row;
  if (!read_u32(scope, info[0], table) || !row.read(scope, info, 1)) return;
  Bytes generated;
  const Errno code = host.calls.insert(TableId(table), row.bytes, generated);
  if (code != Errno::kOk) return throw_errno<abi>(scope, host, code);
  row.give_generated(scope, info, generated);
}

template <Abi abi>
void DataCalls<abi>::datastore_update_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t table = 0;
  uint32_t index = 0;
  DataArgument<abi> row;
  if (!read_u32(scope, info[0], table) || !read_u32(scope, info[1], index) ||
      !row.read(scope, info, 2))
    return;
  Bytes generated;
  const Errno code = host.calls.update(TableId(table), TableIndexId(index), row.bytes, generated);
  if (code != Errno::kOk) return throw_errno<abi>(scope, host, code);
  row.give_generated(scope, info, generated);
}

template <Abi abi>
void DataCalls<abi>::datastore_delete_all_by_eq_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t table = 0;
  DataArgument<abi> relation;
  if (!read_u32(scope, info[0], table) || !relation.read(scope, info, 1)) return;
  uint32_t count = 0;
  const Errno code = host.calls.delete_all_by_eq(TableId(table), relation.bytes, count);
  if (code != Errno::kOk) return throw_errno<abi>(scope, host, code);
  info.GetReturnValue().Set(count);
}

template <Abi abi>
void DataCalls<abi>::datastore_delete_by_index_scan_range_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t index = 0;
  RangeArguments range;
  if (!read_range<abi>(scope, info, index, range)) return;
  uint32_t count = 0;
  const Errno code = host.calls.delete_by_index_range(TableIndexId(index), range, count);
  if (code != Errno::kOk) return throw_errno<abi>(scope, host, code);
  info.GetReturnValue().Set(count);
}

template <Abi abi>
void DataCalls<abi>::datastore_delete_by_index_scan_point_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t index = 0;
  DataArgument<abi> point;
  if (!read_u32(scope, info[0], index) || !point.read(scope, info, 1)) return;
  uint32_t count = 0;
  const Errno code = host.calls.delete_by_index_point(TableIndexId(index), point.bytes, count);
  if (code != Errno::kOk) return throw_errno<abi>(scope, host, code);
  info.GetReturnValue().Set(count);
}

template struct DataCalls<Abi::kV1>;
template struct DataCalls<Abi::kV2>;

}  // namespace worldline::runtime
