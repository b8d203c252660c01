// tests/schema/protocol/row_list_test.cc: the hint rule at its edges and malformed lists [S
// 02/6.2].
#include "schema/protocol/row_list.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace worldline::protocol {
namespace {

struct HintCase {
  const char* name;
  std::vector<size_t> row_bytes;
  uint16_t fixed;  // 0 = RowOffsets.
};

class HintTest : public testing::TestWithParam<HintCase> {};

TEST_P(HintTest, DependsOnEqualLengthsThatFitSixteenBits) {
  const HintCase& c = GetParam();
  RowListBuilder rows;
  for (const size_t bytes : c.row_bytes) rows.add(ByteBuffer(bytes, 0xAB));
  ByteBuffer encoded;
  rows.encode(encoded);
  WireReader reader(encoded);
  const RowListView view = RowListView::read(reader);
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_TRUE(reader.rest().empty());
  EXPECT_EQ(view.fixed_row_bytes(), c.fixed);
  ASSERT_EQ(view.size(), c.row_bytes.size());
  for (size_t i = 0; i < view.size(); ++i) EXPECT_EQ(view[i].size(), c.row_bytes[i]);
}
INSTANTIATE_TEST_SUITE_P(S02, HintTest,
                         testing::Values(HintCase{"NoRows", {}, 0}, HintCase{"OneRow", {5}, 5},
                                         HintCase{"ZeroSizedRows", {0, 0}, 0},
                                         HintCase{"Equal", {3, 3, 3}, 3},
                                         HintCase{"Different", {3, 4}, 0},
                                         HintCase{"LargestFixed", {65535, 65535}, 65535},
                                         HintCase{"TooLargeForFixed", {65536}, 0}),
                         [](const auto& test) { return test.param.name; });

TEST(RowListTest, FixedEncoderGivesTheBytesOfTheGeneralOne) {
  Prng prng(20261);
  for (int round = 0; round < 50; ++round) {
    const size_t row_bytes = prng.below(20);
    const size_t count = prng.below(6);
    RowListBuilder rows;
    ByteBuffer data;
    for (size_t i = 0; i < count; ++i) {
      const ByteBuffer row(row_bytes, static_cast<Byte>(prng.below(256)));
      rows.add(row);
      append(data, row);
    }
    ByteBuffer general;
    rows.encode(general);
    ByteBuffer fixed;
    encode_fixed_row_list(data, row_bytes, count, fixed);
    EXPECT_EQ(to_hex(general), to_hex(fixed)) << row_bytes << " x " << count;
  }
}

TEST(RowListTest, EmptyListIsTheOneOfTheSpecification) {
  ByteBuffer out;
  encode_empty_row_list(out);
  EXPECT_EQ(to_hex(out), "010000000000000000");
}

struct BadList {
  const char* hex;
  const char* error;
};

TEST(RowListTest, MalformedListsAreRefused) {
  constexpr BadList kCases[] = {
      {"02", "unknown tag 0x2 for sum type RowSizeHint"},
      {"00000000000000", "row list of 0 B is not made of rows of 0 B"},
      {"00020003000000aabbcc", "row list of 3 B is not made of rows of 2 B"},
      {"01ffffffff", "data too short for array: Expected 34359738360, given 0"},
      {"0101000000010000000000000001000000aa", "row offset 1 is outside of 1 B of rows"},
      {"010200000000000000000000000900000000000000"
       "01000000aa",
       "row offset 9 is outside of 1 B of rows"},
      {"010000000001000000aa", "row list of no rows has 1 B"},
  };
  for (const auto& c : kCases) {
    ByteBuffer bytes;
    ASSERT_TRUE(parse_hex(c.hex, bytes)) << c.hex;
    WireReader reader(bytes);
    EXPECT_EQ(RowListView::read(reader).size(), 0u);
    EXPECT_EQ(reader.status().message(), c.error);
  }
}

}  // namespace
}  // namespace worldline::protocol
