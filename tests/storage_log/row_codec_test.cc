// The rows beside the entries [S 08/3.6].
#include "storage/log/row_codec.h"

#include <gtest/gtest.h>

namespace worldline::storage {
namespace {

HardState sample_hard_state() {
  return {ReplicaId{5}, Term{6}, ReplicaId{7}, LogIndex{8}, 9};
}

Boundary sample_boundary() {
  Boundary boundary;
  boundary.index = LogIndex{10};
  boundary.term = Term{11};
  boundary.chain = Chain{12};
  boundary.config = {1, 2, 3};
  boundary.checkpoint = {CheckpointId{13}, {14, 15}};
  boundary.digest = {16, 17};
  return boundary;
}

NodeRecord sample_node_record() {
  NodeRecord record;
  record.cluster.fill(0xAA);
  record.uuid.fill(0xBB);
  record.node = NodeId{3};
  record.incarnation = 4;
  record.clean_shutdown = true;
  return record;
}

// One row kind: its bytes, and whether decoding some bytes gives the sample back.
struct RowCase {
  const char* name;
  ByteBuffer bytes;
  bool (*gives_sample)(Bytes);
  StatusCode (*code)(Bytes);
};

template <typename T>
StatusCode code_of(const Result<T>& result) {
  return result.status().code();
}

std::vector<RowCase> row_cases() {
  return {
      {"HardState", encode_hard_state(sample_hard_state()),
       [](Bytes b) {
         const auto r = decode_hard_state(b);
         return r.ok() && *r == sample_hard_state();
       },
       [](Bytes b) { return code_of(decode_hard_state(b)); }},
      {"Boundary", encode_boundary(sample_boundary()),
       [](Bytes b) {
         const auto r = decode_boundary(b);
         return r.ok() && *r == sample_boundary();
       },
       [](Bytes b) { return code_of(decode_boundary(b)); }},
      {"Tail", encode_tail({LogIndex{1}, Term{2}, Chain{3}}),
       [](Bytes b) {
         const auto r = decode_tail(b);
         return r.ok() && *r == TailRow{LogIndex{1}, Term{2}, Chain{3}};
       },
       [](Bytes b) { return code_of(decode_tail(b)); }},
      {"NodeRecord", encode_node_record(sample_node_record()),
       [](Bytes b) {
         const auto r = decode_node_record(b);
         return r.ok() && *r == sample_node_record();
       },
       [](Bytes b) { return code_of(decode_node_record(b)); }},
      {"Genesis", encode_genesis_row(ByteBuffer{1, 5, 9}),
       [](Bytes b) {
         const auto r = decode_genesis_row(b);
         return r.ok() && *r == ByteBuffer{1, 5, 9};
       },
       [](Bytes b) { return code_of(decode_genesis_row(b)); }},
      {"Tombstone", encode_tombstone({ReplicaId{1}, ReplicaId{2}, "why"}),
       [](Bytes b) {
         const auto r = decode_tombstone(b);
         return r.ok() && *r == Tombstone{ReplicaId{1}, ReplicaId{2}, "why"};
       },
       [](Bytes b) { return code_of(decode_tombstone(b)); }},
      {"FrozenTombstone", encode_tombstone({ReplicaId{1}, ReplicaId{2}, "why", MarkKind::kFrozen}),
       [](Bytes b) {
         const auto r = decode_tombstone(b);
         return r.ok() && *r == Tombstone{ReplicaId{1}, ReplicaId{2}, "why", MarkKind::kFrozen};
       },
       [](Bytes b) { return code_of(decode_tombstone(b)); }},
  };
}

class RowCodecTest : public testing::TestWithParam<RowCase> {};

TEST_P(RowCodecTest, ReadsBackWhatItWrote) {
  EXPECT_TRUE(GetParam().gives_sample(GetParam().bytes));
}

TEST_P(RowCodecTest, RefusesEverySingleFlippedBitAndEveryCut) {
  const ByteBuffer& good = GetParam().bytes;
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    ByteBuffer bad = good;
    bad[bit / 8] = static_cast<Byte>(bad[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_EQ(GetParam().code(bad), StatusCode::kCorruption) << "bit " << bit;
  }
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(GetParam().code(Bytes(good).first(size)), StatusCode::kCorruption) << size;
}
INSTANTIATE_TEST_SUITE_P(S08, RowCodecTest, testing::ValuesIn(row_cases()),
                         [](const auto& test) { return test.param.name; });

TEST(RowCodecTest, OrdersKeysByGroupAndThenByNumber) {
  const LogKey low = entry_key(GroupId{1}, LogIndex{0x100});
  const LogKey high = entry_key(GroupId{1}, LogIndex{0x200});
  const LogKey other = entry_key(GroupId{2}, LogIndex{0});
  EXPECT_LT(low.bytes, high.bytes);
  EXPECT_LT(high.bytes, other.bytes);
  EXPECT_EQ(*parse_entry_key(GroupId{1}, high.span()), LogIndex{0x200});
  EXPECT_FALSE(parse_entry_key(GroupId{2}, high.span()).ok());
}

}  // namespace
}  // namespace worldline::storage
