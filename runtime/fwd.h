// runtime/fwd.h
//
// Forward declarations of the room, for headers that only pass these along.
#pragma once

namespace worldline::storage {
class DatabaseState;
class ReadView;
class Transaction;
struct TxData;
}  // namespace worldline::storage

namespace worldline::runtime {
class CallExecutor;
class ModuleInstance;
class ModuleLog;
class ModuleRuntime;
class SystemCalls;
struct CallContext;
struct CallOutcome;
struct ReducerCall;
}  // namespace worldline::runtime
