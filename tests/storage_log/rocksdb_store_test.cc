// The log database on real files [S 08/3.6, 3.7]: what a crash may cut is cut, what it may not is
// refused.
#include "storage/rocksdb/rocksdb_store.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/disk_space.h"
#include "storage/rocksdb/program_store.h"
#include "tests/base/temporary_directory.h"
#include "tests/storage_log/storage_log_fixture.h"

namespace worldline::storage {
namespace {

namespace fs = std::filesystem;

// A directory of its own per test, removed afterwards.
class DiskTest : public testing::Test {
 protected:
  Result<std::unique_ptr<LogStore>> open_log() const { return open_log(root_ / "log"); }
  static Result<std::unique_ptr<LogStore>> open_log(const fs::path& path) {
    RocksdbOptions options;
    options.path = path.string();
    WL_ASSIGN_OR_RETURN(auto database, open_rocksdb(options));
    return std::make_unique<LogStore>(std::move(database));
  }

  // What the disk has at this moment, as after a kill: the files of a store still open.
  fs::path copy_of_log(const char* name) const {
    const fs::path copy = root_ / name;
    fs::copy(root_ / "log", copy, fs::copy_options::recursive);
    fs::remove(copy / "LOCK");
    return copy;
  }
  static LogIndex last_after_recovery(const fs::path& path) {
    const auto store = open_log(path);
    EXPECT_TRUE(store.ok()) << store.status().message();
    if (!store.ok()) return LogIndex{0};
    const auto verified = verify_group(**store, kGroup);
    EXPECT_TRUE(verified.ok()) << verified.status().message();
    return verified.ok() ? verified->tail.last : LogIndex{0};
  }
  static fs::path newest_wal(const fs::path& directory) {
    fs::path newest;
    for (const auto& file : fs::directory_iterator(directory))
      if (file.path().extension() == ".log" && file.path() > newest) newest = file.path();
    return newest;
  }

