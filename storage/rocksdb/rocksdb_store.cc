#include "storage/rocksdb/rocksdb_store.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "base/limits.h"
#include "storage/rocksdb/torn_files.h"

namespace worldline::storage {
namespace {

constexpr std::array<Family, 4> kLogFamilies = {Family::kLog, Family::kHard, Family::kNode,
                                                Family::kTomb};
constexpr std::array<Family, 2> kCheckpointFamilies = {Family::kManifest, Family::kPage};

const char* family_name(Family family) {
  switch (family) {
    case Family::kLog:
      return "log";
    case Family::kHard:
      return "hard";
    case Family::kNode:
      return "node";
    case Family::kTomb:
      return "tomb";
    case Family::kManifest:
      return "manifest";
    case Family::kPage:
      return "page";
  }
  return "";
}

rocksdb::Slice slice(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
Bytes bytes_of(const rocksdb::Slice& from) {
  return {reinterpret_cast<const Byte*>(from.data()), from.size()};
}

Status status_of(const rocksdb::Status& status) {
  if (status.ok()) return Status::ok_status();
  if (status.IsCorruption()) return Status::corruption("{}", status.ToString());
  if (status.IsNotSupported()) return Status::not_supported("{}", status.ToString());
  return Status::io_error("{}", status.ToString());
}

// All handles of one database. RocksDB aborts if handles outlive it, so their order is fixed here.
class Handles {
 public:
  Handles() = default;
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  ~Handles() {
    if (database_ == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* handle : owned_) {
      const rocksdb::Status status = database_->DestroyColumnFamilyHandle(handle);
      status.PermitUncheckedError();
    }
    const rocksdb::Status status = database_->Close();  // Syncs nothing: what counts was synced.
    status.PermitUncheckedError();
  }

  rocksdb::Status open(const rocksdb::DBOptions& options, const std::string& path,
                       const std::vector<rocksdb::ColumnFamilyDescriptor>& descriptors,
                       std::span<const Family> families) {
    rocksdb::DB* database = nullptr;
    rocksdb::Status status = rocksdb::DB::Open(options, path, descriptors, &owned_, &database);
    database_.reset(database);
    if (!status.ok()) return status;
    for (size_t i = 0; i < families.size(); ++i)
      by_family_[static_cast<size_t>(families[i])] = owned_[i + 1];  // 0 is RocksDB's default.
    return status;
  }
  rocksdb::DB* database() const { return database_.get(); }
  rocksdb::ColumnFamilyHandle* family(Family family) const {
    rocksdb::ColumnFamilyHandle* handle = by_family_[static_cast<size_t>(family)];
    WL_CHECK(handle != nullptr);  // A log family asked of the checkpoint database, or the reverse.
    return handle;
  }
  const std::vector<rocksdb::ColumnFamilyHandle*>& all() const { return owned_; }

 private:
  std::unique_ptr<rocksdb::DB> database_;
  std::vector<rocksdb::ColumnFamilyHandle*> owned_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyCount> by_family_{};
};

class RocksdbBatch final : public WriteBatch {
 public:
  explicit RocksdbBatch(const Handles& handles) : handles_(handles) {}

  void put(Family family, Bytes key, Bytes value) override {
    note(batch.Put(handles_.family(family), slice(key), slice(value)));
  }
  void put(Family family, Bytes key, Bytes head, Bytes rest) override {
    const rocksdb::Slice key_slice = slice(key);
    const std::array<rocksdb::Slice, 2> parts = {slice(head), slice(rest)};
    note(batch.Put(handles_.family(family), rocksdb::SliceParts(&key_slice, 1),
                   rocksdb::SliceParts(parts.data(), 2)));
  }
  void remove(Family family, Bytes key) override {
    note(batch.Delete(handles_.family(family), slice(key)));
  }
  void remove_range(Family family, Bytes first, Bytes end) override {
    note(batch.DeleteRange(handles_.family(family), slice(first), slice(end)));
  }
  void clear() override {
    batch.Clear();
    failure = rocksdb::Status::OK();
  }

  rocksdb::WriteBatch batch;
  rocksdb::Status failure;  // Of building it; reported by apply().

 private:
  void note(const rocksdb::Status& status) {
    if (!status.ok() && failure.ok()) failure = status;
  }
  const Handles& handles_;
};

class RocksdbCursor final : public Cursor {
 public:
  RocksdbCursor(const Handles& handles, Family family, Bytes first, Bytes end)
      : first_(as_text(first)), end_(as_text(end)), upper_bound_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_bound_;  // So that range tombstones are not scanned.
    options.verify_checksums = true;
    options.total_order_seek = true;
    options.fill_cache = false;
    options.readahead_size = 2 * limits::MiB;
    iterator_.reset(handles.database()->NewIterator(options, handles.family(family)));
  }
  bool next() override {
    if (started_) {
      iterator_->Next();
    } else {
      iterator_->Seek(first_);
    }
    started_ = true;
    return iterator_->Valid();
  }
  Bytes key() const override { return bytes_of(iterator_->key()); }
  Bytes value() const override { return bytes_of(iterator_->value()); }
  Status status() const override { return status_of(iterator_->status()); }

 private:
  const std::string first_;
  const std::string end_;
  const rocksdb::Slice upper_bound_;  // Points into end_.
  std::unique_ptr<rocksdb::Iterator> iterator_;
  bool started_ = false;
};

class RocksdbStore final : public KeyValueStore {
 public:
  RocksdbStore(std::unique_ptr<Handles> handles, DatabaseRole role)
      : handles_(std::move(handles)), role_(role) {}

