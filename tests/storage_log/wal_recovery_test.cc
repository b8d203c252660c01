// The log database on a disk that tears, loses, refuses and rots: each finding of [S 08/3.7] and
// each fault of [S 08/3.12] on RocksDB itself; U-65 of [S 08/6.1.3].
#include <cstdio>

#include <gtest/gtest.h>

#include "storage/log/group_recovery.h"
#include "tests/storage_log/log_model.h"
#include "tests/storage_log/storage_log_fixture.h"
#include "tests/storage_log/store_disks.h"

namespace worldline::storage {
namespace {

constexpr size_t kLargeMemtable = 64 * limits::MiB;

Result<std::unique_ptr<LogStore>> open_log(StoreDisk& disk) {
  WL_ASSIGN_OR_RETURN(auto database, disk.open(DatabaseRole::kLog));
  return std::make_unique<LogStore>(std::move(database));
}

// A write-ahead log of batches over four groups, and the state after each of them.
class Written {
 public:
  explicit Written(size_t memtable_bytes = kLargeMemtable, int steps = 24) {
    const auto disk = make_rocksdb_disk(memtable_bytes, image);
    HistoryGenerator generator(7, 400);
    auto store = open_log(*disk);
    WL_CHECK(store.ok());
    remember();
    for (int i = 0; i < steps; ++i) {
      const HistoryStep step = generator.next(model_);
      if (step.apply == nullptr) continue;
      WL_CHECK(step.run(**store).ok());
      step.apply(model_);
      remember();
    }
  }
  std::string wal() const { return image->newest("/log", ".log"); }
  // Opens a copy whose file has other content; returns the state it is in, or the error.
  Result<size_t> state_with(const std::string& path, std::string content) const {
    const auto copy = image->clone();
    copy->set_content(path, std::move(content));
    const auto disk = make_rocksdb_disk(kLargeMemtable, copy);
    WL_ASSIGN_OR_RETURN(const auto store, open_log(*disk));
    for (size_t i = states.size(); i-- > 0;)
      if (compare(*store, states[i].model).ok()) return i;
    return Status::internal("it is in no state that ever was");
  }

  struct State {
    LogModel model;
    size_t wal_bytes;
  };
  std::shared_ptr<DiskImage> image = std::make_shared<DiskImage>();
  std::vector<State> states;

