// runtime/call_types.h
//
// What the CallExecutor is asked and what it answers: plain values. Texts are those of [S 03/4.1];
// `message` is what the caller may be shown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "runtime/module_loader.h"
#include "runtime/runtime_types.h"
#include "schema/identity.h"
#include "storage/table_definition.h"
#include "storage/transaction.h"

namespace worldline::runtime {

inline constexpr std::string_view kFatalCallText = "The instance encountered a fatal error.";
inline constexpr std::string_view kNoSuchReducerText = "no such reducer";
inline constexpr std::string_view kBudgetText = "reducer ran out of energy";

enum class ArgsEncoding : uint8_t { kBsatn, kJson };
enum class CallerRights : uint8_t {
  kClient,    // May call client-callable reducers.
  kOwner,     // May call private ones too.
  kInternal,  // The host itself: schedules and immediate calls.
};

// Borrowed for the call.
struct CallRequest {
  std::string_view reducer;  // Dotted name.
  ArgsEncoding encoding = ArgsEncoding::kBsatn;
  Bytes args;
  schema::Identity caller;
  schema::ConnectionId connection;  // Zero = none.
  Timestamp timestamp;              // Taken at submission, before queueing.
  CallerRights rights = CallerRights::kClient;
};

enum class CallResultKind : uint8_t {
  kCommitted,
  kUserError,         // `message` is the module's text.
  kFatal,             // kFatalCallText.
  kBudget,            // kBudgetText.
  kNoSuchReducer,     // Unknown, or private and the caller may not know it.
  kLifecycleReducer,  // Only the host calls those.
  kInvalidArguments,
  kClientRefused,  // Its row cannot be inserted; `client_connected` did not run.
};

struct CallResult {
  CallResultKind kind = CallResultKind::kCommitted;
  std::string message;                   // Empty if committed.
  storage::CommitResult commit;          // If not committed: no data, the latest offset.
  std::vector<ScheduleNotice> arm;       // Rows the scheduler must (re)arm.
  std::vector<ImmediateCall> immediate;  // To be queued, committed or not.
  bool committed() const { return kind == CallResultKind::kCommitted; }
};

// A schedule row that is due.
struct ScheduledCall {
  TableId table;
  uint64_t schedule_id = 0;
  Timestamp due;  // As armed: anchor of the next interval.
};

struct ScheduledResult {
  enum class Kind : uint8_t {
    kGone,  // The row no longer exists: it was cancelled.
    kRan,   // `call` says how it ended.
    // Something broke inside the host [S 04/R19]: nothing was committed, the module is started
    // anew before the next call, and the row is there still, but not armed.
    kPanicked,
  };
  Kind kind = Kind::kGone;
  CallResult call;
  // The removal of a one-shot row, in a transaction of its own; no data if there was none.
  storage::CommitResult removal;
  std::vector<ScheduleNotice> rearm;  // Of this row; call.arm has what else the call armed.
};

// First publish: tables, st_module row and `init` in one transaction.
struct FirstPublish {
  ModuleProgram program;
  DescribedModule module;
  schema::Identity owner;
  Timestamp timestamp;
};

// A later one: `added` tables and the new st_module row in one transaction. Nothing is called.
struct ModuleUpdate {
  ModuleProgram program;
  DescribedModule module;
  std::vector<storage::TableDefinition> added;
  schema::Identity caller;
  Timestamp timestamp;
};

}  // namespace worldline::runtime
