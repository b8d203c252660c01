// tests/storage/index_range_test.cc: point and range scans [S 05/1.8] against sorted lists.
#include <algorithm>
#include <optional>

#include "base/prng.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

constexpr uint8_t kIncluded = 0;
constexpr uint8_t kExcluded = 1;
constexpr uint8_t kUnbounded = 2;

std::vector<std::string> collect(IndexCursor cursor) {
  std::vector<std::string> rows;
  while (cursor.next()) rows.emplace_back(as_text(cursor.row()));
  return rows;
}

Row bound(uint8_t tag, const Row& value) {
  Row bytes = Row().u8(tag);
  return tag == kUnbounded ? bytes : bytes.raw(value);
}

class IndexRangeTest : public StorageTest {};

TEST_F(IndexRangeTest, AgreesWithASortedListForEveryBoundAndIndexKind) {
  for (const IndexAlgorithm algorithm : {IndexAlgorithm::kBTree, IndexAlgorithm::kDirect}) {
    const bool direct = algorithm == IndexAlgorithm::kDirect;
    const TableId t = create(Define(direct ? "d" : "b")
                                 .column("k", number_type(TypeKind::kU8))
                                 .column("n", number_type(TypeKind::kU32))
                                 .index({0}, algorithm));
    std::vector<Row> rows;
    for (uint32_t i = 0; i < 600; ++i)
      rows.push_back(Row().u8(static_cast<uint8_t>(i * 7 % 256)).u32(i));
    insert_all(t, rows);
    Prng random(5);
    for (int i = 0; i < 400; ++i) {
      const auto from = static_cast<uint8_t>(random.below(256));
      const auto to = static_cast<uint8_t>(random.below(256));
      const auto from_tag = static_cast<uint8_t>(random.below(3));
      const auto to_tag = static_cast<uint8_t>(random.below(3));
      const Row start = bound(from_tag, Row().u8(from));
      const Row end = bound(to_tag, Row().u8(to));
      const auto cursor = index(t).range({{}, 0, start, end});
      ASSERT_TRUE(cursor.ok());
      size_t expected = 0;
      for (const Row& row : rows) {
        const uint8_t k = row.bytes()[0];
        const bool above =
            from_tag == kUnbounded || k > from || (k == from && from_tag == kIncluded);
        const bool below = to_tag == kUnbounded || k < to || (k == to && to_tag == kIncluded);
        expected += above && below ? 1 : 0;
      }
      const auto found = collect(*cursor);
      ASSERT_EQ(found.size(), expected);
      EXPECT_TRUE(std::is_sorted(found.begin(), found.end(), [](const auto& a, const auto& b) {
        return static_cast<uint8_t>(a[0]) < static_cast<uint8_t>(b[0]);
      }));
    }
  }
}

TEST_F(IndexRangeTest, ScansPrefixesOfSeveralColumns) {
  const TableId t = create(Define("m")
                               .column("a", number_type(TypeKind::kI32))
                               .column("b", AlgebraicType::string())
                               .column("c", number_type(TypeKind::kU64))
                               .index({0, 1, 2}));
  std::vector<Row> rows;
  for (int32_t a = -2; a <= 2; ++a)
    for (const char* b : {"", "x", "xy", "y"})
      for (uint64_t c = 0; c < 3; ++c) rows.push_back(Row().i32(a).text(b).u64(c));
  insert_all(t, rows);
  const auto range = [&](const Row& prefix, uint16_t elements, const Row& start, const Row& end) {
    const auto cursor = index(t).range({prefix, elements, start, end});
    EXPECT_TRUE(cursor.ok()) << cursor.status().message();
    return collect(*cursor);
  };
  const Row open = Row().u8(kUnbounded);
  EXPECT_EQ(range({}, 0, open, open).size(), rows.size());
  EXPECT_EQ(range({}, 0, open, open).front(), rows.front().str());
  EXPECT_EQ(range({}, 0, bound(kIncluded, Row().i32(-1)), bound(kExcluded, Row().i32(1))).size(),
            24u);
  EXPECT_EQ(range({}, 0, bound(kExcluded, Row().i32(-1)), bound(kIncluded, Row().i32(1))).size(),
            24u);
  EXPECT_EQ(range(Row().i32(0), 1, open, open).size(), 12u);
  EXPECT_EQ(range(Row().i32(0), 1, bound(kIncluded, Row().text("x")), open).size(), 9u);
  EXPECT_EQ(range(Row().i32(0), 1, bound(kExcluded, Row().text("x")), open).size(), 6u);
  EXPECT_EQ(range(Row().i32(0), 1, open, bound(kIncluded, Row().text("x"))).size(), 6u);
  EXPECT_EQ(range(Row().i32(0), 1, open, bound(kExcluded, Row().text("x"))).size(), 3u);
  EXPECT_EQ(range(Row().i32(0).text("x"), 2, bound(kIncluded, Row().u64(1)),
                  bound(kIncluded, Row().u64(1)))
                .size(),
            1u);
  EXPECT_TRUE(
      range(Row().i32(0), 1, bound(kIncluded, Row().text("y")), bound(kIncluded, Row().text("x")))
          .empty());
  EXPECT_TRUE(
      range(Row().i32(0), 1, bound(kIncluded, Row().text("x")), bound(kExcluded, Row().text("x")))
          .empty());
}

