// bench/load/started_node.h
//
// StartedNode runs `worldline start` of this very binary on a temporary data directory and a free
// port, and stops and removes both when it goes.
//
// Ownership: the child process and the directory. Thread: one.
// Errors: kUnavailable if it does not become ready, with the end of what it printed.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include <sys/types.h>

#include "base/status.h"
#include "bench/load/http_call.h"

namespace worldline::bench {

class StartedNode {
 public:
  static Result<std::unique_ptr<StartedNode>> start(std::chrono::seconds limit);
  ~StartedNode();
  StartedNode(const StartedNode&) = delete;
  StartedNode& operator=(const StartedNode&) = delete;

  const NodeAddress& address() const { return address_; }
  pid_t pid() const { return pid_; }
  double start_seconds() const { return start_seconds_; }

 private:
  StartedNode() = default;
  Status spawn();
  Status await_ready(std::chrono::seconds limit);
  std::string last_output() const;  // The end of its log, for error messages.

  std::filesystem::path directory_;
  pid_t pid_ = -1;
  int output_ = -1;  // Its standard output.
  NodeAddress address_;
  double start_seconds_ = 0;
};

}  // namespace worldline::bench
