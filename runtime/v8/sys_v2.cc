// The functions of `spacetime:sys@2.x`. Data travels as (buffer, byte length): one buffer is input
// and output, so a call allocates nothing [S 03/3.5].

#include "runtime/v8/sys_functions.h"

namespace worldline::runtime {
namespace {

constexpr Abi kAbi = Abi::kV2;

// Arguments (buffer, length) from position `at`: the first `length` bytes of the buffer.
bool read_data(IsolateScope& scope, const CallbackInfo& info, int at, MutableBytes& buffer,
               MutableBytes& data) {
  return read_array_buffer(scope, info[at], buffer) &&
         read_length(scope, info[at + 1], buffer, data);
}

// (index, buffer, prefix_len, prefix_elems, rstart_len, rend_len): the three parts lie back to
// back; an empty end means the start's bytes again.
bool read_range(IsolateScope& scope, const CallbackInfo& info, uint32_t& index,
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

void datastore_index_scan_range_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t index = 0;
  RangeArguments range;
  if (!read_range(scope, info, index, range)) return;
  uint32_t iterator = 0;
  const Errno code = host.calls.index_scan_range(TableIndexId(index), range, iterator);
  if (code != Errno::kOk) return throw_errno<kAbi>(scope, host, code);
  info.GetReturnValue().Set(iterator);
}

void datastore_index_scan_point_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t index = 0;
  MutableBytes buffer;
  MutableBytes point;
  if (!read_u32(scope, info[0], index) || !read_data(scope, info, 1, buffer, point)) return;
  uint32_t iterator = 0;
  const Errno code = host.calls.index_scan_point(TableIndexId(index), point, iterator);
  if (code != Errno::kOk) return throw_errno<kAbi>(scope, host, code);
  info.GetReturnValue().Set(iterator);
}

void throw_buffer_too_small(IsolateScope& scope, size_t needed) {
  const auto error = v8::Object::New(scope.isolate());
  const auto size = v8::Number::New(scope.isolate(), static_cast<double>(needed));
  if (error->Set(scope.context(), js_name(scope, "__buffer_too_small__"), size).FromMaybe(false))
    scope.isolate()->ThrowException(error);
}

void row_iter_bsatn_advance(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t iterator = 0;
  MutableBytes buffer;
  if (!read_u32(scope, info[0], iterator) || !read_array_buffer(scope, info[1], buffer)) return;
  const auto [kind, bytes] = host.calls.iterators().advance(iterator, buffer);
  switch (kind) {
    case RowIterators::Advance::kMore:
      return info.GetReturnValue().Set(static_cast<double>(bytes));
    case RowIterators::Advance::kDone:
      if (bytes <= INT32_MAX) return info.GetReturnValue().Set(-static_cast<int32_t>(bytes));
      return info.GetReturnValue().Set(-static_cast<double>(bytes));
    case RowIterators::Advance::kTooSmall:
      return throw_buffer_too_small(scope, bytes);
    case RowIterators::Advance::kNoSuchIter:
      return throw_errno<kAbi>(scope, host, Errno::kNoSuchIter);
  }
}

// Writes the generated columns to the start of the buffer; they came out of it, so they fit.
void give_generated(const CallbackInfo& info, MutableBytes buffer, Bytes generated) {
  WL_CHECK(generated.size() <= buffer.size());
  if (!generated.empty()) std::memcpy(buffer.data(), generated.data(), generated.size());
  info.GetReturnValue().Set(static_cast<uint32_t>(generated.size()));
}

void datastore_insert_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t table = 0;
  MutableBytes buffer;
  MutableBytes row;
  if (!read_u32(scope, info[0], table) || !read_data(scope, info, 1, buffer, row)) return;
  Bytes generated;
  const Errno code = host.calls.insert(TableId(table), row, generated);
  if (code != Errno::kOk) return throw_errno<kAbi>(scope, host, code);
  give_generated(info, buffer, generated);
}

void datastore_update_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t table = 0;
  uint32_t index = 0;
  MutableBytes buffer;
  MutableBytes row;
  if (!read_u32(scope, info[0], table) || !read_u32(scope, info[1], index) ||
      !read_data(scope, info, 2, buffer, row))
    return;
  Bytes generated;
  const Errno code = host.calls.update(TableId(table), TableIndexId(index), row, generated);
  if (code != Errno::kOk) return throw_errno<kAbi>(scope, host, code);
  give_generated(info, buffer, generated);
}