TEST_F(IndexRangeTest, TreatsTheFieldsOfAProductColumnAsKeyParts) {
  const AlgebraicType point = AlgebraicType::product(
      {{{"x", number_type(TypeKind::kU8)}, {"y", number_type(TypeKind::kU8)}}});
  const TableId t = create(Define("p").column("at", point).unique({0}));
  std::vector<Row> rows;
  for (uint8_t x = 0; x < 4; ++x)
    for (uint8_t y = 0; y < 4; ++y) rows.push_back(Row().u8(x).u8(y));
  insert_all(t, rows);
  const auto cursor =
      index(t).range({Row().u8(2), 1, bound(kIncluded, Row().u8(1)), bound(kUnbounded, {})});
  ASSERT_TRUE(cursor.ok());
  EXPECT_EQ(collect(*cursor).size(), 3u);
  const auto all = index(t).range({{}, 0, bound(kExcluded, Row().u8(1)), bound(kUnbounded, {})});
  EXPECT_EQ(collect(*all).size(), 8u);
  const auto key = index(t).point_key(Row().u8(3).u8(3));
  ASSERT_TRUE(key.ok());
  EXPECT_TRUE(index(t).find_unique(*key).has_value());
  const auto identity = create(Define("i").column("who", AlgebraicType::identity()).unique({0}));
  const std::string long_id(32, '\x07');
  insert_all(identity, {Row().raw(as_bytes(long_id))});
  const auto one = index(identity).range({{},
                                          0,
                                          bound(kIncluded, Row().raw(as_bytes(long_id))),
                                          bound(kIncluded, Row().raw(as_bytes(long_id)))});
  ASSERT_TRUE(one.ok()) << one.status().message();
  EXPECT_EQ(collect(*one).size(), 1u);
}

TEST_F(IndexRangeTest, FindsLongKeys) {
  const TableId t = create(Define("l").column("s", AlgebraicType::string()).unique({0}));
  Prng random(9);
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i)
    texts.push_back(std::string(random.below(80), 'k') + std::to_string(i));
  std::vector<Row> rows;
  for (const auto& text : texts) rows.push_back(Row().text(text));
  insert_all(t, rows);
  for (const auto& text : texts) {
    const auto key = index(t).point_key(Row().text(text));
    ASSERT_TRUE(index(t).find_unique(*key).has_value()) << text;
  }
  std::sort(texts.begin(), texts.end());
  std::vector<std::string> expected;
  for (const auto& text : texts) expected.push_back(Row().text(text).str());
  EXPECT_EQ(collect(index(t).all()), expected);
  const SnapshotPtr snapshot = db->pin();
  Transaction tx = begin();
  for (size_t i = 0; i < texts.size(); i += 2)
    ASSERT_EQ(*tx.delete_point(index_id(t), Row().text(texts[i])), 1u);
  tx.commit();
  EXPECT_EQ(collect(snapshot->find_table(t)->indexes()[0].all()), expected);
  EXPECT_EQ(count(t), 250u);
  check();
}