  std::unique_ptr<WriteBatch> new_batch() override {
    return std::make_unique<RocksdbBatch>(*handles_);
  }

  Status apply(WriteBatch& batch, Sync sync_now) override {
    WL_RETURN_IF_ERROR(failure());
    auto& own = static_cast<RocksdbBatch&>(batch);
    rocksdb::WriteOptions options;
    options.sync = role_ == DatabaseRole::kLog && sync_now == Sync::kYes;
    // The checkpoint database has no write-ahead log: its flush is its sync.
    options.disableWAL = role_ == DatabaseRole::kCheckpoint;
    rocksdb::Status status = own.failure;
    if (status.ok()) status = handles_->database()->Write(options, &own.batch);
    WL_RETURN_IF_ERROR(latch(status));
    if (role_ == DatabaseRole::kCheckpoint && sync_now == Sync::kYes) return sync();
    return Status::ok_status();
  }

  Status sync() override {
    WL_RETURN_IF_ERROR(failure());
    if (role_ == DatabaseRole::kLog) return latch(handles_->database()->SyncWAL());
    rocksdb::FlushOptions options;
    options.wait = true;
    return latch(handles_->database()->Flush(options, handles_->all()));
  }

  Status drop_files(Family family, Bytes first, Bytes end) override {
    WL_RETURN_IF_ERROR(failure());
    const rocksdb::Slice begin_slice = slice(first);
    const rocksdb::Slice end_slice = slice(end);
    return latch(rocksdb::DeleteFilesInRange(handles_->database(), handles_->family(family),
                                             &begin_slice, &end_slice, false));
  }

  Result<std::optional<ByteBuffer>> get(Family family, Bytes key) const override {
    rocksdb::PinnableSlice value;
    rocksdb::ReadOptions options;
    options.verify_checksums = true;
    const rocksdb::Status status =
        handles_->database()->Get(options, handles_->family(family), slice(key), &value);
    if (status.IsNotFound()) return std::optional<ByteBuffer>();
    if (!status.ok()) return status_of(status);
    const Bytes bytes = bytes_of(value);
    return std::optional<ByteBuffer>(ByteBuffer(bytes.begin(), bytes.end()));
  }

  std::unique_ptr<Cursor> scan(Family family, Bytes first, Bytes end) const override {
    return std::make_unique<RocksdbCursor>(*handles_, family, first, end);
  }

 private:
  // Nothing is retried after a failed write or sync [S 08/3.12].
  Status latch(const rocksdb::Status& status) {
    if (status.ok()) return Status::ok_status();
    const std::lock_guard lock(failure_mutex_);
    failure_ = status_of(status);
    return failure_;
  }
  Status failure() const {
    const std::lock_guard lock(failure_mutex_);
    return failure_;
  }

