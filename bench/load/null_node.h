// bench/load/null_node.h
//
// NullNode answers every call at once and does nothing else: what the generator reaches against it
// is the generator's own limit, and every figure can be given as a share of that.
//
// Ownership and thread: one thread of its own, started by start() and ended by the destructor.
// Errors: kIoError if no port can be had.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "base/status.h"
#include "bench/load/http_call.h"

namespace worldline::bench {

enum class NullAnswers : uint8_t { kAll, kNone };  // kNone: calls are read and forgotten.

class NullNode {
 public:
  static Result<std::unique_ptr<NullNode>> start(NullAnswers answers = NullAnswers::kAll);
  ~NullNode();
  NullNode(const NullNode&) = delete;
  NullNode& operator=(const NullNode&) = delete;

  const NodeAddress& address() const { return address_; }

 private:
  NullNode(int listener, NodeAddress address, NullAnswers answers);
  void run();

  const int listener_;
  const NodeAddress address_;
  const NullAnswers answers_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace worldline::bench
