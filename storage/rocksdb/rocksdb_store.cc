#include "storage/rocksdb/rocksdb_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

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

// A block that rotted fails every compaction that meets it, and RocksDB takes no write after that,
// of whatever group. Here such a failure is only noted: what the block belongs to finds it when it
// reads, and the store stops compacting, or it would try for ever.
class CompactionGuard final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    if (reason != rocksdb::BackgroundErrorReason::kCompaction || !error->IsCorruption()) return;
    const std::lock_guard lock(mutex_);
    damage_ = error->ToString();
    *error = rocksdb::Status::OK();
    is_damaged_.store(true, std::memory_order_release);
  }

  // The first time it is asked after a failure: what was met.
  std::optional<std::string> take_damage() {
    if (!is_damaged_.load(std::memory_order_acquire)) return std::nullopt;
    const std::lock_guard lock(mutex_);
    is_damaged_.store(false, std::memory_order_relaxed);
    return damage_;
  }

 private:
  std::atomic<bool> is_damaged_{false};
  std::mutex mutex_;
  std::string damage_;  // Guarded by mutex_.
};

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

  rocksdb::Status open(rocksdb::DBOptions options, const std::string& path,
                       const std::vector<rocksdb::ColumnFamilyDescriptor>& descriptors,
                       std::span<const Family> families) {
    rocksdb::DB* database = nullptr;
    options.listeners.push_back(guard_);
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

  // Ends compactions until the next open() if one met damage; what it was, then. RocksDB does not
  // slow writers down for files that nobody is to compact.
  std::optional<std::string> heed_damage() {
    auto damage = guard_->take_damage();
    if (!damage) return std::nullopt;
    for (rocksdb::ColumnFamilyHandle* handle : owned_) {
      const rocksdb::Status status =
          database_->SetOptions(handle, {{"disable_auto_compactions", "true"}});
      if (!status.ok()) *damage += "; " + status.ToString();
    }
    return damage;
  }

 private:
  const std::shared_ptr<CompactionGuard> guard_ = std::make_shared<CompactionGuard>();
  std::unique_ptr<rocksdb::DB> database_;
  std::vector<rocksdb::ColumnFamilyHandle*> owned_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyCount> by_family_{};
};

class RocksdbBatch final : public WriteBatch {
 public:
  // `handles` is the store's: it names what is open now. Borrowed; outlives this.
  explicit RocksdbBatch(const std::shared_ptr<Handles>& handles) : handles_(handles) {}

  void put(Family family, Bytes key, Bytes value) override {
    note(batch.Put(handles_->family(family), slice(key), slice(value)));
  }
  void put(Family family, Bytes key, Bytes head, Bytes rest) override {
    const rocksdb::Slice key_slice = slice(key);
    const std::array<rocksdb::Slice, 2> parts = {slice(head), slice(rest)};
    note(batch.Put(handles_->family(family), rocksdb::SliceParts(&key_slice, 1),
                   rocksdb::SliceParts(parts.data(), 2)));
  }
  void remove(Family family, Bytes key) override {
    note(batch.Delete(handles_->family(family), slice(key)));
  }
  void remove_range(Family family, Bytes first, Bytes end) override {
    note(batch.DeleteRange(handles_->family(family), slice(first), slice(end)));
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
  const std::shared_ptr<Handles>& handles_;
};

class RocksdbCursor final : public Cursor {
 public:
  RocksdbCursor(std::shared_ptr<Handles> handles, Family family, Bytes first, Bytes end)
      : handles_(std::move(handles)),
        first_(as_text(first)),
        end_(as_text(end)),
        upper_bound_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_bound_;  // So that range tombstones are not scanned.
    options.verify_checksums = true;
    options.total_order_seek = true;
    options.fill_cache = false;
    options.readahead_size = 2 * limits::MiB;
    iterator_.reset(handles_->database()->NewIterator(options, handles_->family(family)));
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
  const std::shared_ptr<Handles> handles_;  // The database stays open as long as this.
  const std::string first_;
  const std::string end_;
  const rocksdb::Slice upper_bound_;  // Points into end_.
  std::unique_ptr<rocksdb::Iterator> iterator_;
  bool started_ = false;
};

Result<std::shared_ptr<Handles>> open_handles(const RocksdbOptions& options);

// Stands for a database that could not be opened again.
class ClosedCursor final : public Cursor {
 public:
  bool next() override { return false; }
  Bytes key() const override { return {}; }
  Bytes value() const override { return {}; }
  Status status() const override { return Status::unavailable("the database is closed"); }
};

class RocksdbStore final : public KeyValueStore {
 public:
  RocksdbStore(std::shared_ptr<Handles> handles, RocksdbOptions options)
      : options_(std::move(options)), handles_(std::move(handles)) {}

  std::unique_ptr<WriteBatch> new_batch() override {
    return std::make_unique<RocksdbBatch>(handles_);
  }

  Status apply(WriteBatch& batch, Sync sync_now) override {
    WL_RETURN_IF_ERROR(failure());
    if (const auto damage = handles_->heed_damage(); damage && options_.on_note)
      options_.on_note(options_.path + ": files are not merged until the next start: " + *damage);
    auto& own = static_cast<RocksdbBatch&>(batch);
    rocksdb::WriteOptions options;
    options.sync = !is_checkpoint() && sync_now == Sync::kYes;
    // The checkpoint database has no write-ahead log: its flush is its sync.
    options.disableWAL = is_checkpoint();
    rocksdb::Status status = own.failure;
    if (status.ok()) status = handles_->database()->Write(options, &own.batch);
    WL_RETURN_IF_ERROR(latch(status));
    if (is_checkpoint() && sync_now == Sync::kYes) return sync();
    return Status::ok_status();
  }

