// actors/node.h
//
// Node is one process's share of the system: its data directory, its log writer, its catalog and
// its databases, each with its actors. open() recovers everything that is on disk and begins to
// serve; stop() answers what was accepted and leaves the disk clean.
//
// Invariants: api() is usable from open() to stop(), from any thread; a failed log write ends the
// process with exit code 74, because nothing after it could be acknowledged truthfully.
// Ownership: `clock` is borrowed and outlives the node. Thread: open and stop on one thread.
// Errors: open() names the file or group at fault, and nothing is served then: kFailedPrecondition
// = the directory is in use; kNotSupported = it is foreign or of a newer format; kCorruption = the
// catalog or a whole store is damaged. Damage of one database takes that one out of service only.
// Sources: architecture 2, [S 08/3.7], [S 09/1.5].
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "actors/messages.h"
#include "actors/read_limits.h"
#include "base/clock.h"
#include "base/status.h"
#include "runtime/module_runtime.h"
#include "runtime/runtime_types.h"
#include "runtime/watchdog.h"
#include "storage/log/checkpoint_trigger.h"
#include "storage/log/disk_space_monitor.h"
#include "storage/log/log_types.h"

namespace worldline::actors {

struct NodeConfig {
  std::filesystem::path data_dir;        // Created if missing.
  runtime::RuntimeConfig runtime;        // Script engine, lowering, warnings.
  runtime::ModuleLimits module_limits;   // Of every module.
  ReadLimits read_limits;                // Of every request that reads.
  storage::CheckpointPolicy checkpoint;  // When to write checkpoints.
  storage::SpacePolicy space;            // When the disk is how full.
  uint64_t ballast_bytes = 0;            // Held back for a start on a full disk.
  // Not set: what the file system of data_dir says. Called on the log writer's thread.
  std::function<Result<storage::SpaceReading>()> read_space;
  // 4 GiB of reserve last longer at any speed a log is written with.
  std::chrono::milliseconds space_interval{5'000};
  size_t inbox_bytes_max = 128 * limits::MiB;        // Waiting work of one database.
  std::function<void(const std::string&)> on_note;   // Life cycle lines for the server's log.
  std::function<void(const std::string&)> on_alarm;  // What an operator must see.
};

class Node {
 public:
  static Result<std::unique_ptr<Node>> open(NodeConfig config, const Clock& clock);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  NodeApi& api();
  std::filesystem::path keys_directory() const;
  size_t database_count() const;  // Running.
  size_t outage_count() const;    // Out of service: damaged, quarantined, frozen or stopped.

  // Takes a database that runs out of service for good, by order of whoever found its data wrong:
  // the same path as of a broken invariant [S 08/2]. Returns at once.
  void distrust(const schema::Identity& database, storage::MarkKind kind, const std::string& why);

  // An orderly stop is coming: calls get less and less time, so that stop() need not wait for one
  // that hangs and what waits behind it is answered. Returns at once.
  void wind_down(const runtime::WindDown& times);

  // Refuses new databases, executes and answers what was accepted, closes sessions with 1001, then
  // writes checkpoints while there is time, and the clean-shutdown mark. kTimeout: some work did
  // not end in time; what is stable stays stable, but the node can only be ended with its process.
  // After OK a checkpoint without time may still run: nothing depends on it, but ~Node waits.
  Status stop(std::chrono::milliseconds timeout);

 private:
  class Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace worldline::actors
