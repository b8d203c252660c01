// The functions of `spacetime:sys@2.x`, but for those of sys_shared.cc and sys_data.cc [S 03/3.5].

#include "runtime/v8/sys_functions.h"

namespace worldline::runtime {
namespace {

constexpr Abi kAbi = Abi::kV2;

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
using Data = DataCalls<kAbi>;
constexpr SysFunction kFunctions20[] = {
    {"table_id_from_name", Shared::table_id_from_name},
    {"index_id_from_name", Shared::index_id_from_name},
    {"datastore_table_row_count", Shared::datastore_table_row_count},
    {"datastore_table_scan_bsatn", Shared::datastore_table_scan_bsatn},
    {"datastore_index_scan_range_bsatn", Data::datastore_index_scan_range_bsatn},
    {"datastore_index_scan_point_bsatn", Data::datastore_index_scan_point_bsatn},
    {"row_iter_bsatn_advance", row_iter_bsatn_advance},
    {"row_iter_bsatn_close", Shared::row_iter_bsatn_close},
    {"datastore_insert_bsatn", Data::datastore_insert_bsatn},
    {"datastore_update_bsatn", Data::datastore_update_bsatn},
    {"datastore_delete_all_by_eq_bsatn", Data::datastore_delete_all_by_eq_bsatn},
    {"datastore_delete_by_index_scan_range_bsatn",
     Data::datastore_delete_by_index_scan_range_bsatn},
    {"datastore_delete_by_index_scan_point_bsatn",
     Data::datastore_delete_by_index_scan_point_bsatn},
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
