// bench/load/null_node.h
//
// NullNode answers every call at once and does nothing else: what the generator reaches against it
// is the generator's own limit, and every figure can be given as a share of that.
//
// Ownership and thread: one thread of its own, started by start() and ended by the destructor.
// Errors: kIoError if no port can be had.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "base/status.h"
#include "bench/load/http_call.h"

namespace worldline::bench {

class NullNode {
 public:
  static Result<std::unique_ptr<NullNode>> start();
  ~NullNode();
  NullNode(const NullNode&) = delete;
  NullNode& operator=(const NullNode&) = delete;

  const NodeAddress& address() const { return address_; }

 private:
  NullNode(int listener, NodeAddress address);
  void run();

  const int listener_;
  const NodeAddress address_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace worldline::bench