  Status sync() override {
    WL_RETURN_IF_ERROR(failure());
    if (!is_checkpoint()) return latch(handles_->database()->SyncWAL());
    rocksdb::FlushOptions options;
    options.wait = true;
    return latch(handles_->database()->Flush(options, handles_->all()));
  }

  // Opens the database anew, as after a crash: what was only in memory is gone, and no page that
  // failed to be synced is synced again.
  Status resume() override {
    if (!is_checkpoint())
      return Status::failed_precondition("the log database does not go on after a failure");
    std::shared_ptr<Handles> old;
    {
      const std::lock_guard lock(mutex_);
      if (handles_.use_count() > 1)
        return Status::unavailable("the checkpoint database is being read");
      old = std::move(handles_);
    }
    old.reset();
    WL_ASSIGN_OR_RETURN(std::shared_ptr<Handles> fresh, open_handles(options_));
    const std::lock_guard lock(mutex_);
    handles_ = std::move(fresh);
    failure_ = Status::ok_status();
    return failure_;
  }

  Status drop_files(Family family, Bytes first, Bytes end) override {
    WL_RETURN_IF_ERROR(failure());
    const rocksdb::Slice begin_slice = slice(first);
    const rocksdb::Slice end_slice = slice(end);
    return latch(rocksdb::DeleteFilesInRange(handles_->database(), handles_->family(family),
                                             &begin_slice, &end_slice, false));
  }

  Result<std::optional<ByteBuffer>> get(Family family, Bytes key) const override {
    const std::shared_ptr<Handles> handles = open_now();
    if (handles == nullptr) return ClosedCursor().status();
    rocksdb::PinnableSlice value;
    rocksdb::ReadOptions options;
    options.verify_checksums = true;
    const rocksdb::Status status =
        handles->database()->Get(options, handles->family(family), slice(key), &value);
    if (status.IsNotFound()) return std::optional<ByteBuffer>();
    if (!status.ok()) return status_of(status);
    const Bytes bytes = bytes_of(value);
    return std::optional<ByteBuffer>(ByteBuffer(bytes.begin(), bytes.end()));
  }

  std::unique_ptr<Cursor> scan(Family family, Bytes first, Bytes end) const override {
    std::shared_ptr<Handles> handles = open_now();
    if (handles == nullptr) return std::make_unique<ClosedCursor>();
    return std::make_unique<RocksdbCursor>(std::move(handles), family, first, end);
  }

 private:
  bool is_checkpoint() const { return options_.role == DatabaseRole::kCheckpoint; }
  // For readers; writers are of the one thread that may call resume().
  std::shared_ptr<Handles> open_now() const {
    const std::lock_guard lock(mutex_);
    return handles_;
  }
  // Nothing is retried after a failed write or sync [S 08/3.12].
  Status latch(const rocksdb::Status& status) {
    if (status.ok()) return Status::ok_status();
    const std::lock_guard lock(mutex_);
    failure_ = status_of(status);
    return failure_;
  }
  Status failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  const RocksdbOptions options_;
  mutable std::mutex mutex_;
  std::shared_ptr<Handles> handles_;  // Guarded by mutex_. Null: could not be opened again.
  Status failure_;                    // Guarded by mutex_; sticky until resume().
};

// Some file systems in memory cannot; there it does not matter either.
bool supports_direct_io(const std::string& directory) {
  const std::string probe = directory + "/direct-io-probe";
  const int fd = ::open(probe.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);
  if (fd < 0) return false;
  ::close(fd);
  ::unlink(probe.c_str());
  return true;
}

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
  // Both databases share the pools of the process. With room for all their jobs together, neither
  // waits for the other's.
  out.env->IncBackgroundThreadsIfNeeded(4, rocksdb::Env::HIGH);
  out.env->IncBackgroundThreadsIfNeeded(4, rocksdb::Env::LOW);
  out.use_fsync = false;  // fdatasync; that is not a weaker promise for a file that grew.
  // Bulk writes beside the page cache, so that they do not queue before the log's sync.
  out.use_direct_io_for_flush_and_compaction =
      options.env == nullptr && supports_direct_io(options.path);
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

Result<std::shared_ptr<Handles>> open_handles(const RocksdbOptions& options) {
  const std::span<const Family> families = options.role == DatabaseRole::kLog
                                               ? std::span<const Family>(kLogFamilies)
                                               : std::span<const Family>(kCheckpointFamilies);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions());
  for (const Family family : families)
    descriptors.emplace_back(family_name(family), family_options(family, options));
  auto handles = std::make_shared<Handles>();
  const rocksdb::Status status =
      handles->open(database_options(options), options.path, descriptors, families);
  if (!status.ok()) return status_of(status).with_context(options.path);
  return handles;
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

  WL_ASSIGN_OR_RETURN(std::shared_ptr<Handles> handles, open_handles(options));
  std::unique_ptr<KeyValueStore> store =
      std::make_unique<RocksdbStore>(std::move(handles), options);
  if (options.role == DatabaseRole::kLog && !mended->is_new && !mended->has_wal)
    WL_RETURN_IF_ERROR(check_never_used(*store).with_context(options.path));
  return store;
}

}  // namespace worldline::storage
