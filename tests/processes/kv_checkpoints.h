// tests/processes/kv_checkpoints.h
//
// KvCheckpoints keeps a node's checkpoints in a checkpoint database, page by page: what
// CheckpointWriter does for databases is done here for lists of ids; checkpoints of other nodes
// arrive through CheckpointWriter itself.
//
// Invariants: the newest two that count are kept. What a killed transfer left is kept until the
// next
//   checkpoint of our own. None of our own while one is received.
// Ownership and thread: writes from the worker, loads from any. Errors: as CheckpointStore.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "replication/log_adapter.h"
#include "storage/log/checkpoint_writer.h"
#include "tests/processes/kv_state.h"

namespace worldline::kv {

class KvCheckpoints {
 public:
  static Result<std::unique_ptr<KvCheckpoints>> open(const std::filesystem::path& directory);

  // What recovery found, before anything else. kCorruption: it is not whole.
  Result<storage::Checkpoint> recover(storage::CheckpointId id);
  Result<KvState> load_state(storage::CheckpointId id) const;
  Result<ByteBuffer> load_manifest(storage::CheckpointId id) const;
  Result<ByteBuffer> load_page(const storage::Digest128& hash) const;

  Result<storage::Checkpoint> write(const replication::LogBoundary& boundary,
                                    const std::vector<ByteBuffer>& pages);
  Status activate();  // The last written one counts.
  // Begins it, or goes on.
  Result<storage::CheckpointWriter*> receive();
  Status activate_received();
  Status discard_received();

 private:
  explicit KvCheckpoints(std::unique_ptr<storage::KeyValueStore> database)
      : store_(std::move(database)) {}

  storage::CheckpointStore store_;
  storage::CheckpointWriter::Known known_;
  std::optional<storage::Checkpoint> written_;
  std::unique_ptr<storage::CheckpointWriter> writer_;  // While one is received.
};

}  // namespace worldline::kv
