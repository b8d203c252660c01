// tests/processes/node_log.h
//
// NodeLog is a node's data directory with its log database and the thread that writes it.
//
// Thread: open() and start() from the one that starts the node; notices come from the writer's.
// Ownership: owns store, queue and thread. Errors: a failed write is told once and is final.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "replication/raft_types.h"
#include "storage/log/log_writer_queue.h"
#include "storage/log/node_recovery.h"
#include "storage/rocksdb/data_directory.h"
#include "tests/processes/faulty_store.h"

namespace worldline::kv {

inline constexpr GroupId kGroup{2};

struct NodeLogOptions {
  std::filesystem::path root;
  storage::NodeOpenOptions node;
  size_t memtable_bytes = 4 * limits::MiB;
};

// Must not block.
struct WriterNotices {
  std::function<void()> began;  // A write,
  std::function<void()> ended;  // and its end.
  std::function<void(std::vector<replication::JobId>)> written;
  std::function<void(LogIndex)> checkpoint_counts;
  std::function<void()> log_replaced;  // By a snapshot's boundary.
  std::function<void(const Status&)> failed;
};

class NodeLog final : private storage::LogCompletions {
 public:
  static Result<std::unique_ptr<NodeLog>> open(const NodeLogOptions& options, DiskFaults& faults);
  ~NodeLog() override;

  // Before start() only: the cluster this node belongs to from here on.
  Status enter(const storage::ClusterEntry& entry);
  void start(WriterNotices notices);
  // What is queued is still written; then the mark of a clean stop.
  void close();

  storage::LogStore& store() { return *store_; }  // Writes: before start() only.
  storage::LogWriterQueue& queue() { return *queue_; }
  const storage::DataDirectory& directory() const { return *directory_; }
  const storage::OpenedNode& opened() const { return opened_; }

 private:
  NodeLog() = default;
  void on_written(std::span<const storage::QueuedJob> jobs, const Status& status) override;
  void run();

  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<storage::LogStore> store_;
  std::unique_ptr<storage::LogWriterQueue> queue_;
  storage::OpenedNode opened_;
  WriterNotices notices_;
  std::thread writer_;
};

}  // namespace worldline::kv
