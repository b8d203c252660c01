// runtime/v8/sys_functions.h
//
// The callbacks behind the exports of `spacetime:sys@M.m`, by module version [S 03/3.5, 3.6]. Each
// checks its arguments, makes one system call and converts the result.
#pragma once

#include <span>
#include <string_view>

#include "runtime/v8/js_host.h"
#include "runtime/v8/values.h"

namespace worldline::runtime {

struct SysFunction {
  std::string_view name;
  v8::FunctionCallback callback;
};

// The functions that module version exports; 2.0 also exports the symbol `moduleHooks`.
std::span<const SysFunction> sys_functions(SysVersion version);

// Functions of one shape in both ABIs; they differ in how errors are thrown.
template <Abi abi>
struct SharedCalls {
  static void table_id_from_name(const CallbackInfo& info);
  static void index_id_from_name(const CallbackInfo& info);
  static void datastore_table_row_count(const CallbackInfo& info);
  static void datastore_table_scan_bsatn(const CallbackInfo& info);
  static void row_iter_bsatn_close(const CallbackInfo& info);
  static void volatile_nonatomic_schedule_immediate(const CallbackInfo& info);
  static void console_log(const CallbackInfo& info);
  static void console_timer_start(const CallbackInfo& info);
  static void console_timer_end(const CallbackInfo& info);
  static void get_jwt_payload(const CallbackInfo& info);
  static void procedure_start_mut_tx(const CallbackInfo& info);
  static void procedure_commit_mut_tx(const CallbackInfo& info);
  static void procedure_abort_mut_tx(const CallbackInfo& info);
  static void procedure_http_request(const CallbackInfo& info);
};

// Functions that take or give row data; the ABIs differ in how the bytes lie in the arguments.
template <Abi abi>
struct DataCalls {
  static void datastore_index_scan_range_bsatn(const CallbackInfo& info);
  static void datastore_index_scan_point_bsatn(const CallbackInfo& info);
  static void datastore_insert_bsatn(const CallbackInfo& info);
  static void datastore_update_bsatn(const CallbackInfo& info);
  static void datastore_delete_all_by_eq_bsatn(const CallbackInfo& info);
  static void datastore_delete_by_index_scan_range_bsatn(const CallbackInfo& info);
  static void datastore_delete_by_index_scan_point_bsatn(const CallbackInfo& info);
};

std::span<const SysFunction> functions_of_v1(SysVersion version);
std::span<const SysFunction> functions_of_v2(SysVersion version);

}  // namespace worldline::runtime