void datastore_delete_all_by_eq_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t table = 0;
  MutableBytes buffer;
  MutableBytes relation;
  if (!read_u32(scope, info[0], table) || !read_data(scope, info, 1, buffer, relation)) return;
  uint32_t count = 0;
  const Errno code = host.calls.delete_all_by_eq(TableId(table), relation, count);
  if (code != Errno::kOk) return throw_errno<kAbi>(scope, host, code);
  info.GetReturnValue().Set(count);
}

void datastore_delete_by_index_scan_range_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t index = 0;
  RangeArguments range;
  if (!read_range(scope, info, index, range)) return;
  uint32_t count = 0;
  const Errno code = host.calls.delete_by_index_range(TableIndexId(index), range, count);
  if (code != Errno::kOk) return throw_errno<kAbi>(scope, host, code);
  info.GetReturnValue().Set(count);
}

void datastore_delete_by_index_scan_point_bsatn(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t index = 0;
  MutableBytes buffer;
  MutableBytes point;
  if (!read_u32(scope, info[0], index) || !read_data(scope, info, 1, buffer, point)) return;
  uint32_t count = 0;
  const Errno code = host.calls.delete_by_index_point(TableIndexId(index), point, count);
  if (code != Errno::kOk) return throw_errno<kAbi>(scope, host, code);
  info.GetReturnValue().Set(count);
}

void datastore_clear(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t table = 0;
  if (!read_u32(scope, info[0], table)) return;
  uint64_t count = 0;
  if (const Errno code = host.calls.clear(TableId(table), count); code != Errno::kOk)
    return throw_errno<kAbi>(scope, host, code);
  info.GetReturnValue().Set(v8::BigInt::NewFromUnsigned(scope.isolate(), count));
}

void identity(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  info.GetReturnValue().Set(js_bigint(scope, JsHost::of(scope.isolate()).calls.identity()));
}

using Shared = SharedCalls<kAbi>;
constexpr SysFunction kFunctions20[] = {
    {"table_id_from_name", Shared::table_id_from_name},
    {"index_id_from_name", Shared::index_id_from_name},
    {"datastore_table_row_count", Shared::datastore_table_row_count},
    {"datastore_table_scan_bsatn", Shared::datastore_table_scan_bsatn},
    {"datastore_index_scan_range_bsatn", datastore_index_scan_range_bsatn},
    {"datastore_index_scan_point_bsatn", datastore_index_scan_point_bsatn},
    {"row_iter_bsatn_advance", row_iter_bsatn_advance},
    {"row_iter_bsatn_close", Shared::row_iter_bsatn_close},
    {"datastore_insert_bsatn", datastore_insert_bsatn},
    {"datastore_update_bsatn", datastore_update_bsatn},
    {"datastore_delete_all_by_eq_bsatn", datastore_delete_all_by_eq_bsatn},
    {"datastore_delete_by_index_scan_range_bsatn", datastore_delete_by_index_scan_range_bsatn},
    {"datastore_delete_by_index_scan_point_bsatn", datastore_delete_by_index_scan_point_bsatn},
    {"volatile_nonatomic_schedule_immediate", Shared::volatile_nonatomic_schedule_immediate},
    {"console_log", Shared::console_log},
    {"console_timer_start", Shared::console_timer_start},
    {"console_timer_end", Shared::console_timer_end},
    {"identity", identity},
    {"get_jwt_payload", Shared::get_jwt_payload},
    {"procedure_http_request", Shared::procedure_http_request},
    {"procedure_start_mut_tx", Shared::procedure_start_mut_tx},
    {"procedure_commit_mut_tx", Shared::procedure_commit_mut_tx},
    {"procedure_abort_mut_tx", Shared::procedure_abort_mut_tx},
};
constexpr SysFunction kFunctions21[] = {{"datastore_clear", datastore_clear}};

}  // namespace

std::span<const SysFunction> functions_of_v2(SysVersion version) {
  if (version == SysVersion::k2_1) return kFunctions21;
  return kFunctions20;
}

}  // namespace worldline::runtime
