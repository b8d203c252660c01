// runtime/call_context.h
//
// CallContext is what one call may touch: the open transaction, and where it leaves requests to
// the host. It is made by the CallExecutor for each call and borrowed by the instance.
//
// Ownership: the caller of the instance; the transaction outlives the call. Thread: main lane.
#pragma once

#include <vector>

#include "runtime/runtime_types.h"

namespace worldline::storage {
class Transaction;
}

namespace worldline::runtime {

struct CallContext {
  storage::Transaction* tx = nullptr;     // Null: no transaction, datastore calls give errno 2.
  std::vector<ImmediateCall> immediates;  // Kept by the caller even if the call fails.
  size_t immediate_bytes = 0;             // Of their names and arguments.
};

}  // namespace worldline::runtime
