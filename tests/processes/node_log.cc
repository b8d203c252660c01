#include "tests/processes/node_log.h"

#include <utility>

#include "storage/rocksdb/rocksdb_store.h"

namespace worldline::kv {

Result<std::unique_ptr<NodeLog>> NodeLog::open(const NodeLogOptions& options, DiskFaults& faults) {
  std::unique_ptr<NodeLog> log(new NodeLog);
  WL_ASSIGN_OR_RETURN(log->directory_, storage::DataDirectory::open(options.root));
  storage::RocksdbOptions database;
  database.path = log->directory_->log().string();
  database.memtable_bytes = options.memtable_bytes;
  WL_ASSIGN_OR_RETURN(std::unique_ptr<storage::KeyValueStore> rocksdb,
                      storage::open_rocksdb(database));
  log->store_ = std::make_unique<storage::LogStore>(
      std::make_unique<FaultyStore>(std::move(rocksdb), faults));
  WL_ASSIGN_OR_RETURN(log->opened_, storage::open_node(*log->store_, options.node));
  log->queue_ = std::make_unique<storage::LogWriterQueue>(
      *log->store_, static_cast<storage::LogCompletions&>(*log));
  return log;
}

NodeLog::~NodeLog() {
  if (!writer_.joinable()) return;
  queue_->close();
  writer_.join();
}

void NodeLog::start(WriterNotices notices) {
  notices_ = std::move(notices);
  writer_ = std::thread([this] { run(); });
}

void NodeLog::run() {
  storage::LogWork work;
  while (queue_->take_batch(work)) {
    notices_.began();
    queue_->perform(work);
    notices_.ended();
  }
}

void NodeLog::on_written(std::span<const storage::QueuedJob> jobs, const Status& status) {
  if (!status.ok()) return notices_.failed(status);
  std::vector<replication::JobId> done;
  for (const storage::QueuedJob& queued : jobs) {
    if (queued.job.replaces_log()) notices_.log_replaced();
    if (queued.job.job != 0) {
      done.emplace_back(queued.job.job);
    } else if (queued.job.boundary) {
      notices_.checkpoint_counts(queued.job.boundary->index);
    }
  }
  if (!done.empty()) notices_.written(std::move(done));
}

Status NodeLog::enter(const storage::ClusterEntry& entry) {
  WL_CHECK(!writer_.joinable());
  return storage::enter_cluster(*store_, opened_, entry);
}

void NodeLog::close() {
  queue_->close();
  writer_.join();
  storage::close_node(*store_, opened_.record).ignore("then it was no clean stop");
}

}  // namespace worldline::kv
