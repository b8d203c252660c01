#include "storage/log/memory_disk.h"

#include <utility>

namespace worldline::storage {
class MemoryStore final : public KeyValueStore {
 public:
  MemoryStore(std::shared_ptr<MemoryDisk> disk, uint64_t life)
      : disk_(std::move(disk)), life_(life) {}

  std::unique_ptr<WriteBatch> new_batch() override { return std::make_unique<MemoryBatch>(); }
  Status apply(WriteBatch& batch, Sync sync) override {
    return disk_->write(static_cast<MemoryBatch&>(batch).operations, sync, life_);
  }
  Status sync() override { return disk_->sync(life_); }
  Status resume() override { return disk_->resume(life_); }
  Status drop_files(Family family, Bytes first, Bytes end) override {
    return disk_->drop_files(family, first, end, life_);
  }

  Result<std::optional<ByteBuffer>> get(Family family, Bytes key) const override {
    return find_row(disk_->table(family), key);
  }
  std::unique_ptr<Cursor> scan(Family family, Bytes first, Bytes end) const override {
    return scan_rows(disk_->table(family), first, end);
  }

 private:
  std::shared_ptr<MemoryDisk> disk_;
  const uint64_t life_;
};

std::unique_ptr<KeyValueStore> MemoryDisk::open() {
  return std::make_unique<MemoryStore>(shared_from_this(), life_);
}

void MemoryDisk::set_faults(const Faults& faults) {
  faults_ = faults;
  writes_since_faults_ = 0;
}

void MemoryDisk::crash(Prng& rng) {
  current_ = durable_;
  const uint64_t kept = rng.below(unsynced_.size() + 1);
  for (uint64_t i = 0; i < kept; ++i) apply_to(current_, unsynced_[i]);
  durable_ = current_;
  unsynced_.clear();
  kill();
}

void MemoryDisk::kill() {
  ++life_;
  failed_ = false;
  set_faults({});
}

Status MemoryDisk::write(const Batch& batch, Sync sync_now, uint64_t life) {
  if (life != life_ || failed_) return Status::io_error("memory disk: failed before");
  ++writes_;
  ++writes_since_faults_;
  if (writes_since_faults_ == faults_.fail_write || writes_since_faults_ == faults_.lose_write) {
    failed_ = true;
    if (writes_since_faults_ == faults_.lose_write) {
      apply_to(current_, batch);
      unsynced_.push_back(batch);
    }
    return Status::io_error("memory disk: write {} fails on order", writes_since_faults_);
  }
  apply_to(current_, batch);
  unsynced_.push_back(batch);
  return sync_now == Sync::kYes ? sync(life) : Status::ok_status();
}

// Whether it holds a log or checkpoints is known by the families in use.
Status MemoryDisk::resume(uint64_t life) {
  if (life != life_) return Status::io_error("memory disk: failed before");
  for (const Family family : {Family::kLog, Family::kHard, Family::kNode, Family::kTomb})
    if (!table(family).empty())
      return Status::failed_precondition("the log database does not go on after a failure");
  failed_ = false;
  return Status::ok_status();
}

// There are no files here, but what RocksDB would lose for good must be gone durably.
Status MemoryDisk::drop_files(Family family, Bytes first, Bytes end, uint64_t life) const {
  if (life != life_ || failed_) return Status::io_error("memory disk: failed before");
  const Table& table = durable_[static_cast<size_t>(family)];
  const auto found = table.lower_bound(std::string(as_text(first)));
  WL_CHECK(found == table.end() || found->first >= std::string(as_text(end)));
  return Status::ok_status();
}

Status MemoryDisk::sync(uint64_t life) {
  if (life != life_ || failed_) return Status::io_error("memory disk: failed before");
  ++syncs_;
  for (const Batch& batch : unsynced_) apply_to(durable_, batch);
  unsynced_.clear();
  return Status::ok_status();
}

}  // namespace worldline::storage
