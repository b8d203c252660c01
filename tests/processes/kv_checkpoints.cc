#include "tests/processes/kv_checkpoints.h"

#include <utility>

#include "storage/rocksdb/rocksdb_store.h"
#include "tests/processes/node_log.h"

namespace worldline::kv {
namespace {

// Small: what a killed process received and had not flushed is lost.
constexpr size_t kMemtableBytes = 64 * limits::KiB;

}  // namespace

Result<std::unique_ptr<KvCheckpoints>> KvCheckpoints::open(const std::filesystem::path& directory) {
  storage::RocksdbOptions options;
  options.role = storage::DatabaseRole::kCheckpoint;
  options.path = directory.string();
  options.memtable_bytes = kMemtableBytes;
  WL_ASSIGN_OR_RETURN(std::unique_ptr<storage::KeyValueStore> database,
                      storage::open_rocksdb(options));
  std::unique_ptr<KvCheckpoints> made(new KvCheckpoints(std::move(database)));
  WL_ASSIGN_OR_RETURN(const std::vector<storage::CheckpointId> ids, made->store_.list(kGroup));
  if (!ids.empty()) made->known_.last_id = ids.front();
  return made;
}

Result<storage::Checkpoint> KvCheckpoints::recover(storage::CheckpointId id) {
  WL_ASSIGN_OR_RETURN(storage::Checkpoint found, store_.load_manifest(kGroup, id));
  known_.newest = found;
  return found;
}

Result<KvState> KvCheckpoints::load_state(storage::CheckpointId id) const {
  WL_ASSIGN_OR_RETURN(const storage::Checkpoint checkpoint, store_.load_manifest(kGroup, id));
  ByteBuffer image;
  for (const storage::Digest128& hash : checkpoint.page_hashes) {
    WL_ASSIGN_OR_RETURN(const ByteBuffer page, store_.load_page(kGroup, hash));
    append(image, page);
  }
  return KvState::parse(image);
}

Result<ByteBuffer> KvCheckpoints::load_manifest(storage::CheckpointId id) const {
  return store_.load_manifest_bytes(kGroup, id);
}

Result<ByteBuffer> KvCheckpoints::load_page(const storage::Digest128& hash) const {
  return store_.load_page(kGroup, hash);
}

Result<storage::Checkpoint> KvCheckpoints::write(const replication::LogBoundary& boundary,
                                                 const std::vector<ByteBuffer>& pages) {
  if (writer_ != nullptr) return Status::failed_precondition("a snapshot is being received");
  storage::Checkpoint checkpoint;
  known_.last_id = known_.last_id.next();
  checkpoint.id = known_.last_id;
  checkpoint.index = boundary.id.index;
  checkpoint.term = boundary.id.term;
  checkpoint.chain = boundary.chain;
  checkpoint.config = replication::encode_log_boundary(boundary, {}).config;
  checkpoint.state.group = kGroup;
  checkpoint.state.version = boundary.id.index.value;
  storage::CheckpointTable table;
  table.table = TableId{4096};
  std::vector<const storage::Checkpoint*> kept;
  if (known_.newest) kept.push_back(&*known_.newest);
  if (known_.older) kept.push_back(&*known_.older);
  // What earlier attempts left goes first.
  WL_RETURN_IF_ERROR(store_.sweep(kGroup, kept));
  WL_RETURN_IF_ERROR(store_.begin(kGroup, checkpoint.id));
  for (const ByteBuffer& page : pages) {
    const storage::Digest128 hash = storage::content_hash(page);
    WL_RETURN_IF_ERROR(store_.add_page(kGroup, hash, page));
    table.pages.push_back({static_cast<uint32_t>(table.pages.size()), boundary.id.index.value});
    checkpoint.page_hashes.push_back(hash);
    checkpoint.page_bytes += page.size();
  }
  checkpoint.state.tables.push_back(std::move(table));
  WL_RETURN_IF_ERROR(store_.commit(checkpoint));
  written_ = checkpoint;
  return checkpoint;
}

Status KvCheckpoints::activate() {
  if (!written_) return {};  // A snapshot came in between.
  std::optional<storage::Checkpoint> doomed = std::move(known_.older);
  known_.older = std::move(known_.newest);
  known_.newest = std::move(written_);
  written_.reset();
  if (!doomed) return {};
  std::vector<const storage::Checkpoint*> kept = {&*known_.newest};
  if (known_.older) kept.push_back(&*known_.older);
  return store_.remove(*doomed, kept);
}

Result<storage::CheckpointWriter*> KvCheckpoints::receive() {
  if (writer_ == nullptr) {
    writer_ = std::make_unique<storage::CheckpointWriter>(store_, kGroup, known_);
    known_.last_id = known_.last_id.next();
  }
  WL_RETURN_IF_ERROR(writer_->begin_received());
  return writer_.get();
}

Status KvCheckpoints::activate_received() {
  if (writer_ == nullptr) return Status::internal("nothing is being received");
  const Status status = writer_->activate_received();
  known_.newest = writer_->newest();
  known_.older.reset();
  written_.reset();
  writer_.reset();
  return status;
}

Status KvCheckpoints::discard_received() {
  if (writer_ == nullptr) return {};
  const Status status = writer_->discard_received();
  writer_.reset();
  return status;
}

}  // namespace worldline::kv