  const TemporaryDirectory root_;
};

class RocksdbStoreTest : public DiskTest {};

// Ten entries in group 7, each in a synced write of its own; the store stays open.
std::unique_ptr<LogStore> write_ten(Result<std::unique_ptr<LogStore>> opened) {
  WL_CHECK(opened.ok());
  std::unique_ptr<LogStore> store = std::move(opened).value();
  WL_CHECK(store->create_group(birth_of(kGroup)).ok());
  JobBuilder jobs(kGroup);
  for (int i = 0; i < 10; ++i)
    WL_CHECK(store->write(jobs.next("payload of entry " + std::to_string(i))).ok());
  return store;
}

TEST_F(RocksdbStoreTest, KeepsSyncedWritesOfAKilledProcess) {
  const auto store = write_ten(open_log());
  EXPECT_EQ(last_after_recovery(copy_of_log("killed")), LogIndex{11});
}

TEST_F(RocksdbStoreTest, CutsATornLastWriteAndNothingElse) {
  const auto store = write_ten(open_log());
  const uintmax_t size = fs::file_size(newest_wal(root_ / "log"));
  // Each cut loses at most the writes whose bytes it took; what is left is whole and gapless.
  LogIndex last_before{11};
  for (uintmax_t cut = 1; cut < 400; cut += 13) {
    const fs::path copy = copy_of_log("torn");
    fs::resize_file(newest_wal(copy), size - cut);
    SCOPED_TRACE("cut " + std::to_string(cut));
    const LogIndex last = last_after_recovery(copy);
    EXPECT_LE(last, last_before);
    last_before = last;
    fs::remove_all(copy);
  }
  EXPECT_LT(last_before, LogIndex{11});
}

TEST_F(RocksdbStoreTest, RefusesALogDamagedInTheMiddle) {
  const auto store = write_ten(open_log());
  const uintmax_t size = fs::file_size(newest_wal(root_ / "log"));
  for (const uintmax_t at : {size / 4, size / 2, size * 3 / 4}) {
    const fs::path copy = copy_of_log("damaged");
    std::fstream file(newest_wal(copy), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 0x40);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
    file.close();
    const auto after = open_log(copy);
    EXPECT_EQ(after.status().code(), StatusCode::kCorruption) << "byte " << at;
    fs::remove_all(copy);
  }
}

// Bytes that compression leaves as they are, different for each `n`.
ByteBuffer noise(uint32_t n) {
  ByteBuffer out;
  uint32_t state = n * 2'654'435'761U + 1;
  for (int i = 0; i < 1000; ++i) {
    state = state * 1'664'525U + 1'013'904'223U;
    out.push_back(static_cast<Byte>(state >> 24));
  }
  return out;
}

// Flips a bit of `text` in the one table file that holds it.
void rot(const fs::path& directory, Bytes text) {
  for (const auto& file : fs::directory_iterator(directory)) {
    if (file.path().extension() != ".sst") continue;
    std::ifstream in(file.path(), std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const size_t at = bytes.find(as_text(text));
    if (at == std::string::npos) continue;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    std::ofstream(file.path(), std::ios::binary) << bytes;
    return;
  }
  FAIL() << "no table file holds the text";
}

// Each start adds a file, and from the fourth on they are merged: that meets the rotten block.
TEST_F(RocksdbStoreTest, WritesOnBesideABlockThatRotted) {
  constexpr uint32_t kKeys = 200;
  constexpr uint32_t kWritesMax = 100'000;
  std::vector<std::string> notes;
  RocksdbOptions options;
  options.path = (root_ / "log").string();
  options.on_note = [&notes](const std::string& note) { notes.push_back(note); };
  const auto key_of = [](uint32_t n) { return ByteBuffer{1, static_cast<Byte>(n)}; };
  const auto write = [](KeyValueStore& store, Bytes key, Bytes value) {
    const auto batch = store.new_batch();
    batch->put(Family::kLog, key, value);
    return store.apply(*batch, Sync::kNo);
  };
  {
    const auto store = open_rocksdb(options);
    ASSERT_TRUE(store.ok()) << store.status().message();
    for (uint32_t n = 0; n < kKeys; ++n) ASSERT_TRUE(write(**store, key_of(n), noise(n)).ok());
    ASSERT_TRUE((*store)->sync().ok());
  }
  ASSERT_TRUE(open_rocksdb(options).ok());  // Moves them from the write-ahead log to a file.
  rot(root_ / "log", noise(kKeys / 2));
  for (uint32_t start = 0; start < 8; ++start) {
    const auto store = open_rocksdb(options);
    ASSERT_TRUE(store.ok()) << store.status().message();
    const bool is_last = start == 7;
    for (uint32_t n = 0; n < (is_last ? kWritesMax : 10) && notes.empty(); ++n) {
      const Status written = write(**store, key_of(start), noise(n));
      ASSERT_TRUE(written.ok()) << "start " << start << ": " << written.message();
    }
    EXPECT_EQ((*store)->get(Family::kLog, key_of(kKeys / 2)).status().code(),
              StatusCode::kCorruption)
        << "whoever reads it is told";
    EXPECT_TRUE((*store)->get(Family::kLog, key_of(kKeys - 1)).ok());
  }
  ASSERT_FALSE(notes.empty());
  EXPECT_NE(notes[0].find("files are not merged until the next start"), std::string::npos);
}

TEST_F(RocksdbStoreTest, RefusesAMissingWriteAheadLog) {
  const auto store = write_ten(open_log());
  const fs::path copy = copy_of_log("missing");
  fs::remove(newest_wal(copy));
  const auto after = open_log(copy);
  const bool is_refused = !after.ok() || !verify_group(**after, kGroup).ok();
  EXPECT_TRUE(is_refused);
}

TEST_F(RocksdbStoreTest, TruncatesThePrefixAndReadsTheRest) {
  const auto store = write_ten(open_log());
  Boundary boundary;
  const auto cut = store->read(kGroup, LogIndex{7}, LogIndex{7}, 1);
  boundary.index = LogIndex{7};
  boundary.term = cut->front().term();
  boundary.chain = cut->front().chain();
  LogJob job;
  job.group = kGroup;
  job.boundary = boundary;
  ASSERT_TRUE(store->write(job).ok());
  ASSERT_TRUE(store->truncate_prefix(kGroup, LogIndex{6}).ok());
  ASSERT_TRUE(store->flush_truncations().ok());
  EXPECT_EQ(store->read(kGroup, LogIndex{6}, LogIndex{11}, limits::MiB)->size(), 6u);
  EntryCursor cursor = store->scan(kGroup, LogIndex{0});
  EXPECT_EQ(cursor.next().value()->index(), LogIndex{6});
}

// Reads random ranges until told to stop: each is whole, or gone.
class RangeReader {
 public:
  RangeReader(const LogStore& store, uint64_t seed)
      : store_(store), rng_(seed), thread_([this] {
          while (!stop_) read();
        }) {}
  ~RangeReader() {
    stop_ = true;
    thread_.join();
  }
  RangeReader(const RangeReader&) = delete;
  RangeReader& operator=(const RangeReader&) = delete;
  uint64_t reads() const { return reads_; }

 private:
  void read() {
    const LogIndex first{2 + rng_.below(2'000)};
    const auto entries =
        store_.read(kGroup, first, LogIndex{first.value + rng_.below(400)}, 1 + rng_.below(20'000));
    ++reads_;
    if (!entries.ok()) {
      EXPECT_EQ(entries.status().code(), StatusCode::kNotFound) << entries.status().message();
      return;
    }
    for (size_t i = 1; i < entries->size(); ++i)
      EXPECT_TRUE(chain_follows(entries->at(i), entries->at(i - 1).chain()));
  }

  const LogStore& store_;
  Prng rng_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> reads_{0};
  std::thread thread_;
};

// A follower far behind reads from the disk while the log grows, changes its end and loses its
// front.
TEST_F(RocksdbStoreTest, ReadsOneStateOfTheLogWhileItChanges) {
  auto opened = open_log();
  ASSERT_TRUE(opened.ok());
  LogStore& store = **opened;
  ASSERT_TRUE(store.create_group(birth_of(kGroup)).ok());
  RangeReader one(store, 1);
  RangeReader two(store, 2);
  HardState state{ReplicaId{70}, Term{1}, {}, {}, 0};
  std::vector<TailRow> places = {JobBuilder(kGroup).tail()};  // Of index 1, 2, ...
  for (uint64_t turn = 1; turn <= 40; ++turn) {
    places.resize(places.size() - (turn % 3 == 0 ? 20 : 0));
    LogJob job;
    job.group = kGroup;
    job.truncate_from = places.back().last.next();
    JobBuilder jobs(kGroup, places.back());
    state.term = Term{turn};
    job.hard_state = state;
    jobs.set_term(state.term);
    for (int i = 0; i < 50; ++i) {
      job.entries.push_back(jobs.next(std::string(100, 'x')).entries.front());
      places.push_back(jobs.tail());
    }
    ASSERT_TRUE(store.write(job).ok());
    if (turn % 10 == 0) {
      const LogIndex boundary = places[places.size() - 100].last;
      ASSERT_TRUE(store.write(boundary_job(kGroup, boundary_at(store, kGroup, boundary))).ok());
      ASSERT_TRUE(store.truncate_prefix(kGroup, LogIndex{boundary.value - 200}).ok());
    }
    while (one.reads() + two.reads() < turn * 5) std::this_thread::yield();
  }
  const auto verified = verify_group(store, kGroup);
  ASSERT_TRUE(verified.ok()) << verified.status().message();
  EXPECT_EQ(verified->tail.last, places.back().last);
}

TEST_F(RocksdbStoreTest, KeepsTheCheckpointDatabaseWithoutAWriteAheadLog) {
  RocksdbOptions options;
  options.role = DatabaseRole::kCheckpoint;
  options.path = (root_ / "ckpt").string();
  const ByteBuffer key = {1, 2, 3};
  const ByteBuffer value(70'000, 9);
  {
    const auto database = open_rocksdb(options);
    ASSERT_TRUE(database.ok()) << database.status().message();
    const auto batch = database.value()->new_batch();
    batch->put(Family::kPage, key, value);
    batch->put(Family::kManifest, key, key);
    ASSERT_TRUE(database.value()->apply(*batch, Sync::kNo).ok());
    ASSERT_TRUE(database.value()->sync().ok());
  }
  const auto database = open_rocksdb(options);
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(database.value()->get(Family::kPage, key).value(), value);
  EXPECT_EQ(database.value()->get(Family::kManifest, key).value(), key);
}

class DataDirectoryTest : public DiskTest {};

TEST_F(DataDirectoryTest, IsHeldByOneAtATimeAndEmptiesItsTemporaryFiles) {
  const fs::path root = root_ / "data";
  {
    const auto first = DataDirectory::open(root);
    ASSERT_TRUE(first.ok()) << first.status().message();
    const Status second = DataDirectory::open(root).status();
    EXPECT_EQ(second.code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(second.message(), "Database is already opened. Path: `" + root.string() +
                                    "`. Error: the data directory is in use by another process");
    std::ofstream((*first)->temporary() / "left") << "over";
  }
  const auto second = DataDirectory::open(root);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(fs::is_empty((*second)->temporary()));
}

class BallastTest : public DiskTest {
 protected:
  uint64_t space_taken() const {
    struct stat info {};
    return ::stat(file_.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_blocks) * 512 : 0;
  }
  Result<BallastOutcome> prepare(uint64_t bytes, SpaceLevel level) const {
    return prepare_ballast(file_, {bytes, 0.02}, {100 * limits::MiB, limits::GiB}, level);
  }
  const fs::path file_ = root_ / "ballast";
};

TEST_F(BallastTest, TakesRealSpaceAndGivesItBackOnAFullDisk) {
  EXPECT_EQ(prepare(limits::MiB, SpaceLevel::kPlenty).value(), BallastOutcome::kCreated);
  EXPECT_GE(space_taken(), limits::MiB);
  EXPECT_EQ(prepare(limits::MiB, SpaceLevel::kAlmostFull).value(), BallastOutcome::kKept);
  EXPECT_EQ(prepare(2 * limits::MiB, SpaceLevel::kWarning).value(), BallastOutcome::kCreated);
  EXPECT_GE(space_taken(), 2 * limits::MiB);
  EXPECT_EQ(prepare(2 * limits::MiB, SpaceLevel::kFull).value(), BallastOutcome::kReleased);
  EXPECT_FALSE(fs::exists(file_));
  EXPECT_EQ(prepare(2 * limits::MiB, SpaceLevel::kFull).value(), BallastOutcome::kSkipped);
  EXPECT_EQ(prepare(2 * limits::MiB, SpaceLevel::kAlmostFull).value(), BallastOutcome::kSkipped);
  EXPECT_FALSE(fs::exists(file_)) << "a disk that fills up is not filled further";
}

TEST_F(BallastTest, IsNoLargerThanItsShareAndCanBeTurnedOff) {
  EXPECT_EQ(prepare(limits::GiB, SpaceLevel::kPlenty).value(), BallastOutcome::kCreated);
  EXPECT_EQ(fs::file_size(file_), limits::GiB / 50);
  EXPECT_EQ(prepare(0, SpaceLevel::kPlenty).value(), BallastOutcome::kReleased);
  EXPECT_FALSE(fs::exists(file_));
  EXPECT_FALSE(release_ballast(file_).value());
}

TEST_F(BallastTest, FillsAFileThatIsOnlyLong) {
  std::ofstream(file_) << "";
  fs::resize_file(file_, limits::MiB);  // A hole.
  EXPECT_EQ(prepare(limits::MiB, SpaceLevel::kPlenty).value(), BallastOutcome::kCreated);
  EXPECT_GE(space_taken(), limits::MiB);
}

TEST_F(BallastTest, ReadsTheSpaceOfADirectory) {
  const auto reading = read_disk_space(root_.path());
  ASSERT_TRUE(reading.ok()) << reading.status().message();
  EXPECT_GT(reading->total_bytes, 0u);
  EXPECT_LE(reading->free_bytes, reading->total_bytes);
  EXPECT_EQ(read_disk_space(root_ / "missing").status().code(), StatusCode::kIoError);
}

class ProgramStoreTest : public DiskTest {};

TEST_F(ProgramStoreTest, KeepsProgramsUnderTheirHashAndProvesThem) {
  const auto directory = DataDirectory::open(root_ / "data");
  ASSERT_TRUE(directory.ok());
  ProgramStore programs(**directory);
  const auto hash = programs.put(as_bytes("export const x = 1;"));
  ASSERT_TRUE(hash.ok()) << hash.status().message();
  EXPECT_EQ(*hash, schema::keccak256(as_bytes("export const x = 1;")));
  EXPECT_EQ(as_text(**programs.get(*hash)), "export const x = 1;");
  EXPECT_TRUE(fs::is_empty((*directory)->temporary()));

  EXPECT_EQ(programs.get(schema::keccak256(as_bytes("other"))).status().code(),
            StatusCode::kNotFound);
  std::ofstream(root_ / "data" / "programs" / hash->to_hex()) << "export const x = 2;";
  EXPECT_EQ(programs.get(*hash).status().code(), StatusCode::kCorruption);
  ASSERT_TRUE(programs.put(as_bytes("export const x = 1;")).ok()) << "heals a damaged file";
  EXPECT_TRUE(programs.get(*hash).ok());
  ASSERT_TRUE(programs.remove(*hash).ok());
  EXPECT_FALSE(programs.contains(*hash));
}

}  // namespace
}  // namespace worldline::storage