  std::unique_ptr<Handles> handles_;
  const DatabaseRole role_;
  mutable std::mutex failure_mutex_;
  Status failure_;  // Guarded by failure_mutex_; sticky.
};

rocksdb::DBOptions database_options(const RocksdbOptions& options) {
  rocksdb::DBOptions out;
  if (options.env != nullptr) out.env = options.env;
  out.create_if_missing = true;
  out.create_missing_column_families = true;
  out.paranoid_checks = true;
  // Cuts an incomplete last record and refuses everything else; point-in-time recovery would
  // silently drop synced records behind a damaged one [S 08/3.6].
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  out.track_and_verify_wals_in_manifest = true;
  out.recycle_log_file_num = 0;
  out.max_bgerror_resume_count = 0;  // A failed sync is never retried.
  out.allow_concurrent_memtable_write = false;
  out.enable_pipelined_write = false;
  out.max_background_jobs = 2;
  out.use_fsync = false;  // fdatasync; that is not a weaker promise for a file that grew.
  out.use_direct_io_for_flush_and_compaction = false;
  out.bytes_per_sync = 1 * limits::MiB;  // Compaction must not hand the disk a burst.
  out.keep_log_file_num = 4;
  out.max_manifest_file_size = 16 * limits::MiB;
  out.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  out.stats_dump_period_sec = 0;
  out.avoid_unnecessary_blocking_io = true;
  if (options.role == DatabaseRole::kCheckpoint) {
    out.atomic_flush = true;  // Pages and the manifest that names them, together.
    out.rate_limiter.reset(rocksdb::NewGenericRateLimiter(256 * limits::MiB));
  } else {
    out.max_total_wal_size = 4 * options.memtable_bytes;
  }
  return out;
}

rocksdb::ColumnFamilyOptions family_options(Family family, const RocksdbOptions& options) {
  rocksdb::ColumnFamilyOptions out;
  const bool is_bulk = family == Family::kLog || family == Family::kPage;
  out.write_buffer_size = is_bulk ? options.memtable_bytes : 4 * limits::MiB;
  out.max_write_buffer_number = 4;
  out.compression = is_bulk ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  out.level_compaction_dynamic_level_bytes = true;
  out.force_consistency_checks = true;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(8 * limits::MiB);
  table.block_size = is_bulk ? 32 * limits::KiB : 4 * limits::KiB;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

// A database without any write-ahead log: a crash of its very first opening leaves one, and so does
// somebody who takes *.log for old messages. RocksDB would open it and miss what was in them.
Status check_never_used(const KeyValueStore& store) {
  const std::array<Byte, 1> first = {0};
  const std::array<Byte, 1> end = {0xFF};
  for (const Family family : kLogFamilies)
    if (store.scan(family, first, end)->next())
      return Status::corruption("the write-ahead log is missing");
  return Status::ok_status();
}

}  // namespace

Result<std::unique_ptr<KeyValueStore>> open_rocksdb(const RocksdbOptions& options) {
  rocksdb::Env* env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  if (const rocksdb::Status made = env->CreateDirIfMissing(options.path); !made.ok())
    return status_of(made);
  const auto mended = mend_torn_files(*env->GetFileSystem(), options.path);
  if (!mended.ok()) return mended.status().with_context(options.path);
  if (options.on_note)
    for (const std::string& note : mended->notes) options.on_note(note);

  const std::span<const Family> families = options.role == DatabaseRole::kLog
                                               ? std::span<const Family>(kLogFamilies)
                                               : std::span<const Family>(kCheckpointFamilies);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions());
  for (const Family family : families)
    descriptors.emplace_back(family_name(family), family_options(family, options));
  auto handles = std::make_unique<Handles>();
  const rocksdb::Status status =
      handles->open(database_options(options), options.path, descriptors, families);
  if (!status.ok()) return status_of(status).with_context(options.path);
  std::unique_ptr<KeyValueStore> store =
      std::make_unique<RocksdbStore>(std::move(handles), options.role);
  if (options.role == DatabaseRole::kLog && !mended->is_new && !mended->has_wal)
    WL_RETURN_IF_ERROR(check_never_used(*store).with_context(options.path));
  return store;
}

}  // namespace worldline::storage
