// runtime/module_instance.h
//
// ModuleInstance is one running copy of a program: it can describe itself and run reducers. The
// JavaScript host implements it; the WebAssembly host will.
//
// Invariants: at most one call at a time; globals of the module survive between calls.
// Ownership and thread: used by one thread at a time (the module host). Only terminate() may be
// called from another thread, while the instance exists.
// Errors: what the module does wrong is a CallOutcome or a Status of kModuleFatal / kTimeout; it
// never ends the process. After a failure must_be_replaced() may be true: drop the instance and
// load the program again [S 03/4.5].
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "runtime/call_context.h"
#include "runtime/runtime_types.h"

namespace worldline::runtime {

class ModuleInstance {
 public:
  ModuleInstance() = default;
  ModuleInstance(const ModuleInstance&) = delete;
  ModuleInstance& operator=(const ModuleInstance&) = delete;
  virtual ~ModuleInstance() = default;

  // BSATN of the module's RawModuleDef.
  virtual Result<ByteBuffer> describe() = 0;

  // Runs one reducer. Does not open, commit or roll back: that is the caller's part.
  virtual CallOutcome call_reducer(const ReducerCall& call, CallContext& context) = 0;

  virtual HeapStats heap_stats() const = 0;
  virtual bool must_be_replaced() const = 0;

  // Ends the running call, if any, as if its budget had run out. Any thread.
  virtual void terminate() = 0;
};

}  // namespace worldline::runtime
