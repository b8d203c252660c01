// tests/processes/faulty_store.h
//
// FaultyStore passes everything to a real store, but holds synced writes up, fails one of them or
// damages one read of the log on demand: a disk that hangs, breaks, or forgets.
//
// Thread: as KeyValueStore; DiskFaults from any. Units: milliseconds.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "storage/log/key_value_store.h"

namespace worldline::kv {

struct DiskFaults {
  std::atomic<int64_t> stalled_until_ms{0};  // Of the steady clock.
  std::atomic<bool> fails_next{false};
  std::atomic<bool> rots_next{false};
  std::atomic<uint64_t> rotten{0};  // Reads that were damaged.

  static int64_t now_ms() {
    using std::chrono::milliseconds;
    return std::chrono::duration_cast<milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  void stall(int64_t ms) { stalled_until_ms = now_ms() + ms; }
  Status wait() {
    while (now_ms() < stalled_until_ms) std::this_thread::sleep_for(std::chrono::milliseconds{5});
    if (fails_next.exchange(false)) return Status::io_error("the disk was told to fail");
    return {};
  }
};

// Ends at once with what a bad checksum gives.
class RottenCursor final : public storage::Cursor {
 public:
  bool next() override { return false; }
  Bytes key() const override { return {}; }
  Bytes value() const override { return {}; }
  Status status() const override { return Status::corruption("the disk was told to rot"); }
};

class FaultyStore final : public storage::KeyValueStore {
 public:
  // `faults` is borrowed; it outlives this.
  FaultyStore(std::unique_ptr<storage::KeyValueStore> below, DiskFaults& faults)
      : below_(std::move(below)), faults_(faults) {}

  std::unique_ptr<storage::WriteBatch> new_batch() override { return below_->new_batch(); }
  Status apply(storage::WriteBatch& batch, storage::Sync sync) override {
    if (sync == storage::Sync::kYes) WL_RETURN_IF_ERROR(faults_.wait());
    return below_->apply(batch, sync);
  }
  Status sync() override {
    WL_RETURN_IF_ERROR(faults_.wait());
    return below_->sync();
  }
  Status resume() override { return below_->resume(); }
  Status drop_files(storage::Family family, Bytes first, Bytes end) override {
    return below_->drop_files(family, first, end);
  }
  Result<std::optional<ByteBuffer>> get(storage::Family family, Bytes key) const override {
    return below_->get(family, key);
  }
  std::unique_ptr<storage::Cursor> scan(storage::Family family, Bytes first,
                                        Bytes end) const override {
    if (family == storage::Family::kLog && faults_.rots_next.exchange(false)) {
      ++faults_.rotten;
      return std::make_unique<RottenCursor>();
    }
    return below_->scan(family, first, end);
  }

 private:
  const std::unique_ptr<storage::KeyValueStore> below_;
  DiskFaults& faults_;
};

}  // namespace worldline::kv
