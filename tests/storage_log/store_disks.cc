#include "tests/storage_log/store_disks.h"

#include <utility>

#include "storage/log/memory_disk.h"
#include "tests/storage_log/fault_file_system.h"

namespace worldline::storage {
namespace {

// Counts the writes of both databases and stops at one of them.
struct Counter {
  uint64_t operations = 0;
  uint64_t stop_at = 0;
  bool stops() {
    ++operations;
    return stop_at != 0 && operations >= stop_at;
  }
  bool is_first_stop() const { return operations == stop_at; }
};

class CountedStore final : public KeyValueStore {
 public:
  CountedStore(std::unique_ptr<KeyValueStore> target, std::shared_ptr<Counter> counter)
      : target_(std::move(target)), counter_(std::move(counter)) {}

  std::unique_ptr<WriteBatch> new_batch() override { return target_->new_batch(); }
  Status apply(WriteBatch& batch, Sync sync_now) override {
    if (counter_->stops()) {
      // The write in which the process ends may have reached the disk or not.
      if (counter_->is_first_stop()) target_->apply(batch, Sync::kNo).ignore("the process is gone");
      return Status::io_error("stopped on order");
    }
    return target_->apply(batch, sync_now);
  }
  Status sync() override {
    if (counter_->stops()) return Status::io_error("stopped on order");
    return target_->sync();
  }
  Status drop_files(Family family, Bytes first, Bytes end) override {
    if (counter_->stops()) return Status::io_error("stopped on order");
    return target_->drop_files(family, first, end);
  }
  Result<std::optional<ByteBuffer>> get(Family family, Bytes key) const override {
    return target_->get(family, key);
  }
  std::unique_ptr<Cursor> scan(Family family, Bytes first, Bytes end) const override {
    return target_->scan(family, first, end);
  }

 private:
  std::unique_ptr<KeyValueStore> target_;
  std::shared_ptr<Counter> counter_;
};

class MemoryStoreDisk final : public StoreDisk {
 public:
  Result<std::unique_ptr<KeyValueStore>> open(DatabaseRole role) override {
    MemoryDisk& disk = role == DatabaseRole::kLog ? *log_ : *checkpoints_;
    return std::unique_ptr<KeyValueStore>(std::make_unique<CountedStore>(disk.open(), counter_));
  }
  void stop_at(uint64_t operation) override { *counter_ = {0, operation}; }
  uint64_t operations() const override { return counter_->operations; }
  void crash(Prng& rng) override {
    log_->crash(rng);
    checkpoints_->crash(rng);
    *counter_ = {};
  }

 private:
  std::shared_ptr<MemoryDisk> log_ = std::make_shared<MemoryDisk>();
  std::shared_ptr<MemoryDisk> checkpoints_ = std::make_shared<MemoryDisk>();
  std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
};

class RocksdbStoreDisk final : public StoreDisk {
 public:
  RocksdbStoreDisk(size_t memtable_bytes, std::shared_ptr<DiskImage> image)
      : memtable_bytes_(memtable_bytes), image_(std::move(image)), env_(make_fault_env(image_)) {}

  Result<std::unique_ptr<KeyValueStore>> open(DatabaseRole role) override {
    RocksdbOptions options;
    options.role = role;
    options.path = role == DatabaseRole::kLog ? "/log" : "/ckpt";
    options.memtable_bytes = memtable_bytes_;
    options.env = env_.get();
    return open_rocksdb(options);
  }
  void stop_at(uint64_t operation) override { image_->set_faults({.stop_at = operation}); }
  uint64_t operations() const override { return image_->operations(); }
  void crash(Prng& rng) override {
    constexpr DiskImage::Loss kLosses[] = {DiskImage::Loss::kNothing, DiskImage::Loss::kUnsynced,
                                           DiskImage::Loss::kTail, DiskImage::Loss::kSectors};
    image_->crash(kLosses[rng.below(std::size(kLosses))], rng);
  }

 private:
  const size_t memtable_bytes_;
  std::shared_ptr<DiskImage> image_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace

std::unique_ptr<StoreDisk> make_memory_disk() {
  return std::make_unique<MemoryStoreDisk>();
}

std::unique_ptr<StoreDisk> make_rocksdb_disk(size_t memtable_bytes,
                                             std::shared_ptr<DiskImage> image) {
  if (image == nullptr) image = std::make_shared<DiskImage>();
  return std::make_unique<RocksdbStoreDisk>(memtable_bytes, std::move(image));
}

}  // namespace worldline::storage
