// runtime/runtime_types.h
//
// The plain values of the room: limits, a call as the module sees it, what came of it, and what a
// committed call asks of the scheduler. Thread: any (values).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"
#include "schema/identity.h"
#include "storage/system_tables.h"

namespace worldline::runtime {

// Named by the publisher and stored in st_module; bytes are not sniffed [S 03/1.1].
using storage::ProgramKind;

struct ModuleLimits {
  size_t heap_bytes = limits::kIsolateHeapBytes;  // Near it, the script ends [S 03/3.11].
  std::chrono::milliseconds call_budget{limits::kCallBudgetMsDefault};  // Wall time of one call.
  size_t stack_bytes = 960 * limits::KiB;  // JavaScript stack; less if the thread has less.
};

// What a reducer receives. `name` and `args` are borrowed for the call.
struct ReducerCall {
  ReducerId id;
  std::string_view name;  // Dotted; `function` of the log records.
  schema::Identity sender;
  schema::ConnectionId connection;  // Zero = none.
  Timestamp timestamp;
  Bytes args;  // BSATN of the parameter product, trailing bytes included.
};

enum class CallStatus : uint8_t {
  kOk,
  kUserError,  // The module refused: `message` is its own text.
  kFatal,      // Exception, wrong result, memory limit: `message` is for operators only.
  kBudget,     // The watchdog ended the call.
};

struct CallOutcome {
  CallStatus status = CallStatus::kOk;
  std::string message;
};

struct HeapStats {
  size_t used_bytes = 0;
  size_t total_bytes = 0;
  size_t limit_bytes = 0;
  size_t external_bytes = 0;  // Array buffers and WebAssembly memories.
  size_t physical_bytes = 0;  // Of total_bytes, what is really there.
  size_t global_handle_bytes = 0;
  size_t native_contexts = 0;
  size_t detached_contexts = 0;
  uint64_t limit_hits = 0;  // How often the limit was reached.
};

// A schedule row as the scheduler needs it: `Time` rows are due at `at`, intervals repeat.
struct ScheduleAt {
  enum class Kind : uint8_t { kInterval = 0, kTime = 1 };
  Kind kind = Kind::kTime;
  int64_t micros = 0;  // Interval: signed length. Time: since the epoch.
  friend bool operator==(const ScheduleAt&, const ScheduleAt&) = default;
};

// One row to be (re)armed because a commit inserted or replaced it [S 03/4.11].
struct ScheduleNotice {
  TableId table;
  uint64_t schedule_id = 0;  // Value of the primary key column.
  ScheduleAt at;
  Timestamp due;
};

// `volatile_nonatomic_schedule_immediate`: runs even if the transaction that asked rolls back.
struct ImmediateCall {
  std::string reducer;
  ByteBuffer args;
};

}  // namespace worldline::runtime
