#include "storage/log/memory_disk.h"

#include <utility>

namespace worldline::storage {
namespace {

using Operation = MemoryDisk::Operation;

std::string text_of(Bytes bytes) {
  return std::string(as_text(bytes));
}

class MemoryBatch final : public WriteBatch {
 public:
  void put(Family family, Bytes key, Bytes value) override {
    operations.push_back({Operation::Kind::kPut, family, text_of(key), text_of(value)});
  }
  void put(Family family, Bytes key, Bytes head, Bytes rest) override {
    operations.push_back(
        {Operation::Kind::kPut, family, text_of(key), text_of(head) + text_of(rest)});
  }
  void remove(Family family, Bytes key) override {
    operations.push_back({Operation::Kind::kRemove, family, text_of(key), {}});
  }
  void remove_range(Family family, Bytes first, Bytes end) override {
    operations.push_back({Operation::Kind::kRemoveRange, family, text_of(first), text_of(end)});
  }
  void clear() override { operations.clear(); }

  std::vector<Operation> operations;
};

// A copy of the range as of its creation.
class MemoryCursor final : public Cursor {
 public:
  using Pair = std::pair<std::string, std::string>;
  explicit MemoryCursor(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {}
  bool next() override {
    if (started_) ++at_;
    started_ = true;
    return at_ < pairs_.size();
  }
  Bytes key() const override { return as_bytes(pairs_[at_].first); }
  Bytes value() const override { return as_bytes(pairs_[at_].second); }
  Status status() const override { return {}; }

 private:
  std::vector<Pair> pairs_;
  size_t at_ = 0;
  bool started_ = false;
};

void apply_to(MemoryDisk::Image& image, const std::vector<Operation>& batch) {
  for (const Operation& operation : batch) {
    MemoryDisk::Table& table = image[static_cast<size_t>(operation.family)];
    switch (operation.kind) {
      case Operation::Kind::kPut:
        table[operation.key] = operation.value;
        break;
      case Operation::Kind::kRemove:
        table.erase(operation.key);
        break;
      case Operation::Kind::kRemoveRange:
        if (operation.key < operation.value)
          table.erase(table.lower_bound(operation.key), table.lower_bound(operation.value));
        break;
    }
  }
}

}  // namespace

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
    const MemoryDisk::Table& table = disk_->table(family);
    const auto found = table.find(text_of(key));
    if (found == table.end()) return std::optional<ByteBuffer>();
    const Bytes value = as_bytes(found->second);
    return std::optional<ByteBuffer>(ByteBuffer(value.begin(), value.end()));
  }
  std::unique_ptr<Cursor> scan(Family family, Bytes first, Bytes end) const override {
    const MemoryDisk::Table& table = disk_->table(family);
    std::vector<MemoryCursor::Pair> pairs;
    const auto stop = table.lower_bound(text_of(end));
    for (auto at = table.lower_bound(text_of(first)); at != stop && at != table.end(); ++at)
      pairs.emplace_back(at->first, at->second);
    return std::make_unique<MemoryCursor>(std::move(pairs));
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
  const auto found = table.lower_bound(text_of(first));
  WL_CHECK(found == table.end() || found->first >= text_of(end));
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