struct BadArgumentCase {
  const char* name;
  Row prefix;
  uint16_t elements;
  Row start, end;
  const char* text;
};
TEST_F(IndexRangeTest, RefusesMalformedArguments) {
  const TableId one = create(Define("o").column("a", number_type(TypeKind::kU32)).index({0}));
  const TableId two = create(Define("t")
                                 .column("a", number_type(TypeKind::kU32))
                                 .column("b", number_type(TypeKind::kU32))
                                 .index({0, 1}));
  const Row open = Row().u8(kUnbounded);
  const BadArgumentCase single[] = {
      {"PrefixWithoutElements", Row().u32(1), 0, open, open,
       "a prefix was provided but `prefix_elems = 0`"},
      {"PrefixOfSingleColumn", Row().u32(1), 1, open, open,
       "a single column index cannot be prefix scanned"},
      {"BoundTag", {}, 0, Row().u8(3), open, "unknown tag 0x3"},
      {"ShortBound", {}, 0, Row().u8(0).u8(1), open, "data too short"},
      {"NoEnd", {}, 0, open, {}, "data too short"},
  };
  const BadArgumentCase multiple[] = {
      {"TooManyElements", Row().u32(1).u32(1).u32(1), 3, open, open,
       "index key type has too few fields compared to prefix"},
      {"NoRoom", Row().u32(1).u32(1), 2, open, open,
       "prefix length leaves no room for a range in ranged index scan"},
      {"ShortPrefix", Row().u16(1), 1, open, open, "data too short"},
      {"ExtraPrefix", Row().u32(1).u8(1), 1, open, open, "after decoding, there are 1 extra bytes"},
  };
  const auto check_case = [&](TableId t, const BadArgumentCase& c) {
    const auto result = index(t).range({c.prefix, c.elements, c.start, c.end});
    ASSERT_FALSE(result.ok()) << c.name;
    EXPECT_EQ(result.error(), DataError::kDecode) << c.name;
    EXPECT_NE(result.status().message().find(c.text), std::string::npos)
        << c.name << ": " << result.status().message();
  };
  for (const auto& c : single) check_case(one, c);
  for (const auto& c : multiple) check_case(two, c);
  EXPECT_EQ(index(two).point_key(Row().u32(1).u32(2).u8(3)).status().message(),
            "Could not decode arguments to index scan: after decoding, there are 1 extra bytes");
  EXPECT_TRUE(index(one).point_key(Row().u32(1).u8(3)).ok()) << "one value: the rest is ignored";
}

TEST_F(IndexRangeTest, RefusesRangesOfHashIndexes) {
  const TableId t = create(
      Define("h").column("a", number_type(TypeKind::kU32)).index({0}, IndexAlgorithm::kHash));
  const Row open = Row().u8(kUnbounded);
  const auto result = index(t).range({{}, 0, open, open});
  EXPECT_EQ(result.error(), DataError::kWrongIndexAlgo);
  EXPECT_EQ(result.status().message(), "IndexId 4096 does not support seeking for a range");
  insert_all(t, {Row().u32(1)});
  Transaction tx = begin();
  EXPECT_EQ(*tx.delete_point(index_id(t), Row().u32(1)), 1u);
}

TEST_F(IndexRangeTest, DeletesRanges) {
  const TableId t = create(Define("o").column("a", number_type(TypeKind::kI64)).index({0}));
  std::vector<Row> rows;
  for (int64_t i = -50; i < 50; ++i) rows.push_back(Row().i64(i));
  insert_all(t, rows);
  Transaction tx = begin();
  EXPECT_EQ(
      *tx.delete_range(index_id(t),
                       {{}, 0, bound(kExcluded, Row().i64(-10)), bound(kIncluded, Row().i64(10))}),
      20u);
  EXPECT_EQ(count(t), 80u);
  tx.commit();
  check();
}

}  // namespace
}  // namespace worldline::storage