 private:
  void remember() { states.push_back({model_, image->content(wal()).size()}); }
  LogModel model_;
};

TEST(WalRecoveryTest, IsInTheStateOfThePrefixAtEachByteOfTheLog) {
  const Written written;
  const std::string log = written.image->content(written.wal());
  ASSERT_EQ(log.size(), written.states.back().wal_bytes);
  // Each byte around the beginning and the end of the last batch, every 29th elsewhere.
  const size_t begin = written.states[written.states.size() - 2].wal_bytes;
  const auto is_dense = [&](size_t size) {
    return (size + 40 > begin && size < begin + 160) || size + 60 > log.size();
  };
  size_t tried = 0;
  for (size_t size = 0; size <= log.size(); size += is_dense(size) ? 1 : 29, ++tried) {
    size_t expected = 0;
    while (expected + 1 < written.states.size() && written.states[expected + 1].wal_bytes <= size)
      ++expected;
    const auto state = written.state_with(written.wal(), log.substr(0, size));
    ASSERT_TRUE(state.ok()) << "byte " << size << ": " << state.status().message();
    // Writes before the first step belong to no state of their own.
    ASSERT_EQ(*state, expected) << "byte " << size;
  }
  std::printf("%zu prefixes of %zu B\n", tried, log.size());
}

TEST(WalRecoveryTest, RefusesAFlippedBitAnywhereButInTheLastWrite) {
  const Written written;
  const std::string log = written.image->content(written.wal());
  const size_t last_begin = written.states[written.states.size() - 2].wal_bytes;
  const size_t first_begin = written.states.front().wal_bytes;
  for (size_t at = first_begin; at < log.size(); at += at < last_begin ? 23 : 3) {
    std::string flipped = log;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    const auto state = written.state_with(written.wal(), std::move(flipped));
    if (at < last_begin) {
      EXPECT_EQ(state.status().code(), StatusCode::kCorruption) << "byte " << at;
    } else {
      // The residual risk: it cannot be told from a torn write [S 08/3.7].
      ASSERT_TRUE(state.ok()) << "byte " << at << ": " << state.status().message();
      EXPECT_EQ(*state, written.states.size() - 2) << "byte " << at;
    }
  }
}

// RocksDB itself would skip zeros in silence; a vote would be forgotten.
TEST(WalRecoveryTest, RefusesALostSectorInTheMiddle) {
  const Written written;
  const std::string log = written.image->content(written.wal());
  const size_t last_begin = written.states[written.states.size() - 2].wal_bytes;
  for (size_t at = 512; at + 512 <= last_begin; at += 512) {
    std::string lost = log;
    lost.replace(at, 512, 512, '\0');
    const auto state = written.state_with(written.wal(), std::move(lost));
    EXPECT_EQ(state.status().code(), StatusCode::kCorruption) << "byte " << at;
  }
}

// --- Other files ---------------------------------------------------------------------------------

struct FileCase {
  const char* name;
  const char* ending;  // Of the file, or how its name begins.
  void (*damage)(DiskImage&, const std::string& path);
  const char* error;  // Part of the message; null = the start succeeds with everything.
};
void flip_in_the_middle(DiskImage& image, const std::string& path) {
  std::string content = image.content(path);
  content[content.size() / 2] ^= 0x10;
  image.set_content(path, content);
}
const FileCase kFileCases[] = {
    {"ClosedWalMissing", ".log",
     [](DiskImage& image, const std::string&) {
       for (const std::string& name : image.children("/log")) {
         if (!name.ends_with(".log")) continue;
         image.remove("/log/" + name);
         return;
       }
     },
     "Missing WAL"},
    {"TableMissing", ".sst", [](DiskImage& image, const std::string& path) { image.remove(path); },
     "No such file"},
    {"TableShortened", ".sst",
     [](DiskImage& image, const std::string& path) {
       image.set_content(path, image.content(path).substr(0, 100));
     },
     "too short"},
    {"TableFlipped", ".sst", flip_in_the_middle, "block checksum mismatch"},
    {"ManifestTorn", "MANIFEST-",
     [](DiskImage& image, const std::string& path) {
       // Unsynced remains of one more edit: a header whose bytes did not come.
       std::string more = image.content(path);
       more.append("\x12\x34\x56\x78\x10\x00\x01", 7);
       more.append(16, '\0');
       image.set_content(path, more);
     },
     nullptr},
    {"ManifestFlipped", "MANIFEST-", flip_in_the_middle, "write-ahead log"},
    {"ManifestMissing", "MANIFEST-",
     [](DiskImage& image, const std::string& path) { image.remove(path); }, "MANIFEST"},
    {"CurrentGarbage", "CURRENT",
     [](DiskImage& image, const std::string& path) { image.set_content(path, "nonsense\n"); },
     "names no manifest"},
};
class DatabaseFileTest : public testing::TestWithParam<FileCase> {};

TEST_P(DatabaseFileTest, IsNeededWhole) {
  // Two write-ahead logs and tables: the memtable was switched on the way.
  const Written written(64 * limits::KiB, 400);
  const std::string path = written.image->newest("/log", GetParam().ending);
  ASSERT_FALSE(path.empty()) << "the history has no such file";
  GetParam().damage(*written.image, path);
  const auto disk = make_rocksdb_disk(kLargeMemtable, written.image);
  Prng rng(1);
  written.image->crash(DiskImage::Loss::kNothing, rng);
  const auto store = open_log(*disk);
  const Status status = store.ok() ? compare(**store, written.states.back().model) : store.status();
  if (GetParam().error == nullptr) {
    EXPECT_TRUE(status.ok()) << status.message();
    return;
  }
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find(GetParam().error), std::string::npos) << status.message();
}
INSTANTIATE_TEST_SUITE_P(S08, DatabaseFileTest, testing::ValuesIn(kFileCases),
                         [](const auto& test) { return test.param.name; });

TEST(WalRecoveryTest, RefusesADatabaseWhoseOnlyWriteAheadLogIsGone) {
  const Written written;
  const auto disk = make_rocksdb_disk(kLargeMemtable, written.image);
  Prng rng(1);
  written.image->crash(DiskImage::Loss::kNothing, rng);
  ASSERT_TRUE(open_log(*disk).ok());  // What was in it lies in tables now, and a new one began.
  written.image->crash(DiskImage::Loss::kNothing, rng);
  written.image->remove(written.wal());
  const auto store = open_log(*disk);
  EXPECT_EQ(store.status().code(), StatusCode::kCorruption);
  EXPECT_NE(store.status().message().find("write-ahead log is missing"), std::string::npos);
}

// --- Faults while running ------------------------------------------------------------------------

enum class Fault : uint8_t { kAppend, kSpace, kSync };
struct FaultCase {
  const char* name;
  Fault fault;
  DiskImage::Loss loss;
};
const FaultCase kFaultCases[] = {
    {"WriteErrorThenKilled", Fault::kAppend, DiskImage::Loss::kNothing},
    {"WriteErrorThenPowerLoss", Fault::kAppend, DiskImage::Loss::kUnsynced},
    {"DiskFullThenKilled", Fault::kSpace, DiskImage::Loss::kNothing},
    {"DiskFullThenPowerLoss", Fault::kSpace, DiskImage::Loss::kTail},
    {"FailedSyncThenKilled", Fault::kSync, DiskImage::Loss::kNothing},
    {"FailedSyncThenPowerLoss", Fault::kSync, DiskImage::Loss::kUnsynced},
};
class DiskFaultTest : public testing::TestWithParam<FaultCase> {
 protected:
  static DiskImage::Faults faults_at(uint64_t n) {
    DiskImage::Faults faults;
    faults.only = ".log";
    if (GetParam().fault == Fault::kAppend) faults.fail_append = n;
    if (GetParam().fault == Fault::kSpace) faults.no_space_from = n;
    if (GetParam().fault == Fault::kSync) faults.fail_sync = n;
    return faults;
  }
};

TEST_P(DiskFaultTest, StopsTheStoreForGoodAndLosesNothingThatWasStable) {
  for (uint64_t n = 1; n <= 20; ++n) {
    SCOPED_TRACE("n " + std::to_string(n));
    const auto image = std::make_shared<DiskImage>();
    const auto disk = make_rocksdb_disk(kLargeMemtable, image);
    Prng rng(n);
    LogModel done;
    LogModel tried;
    {
      auto store = open_log(*disk);
      ASSERT_TRUE(store.ok());
      image->set_faults(faults_at(n));
      HistoryGenerator generator(n, 2'000);
      Status status;
      while (status.ok()) {
        done = tried;
        const HistoryStep step = generator.next(done);
        if (step.apply != nullptr) step.apply(tried);
        status = step.run(**store);
      }
      EXPECT_EQ(status.code(), StatusCode::kIoError);
      image->set_faults({});  // The disk is well again: too late.
      EXPECT_EQ((*store)->write_marker(1).code(), StatusCode::kIoError);
      EXPECT_EQ((*store)->failure().code(), StatusCode::kIoError);
    }
    image->crash(GetParam().loss, rng);
    bool had_tried = false;
    {
      const auto store = open_log(*disk);
      ASSERT_TRUE(store.ok()) << store.status().message();
      had_tried = compare(**store, tried).ok();
      const Status status = compare(**store, done);
      ASSERT_TRUE(had_tried || status.ok()) << status.message();
      // A write whose sync failed must not be seen: the disk never had it.
      ASSERT_TRUE(status.ok() || GetParam().fault != Fault::kSync) << status.message();
      ASSERT_TRUE((*store)->write_marker(2).ok());
    }
    // What a start saw lasts [S 08/3.7 step 2].
    image->crash(DiskImage::Loss::kUnsynced, rng);
    const auto store = open_log(*disk);
    ASSERT_TRUE(store.ok()) << store.status().message();
    const Status status = compare(**store, had_tried ? tried : done);
    EXPECT_TRUE(status.ok()) << status.message();
  }
}
INSTANTIATE_TEST_SUITE_P(S08, DiskFaultTest, testing::ValuesIn(kFaultCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::storage
