// A torn last write against damage before it, on logs made by hand [S 08/3.7].
#include "storage/rocksdb/wal_scan.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "storage/log/entry_codec.h"

namespace worldline::storage {
namespace {

constexpr size_t kHeaderBytes = 7;

uint32_t masked(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

// Writes logical records as RocksDB does, and remembers where each one ends.
class WalBuilder {
 public:
  void add(size_t bytes) {
    bool is_first = true;
    do {
      const size_t room = WalScan::kBlockBytes - log.size() % WalScan::kBlockBytes;
      if (room < kHeaderBytes) {
        log.resize(log.size() + room, 0);
        continue;
      }
      const size_t piece = std::min(bytes, room - kHeaderBytes);
      bytes -= piece;
      const bool is_last = bytes == 0;
      add_piece(static_cast<Byte>(is_first ? (is_last ? 1 : 2) : (is_last ? 4 : 3)), piece);
      is_first = false;
    } while (bytes > 0);
    ends.push_back(log.size());
  }
  void add_piece(Byte type, size_t bytes) {
    ByteBuffer covered = {type};
    for (size_t i = 0; i < bytes; ++i) covered.push_back(static_cast<Byte>(rng_.next()));
    append_le(log, masked(crc32c(0, covered)));
    append_le(log, static_cast<uint16_t>(bytes));
    append(log, covered);
  }

  ByteBuffer log;
  std::vector<size_t> ends;

 private:
  Prng rng_{1};
};

struct ScanOutcome {
  WalState state;
  WalScan::Place keep;
  std::string reason;
};
ScanOutcome scan(const std::vector<ByteBuffer>& files) {
  WalScan scan;
  uint64_t number = 1;
  for (const ByteBuffer& file : files) {
    scan.begin_file(number++);
    const Bytes bytes(file);
    for (size_t at = 0; at < bytes.size(); at += WalScan::kBlockBytes)
      scan.add_block(bytes.subspan(at, std::min(WalScan::kBlockBytes, bytes.size() - at)));
  }
  const WalState state = scan.finish();
  return {state, state == WalState::kTorn ? scan.keep() : WalScan::Place{}, scan.reason()};
}

// Small records, and one over three blocks in the middle or at the end.
WalBuilder log_of(std::initializer_list<size_t> sizes) {
  WalBuilder builder;
  for (const size_t size : sizes) builder.add(size);
  return builder;
}

TEST(WalScanTest, FindsAWholeLogWhole) {
  EXPECT_EQ(scan({}).state, WalState::kWhole);
  EXPECT_EQ(scan({{}}).state, WalState::kWhole);
  EXPECT_EQ(scan({log_of({100, 70'000, 5, 0, 32'754, 3, 9}).log}).state, WalState::kWhole);
  // Records that end 0 to 12 bytes before the end of a block, and one behind it.
  for (size_t left = 0; left <= 12; ++left)
    EXPECT_EQ(scan({log_of({WalScan::kBlockBytes - kHeaderBytes - left, 20}).log}).state,
              WalState::kWhole)
        << left;
}

TEST(WalScanTest, CutsEveryPrefixBehindItsLastWholeRecord) {
  const WalBuilder builder = log_of({100, 70'000, 5, 200});
  for (size_t size = 0; size < builder.log.size(); size += size % 1'000 == 0 ? 1 : 7) {
    size_t whole = 0;
    for (const size_t end : builder.ends)
      if (end <= size) whole = end;
    const ScanOutcome outcome =
        scan({ByteBuffer(builder.log.begin(), builder.log.begin() + static_cast<ptrdiff_t>(size))});
    if (outcome.state == WalState::kWhole) {
      // Only zeros may be left: the padding of a block.
      for (size_t i = whole; i < size; ++i) EXPECT_EQ(builder.log[i], 0) << size;
      continue;
    }
    ASSERT_EQ(outcome.state, WalState::kTorn) << size << ": " << outcome.reason;
    EXPECT_EQ(outcome.keep.offset, whole) << size;
  }
}

TEST(WalScanTest, TakesDamageForATornWriteOnlyInTheLastRecord) {
  const WalBuilder builder = log_of({100, 70'000, 5, 40'000});
  const size_t last_begin = builder.ends[2];
  for (size_t at = 0; at < builder.log.size(); at += at % 500 < 20 ? 1 : 61) {
    ByteBuffer log = builder.log;
    log[at] ^= 0x40;
    const ScanOutcome outcome = scan({log});
    // Padding is read by nobody.
    if (outcome.state == WalState::kWhole) continue;
    // No crash flips bits in a header, but some of them could be read as one that came in part.
    if (at >= last_begin && (at - last_begin) % WalScan::kBlockBytes < kHeaderBytes) continue;
    if (at >= last_begin && at % WalScan::kBlockBytes < kHeaderBytes) continue;
    EXPECT_EQ(outcome.state, at < last_begin ? WalState::kDamaged : WalState::kTorn)
        << at << ": " << outcome.reason;
    EXPECT_EQ(outcome.keep.offset, at < last_begin ? 0 : last_begin);
  }
}

// Nothing readable is left behind the damage, and yet no crash leaves that.
TEST(WalScanTest, RefusesALogWhoseSecondPartIsOverwritten) {
  const WalBuilder builder = log_of({100, 70'000, 300, 40'000, 200});
  for (size_t at = 0; at < builder.ends[3]; at += at % 500 < 20 ? 1 : 61) {
    ByteBuffer log = builder.log;
    std::fill(log.begin() + static_cast<ptrdiff_t>(at), log.end(), Byte{0xa5});
    const ScanOutcome outcome = scan({log});
    EXPECT_EQ(outcome.state, WalState::kDamaged) << at << ": " << outcome.reason;
  }
}

TEST(WalScanTest, TakesSectorsThatNeverCameForATornWriteOnlyAtTheEnd) {
  const WalBuilder builder = log_of({100, 3'000, 5'000, 9'000});
  for (size_t sector = 0; sector + 512 <= builder.log.size(); sector += 512) {
    ByteBuffer log = builder.log;
    std::fill_n(log.begin() + static_cast<ptrdiff_t>(sector), 512, Byte{0});
    const ScanOutcome outcome = scan({log});
    const bool is_damage = sector < builder.ends[2];
    EXPECT_EQ(outcome.state, is_damage ? WalState::kDamaged : WalState::kTorn)
        << sector << ": " << outcome.reason;
  }
}

struct ShapeCase {
  const char* name;
  std::vector<std::vector<std::pair<Byte, size_t>>> files;  // Pieces: type and bytes.
  WalState state;
  uint64_t keep_file;
};
const ShapeCase kShapeCases[] = {
    {"MiddleWithoutFirst", {{{1, 9}, {3, 9}}}, WalState::kTorn, 1},
    {"LastWithoutFirst", {{{1, 9}, {4, 9}}}, WalState::kTorn, 1},
    {"LastWithoutFirstThenMore", {{{1, 9}, {4, 9}, {1, 9}}}, WalState::kDamaged, 0},
    {"FirstWithoutLast", {{{1, 9}, {2, 9}}}, WalState::kTorn, 1},
    {"FirstWithoutLastThenMore", {{{1, 9}, {2, 9}, {1, 9}}}, WalState::kDamaged, 0},
    {"FirstTwice", {{{2, 9}, {2, 9}, {4, 9}}}, WalState::kDamaged, 0},
    {"FirstWithoutLastInAnOlderFile", {{{1, 9}, {2, 9}}, {{1, 9}}}, WalState::kDamaged, 0},
    {"FirstWithoutLastBeforeAnEmptyFile", {{{1, 9}, {2, 9}}, {}}, WalState::kTorn, 1},
    {"TornInTheNewestFile", {{{1, 9}}, {{2, 9}}}, WalState::kTorn, 2},
    {"PiecesOfOneRecordInTwoFiles", {{{2, 9}}, {{4, 9}}}, WalState::kTorn, 1},
    {"AnotherVersionsType", {{{1, 9}, {9, 9}, {2, 9}}}, WalState::kWhole, 0},
};
class WalShapeTest : public testing::TestWithParam<ShapeCase> {};

TEST_P(WalShapeTest, IsJudgedByWhatBeginsBehindTheDamage) {
  std::vector<ByteBuffer> files;
  for (const auto& pieces : GetParam().files) {
    WalBuilder builder;
    for (const auto& [type, bytes] : pieces) builder.add_piece(type, bytes);
    files.push_back(builder.log);
  }
  const ScanOutcome outcome = scan(files);
  EXPECT_EQ(outcome.state, GetParam().state) << outcome.reason;
  EXPECT_EQ(outcome.keep.file, GetParam().keep_file);
}
INSTANTIATE_TEST_SUITE_P(S08, WalShapeTest, testing::ValuesIn(kShapeCases),
                         [](const auto& test) { return test.param.name; });

TEST(WalScanTest, SurvivesRandomBytes) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Prng rng(seed);
    ByteBuffer log(kHeaderBytes + rng.below(100'000));
    for (Byte& byte : log) byte = static_cast<Byte>(rng.next() % 5);
    log[0] = 1;
    EXPECT_NE(scan({log}).state, WalState::kWhole) << "seed " << seed;
  }
}

}  // namespace
}  // namespace worldline::storage
