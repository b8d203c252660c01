// The functions of `spacetime:sys@1.x`, but for those of sys_shared.cc and sys_data.cc [S 03/3.6].

#include "runtime/v8/hooks.h"
#include "runtime/v8/sys_functions.h"

namespace worldline::runtime {
namespace {

constexpr Abi kAbi = Abi::kV1;

// {0: exhausted, 1: bytes}, sealed.
void give_advanced(IsolateScope& scope, const CallbackInfo& info, bool exhausted, Bytes rows) {
  v8::Local<v8::Uint8Array> bytes;
  if (!js_bytes(scope, rows).ToLocal(&bytes)) return;
  const auto pair = v8::Object::New(scope.isolate());
  const auto context = scope.context();
  if (pair->Set(context, 0, v8::Boolean::New(scope.isolate(), exhausted)).FromMaybe(false) &&
      pair->Set(context, 1, bytes).FromMaybe(false) &&
      pair->SetIntegrityLevel(context, v8::IntegrityLevel::kSealed).FromMaybe(false))
    info.GetReturnValue().Set(pair);
}

void throw_buffer_too_small(IsolateScope& scope, size_t needed) {
  const auto error = v8::Object::New(scope.isolate());
  const auto size = v8::Number::New(scope.isolate(), static_cast<double>(needed));
  const auto context = scope.context();
  if (error->Set(context, js_name(scope, "__buffer_too_small__"), size).FromMaybe(false) &&
      error->SetIntegrityLevel(context, v8::IntegrityLevel::kSealed).FromMaybe(false))
    scope.isolate()->ThrowException(error);
}

// (iter, max_len)
void row_iter_bsatn_advance(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  JsHost& host = JsHost::of(scope.isolate());
  uint32_t iterator = 0;
  uint32_t bytes_max = 0;
  if (!read_u32(scope, info[0], iterator) || !read_u32(scope, info[1], bytes_max)) return;
  RowIterators& iterators = host.calls.iterators();
  host.scratch.resize(std::min<size_t>(bytes_max, iterators.remaining_bytes(iterator)));
  const auto [kind, bytes] = iterators.advance(iterator, host.scratch);
  switch (kind) {
    case RowIterators::Advance::kMore:
    case RowIterators::Advance::kDone:
      return give_advanced(scope, info, kind == RowIterators::Advance::kDone,
                           Bytes(host.scratch).first(bytes));
    case RowIterators::Advance::kTooSmall:
      return throw_buffer_too_small(scope, bytes);
    case RowIterators::Advance::kNoSuchIter:
      return throw_errno<kAbi>(scope, host, Errno::kNoSuchIter);
  }
}

// {__identity__: bigint}, sealed.
void identity(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  const auto object = v8::Object::New(scope.isolate());
  const auto context = scope.context();
  const auto number = js_bigint(scope, JsHost::of(scope.isolate()).calls.identity());
  if (object->Set(context, js_name(scope, "__identity__"), number).FromMaybe(false) &&
      object->SetIntegrityLevel(context, v8::IntegrityLevel::kSealed).FromMaybe(false))
    info.GetReturnValue().Set(object);
}

template <SysVersion version>
void register_hooks(const CallbackInfo& info) {
  IsolateScope scope(info.GetIsolate());
  register_v1_hooks(scope, JsHost::of(scope.isolate()), version, info[0]);
}

using Shared = SharedCalls<kAbi>;
using Data = DataCalls<kAbi>;
constexpr SysFunction kFunctions10[] = {
    {"register_hooks", register_hooks<SysVersion::k1_0>},
    {"table_id_from_name", Shared::table_id_from_name},
    {"index_id_from_name", Shared::index_id_from_name},
    {"datastore_table_row_count", Shared::datastore_table_row_count},
    {"datastore_table_scan_bsatn", Shared::datastore_table_scan_bsatn},
    {"datastore_index_scan_range_bsatn", Data::datastore_index_scan_range_bsatn},
    {"row_iter_bsatn_advance", row_iter_bsatn_advance},
    {"row_iter_bsatn_close", Shared::row_iter_bsatn_close},
    {"datastore_insert_bsatn", Data::datastore_insert_bsatn},
    {"datastore_update_bsatn", Data::datastore_update_bsatn},
    {"datastore_delete_by_index_scan_range_bsatn",
     Data::datastore_delete_by_index_scan_range_bsatn},
    {"datastore_delete_all_by_eq_bsatn", Data::datastore_delete_all_by_eq_bsatn},
    {"volatile_nonatomic_schedule_immediate", Shared::volatile_nonatomic_schedule_immediate},
    {"console_log", Shared::console_log},
    {"console_timer_start", Shared::console_timer_start},
    {"console_timer_end", Shared::console_timer_end},
    {"identity", identity},
    {"get_jwt_payload", Shared::get_jwt_payload},
};
constexpr SysFunction kFunctions11[] = {{"register_hooks", register_hooks<SysVersion::k1_1>}};
constexpr SysFunction kFunctions12[] = {
    {"register_hooks", register_hooks<SysVersion::k1_2>},
    {"procedure_http_request", Shared::procedure_http_request},
    {"procedure_start_mut_tx", Shared::procedure_start_mut_tx},
    {"procedure_abort_mut_tx", Shared::procedure_abort_mut_tx},
    {"procedure_commit_mut_tx", Shared::procedure_commit_mut_tx},
};
constexpr SysFunction kFunctions13[] = {
    {"datastore_index_scan_point_bsatn", Data::datastore_index_scan_point_bsatn},
    {"datastore_delete_by_index_scan_point_bsatn",
     Data::datastore_delete_by_index_scan_point_bsatn},
};

}  // namespace

std::span<const SysFunction> functions_of_v1(SysVersion version) {
  switch (version) {
    case SysVersion::k1_1:
      return kFunctions11;
    case SysVersion::k1_2:
      return kFunctions12;
    case SysVersion::k1_3:
      return kFunctions13;
    case SysVersion::k1_0:
    case SysVersion::k2_0:
    case SysVersion::k2_1:
      break;
  }
  return kFunctions10;
}

}  // namespace worldline::runtime
