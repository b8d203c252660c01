// tests/storage/sequence_limits_test.cc: defaults of sequences, and which limits create_table
// accepts [S 01/6.5, 05/1.10, 8.2].
#include "storage/system_catalog.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

constexpr Int128 kMin = -kSequenceMax - 1;  // -2^127.

struct LimitsCase {
  const char* name;
  Int128 increment;
  std::optional<Int128> start, min, max;
  const char* refusal;         // Empty: accepted.
  std::vector<int64_t> first;  // The first values, if accepted.
};

const LimitsCase kCases[] = {
    {"Defaults", 1, {}, {}, {}, "", {1, 2, 3}},
    {"StartIsOneWhateverTheMinimum", 1, {}, -5, {}, "", {1, 2, 3}},
    {"StartOfOneIsBelowTheMinimum",
     1,
     {},
     10,
     {},
     "Sequence `t_id_seq`: The start value 1 must be >= min_value 10.",
     {}},
    {"StartOfOneIsAboveTheMaximum",
     1,
     {},
     -5,
     0,
     "Sequence `t_id_seq`: The start value 1 must be <= min_value 0.",
     {}},
    {"StartAtTheMinimum", 1, 10, 10, 20, "", {10, 11, 12}},
    {"StartAtTheMaximum", 1, 20, 10, 20, "", {20, 10, 11}},
    {"StartBelowTheMinimum",
     1,
     9,
     10,
     20,
     "Sequence `t_id_seq`: The start value 9 must be >= min_value 10.",
     {}},
    {"StartBelowTheDefaultMinimum",
     1,
     0,
     {},
     {},
     "Sequence `t_id_seq`: The start value 0 must be >= min_value 1.",
     {}},
    {"StartAboveTheMaximum",
     1,
     21,
     10,
     20,
     "Sequence `t_id_seq`: The start value 21 must be <= min_value 20.",
     {}},
    {"NoIncrement",
     0,
     {},
     {},
     {},
     "Sequence `t_id_seq`: The increment is 0, and this means the sequence can't advance.",
     {}},
    {"EmptyRange", 1, 10, 10, 10, "Sequence `t_id_seq`: The min_value 10 must < max_value 10.", {}},
    {"ReversedRange",
     1,
     10,
     11,
     10,
     "Sequence `t_id_seq`: The min_value 11 must < max_value 10.",
     {}},
    {"MaximumBelowTheDefaultMinimum",
     1,
     {},
     {},
     -1,
     "Sequence `t_id_seq`: The min_value 1 must < max_value -1.",
     {}},
    {"IncrementOfTheSpan",
     10,
     {},
     1,
     11,
     "Sequence `t_id_seq`: The increment 10 does not fit between min_value 1 and max_value 11.",
     {}},
    {"IncrementBelowTheSpan", 9, {}, 1, 11, "", {1, 10, 8}},
    {"DownwardsByTheSpan",
     -10,
     {},
     1,
     11,
     "Sequence `t_id_seq`: The increment -10 does not fit between min_value 1 and max_value 11.",
     {}},
    {"DownwardsBelowTheSpan", -9, {}, 1, 11, "", {1, 3, 5}},
    {"WidestRange", 1, 0, kMin, kSequenceMax, "", {0, 1, 2}},
    {"WidestIncrement", kMin, 5, kMin, kSequenceMax, "", {5}},
};

class SequenceLimitsTest : public StorageTest, public testing::WithParamInterface<LimitsCase> {
 protected:
  static TableDefinition define(const LimitsCase& c) {
    TableDefinition definition = Define("t")
                                     .column("id", number_type(TypeKind::kI64))
                                     .column("n", number_type(TypeKind::kU32))
                                     .auto_inc(0);
    SequenceDefinition& sequence = definition.sequences[0];
    sequence.increment = c.increment;
    sequence.start = c.start;
    sequence.min_value = c.min;
    sequence.max_value = c.max;
    return definition;
  }
};

TEST_P(SequenceLimitsTest, AreRefusedWithTheirTextOrCountFromTheirStart) {
  const LimitsCase& c = GetParam();
  Transaction tx = begin();
  const DataResult<TableId> id = tx.create_table(define(c));
  if (*c.refusal != '\0') {
    ASSERT_FALSE(id.ok());
    EXPECT_EQ(id.status().message(), c.refusal);
    tx.rollback();
    EXPECT_EQ(db->view().find_table("t"), nullptr);
    return;
  }
  ASSERT_TRUE(id.ok()) << id.status().message();
  for (uint32_t i = 0; i < c.first.size(); ++i) {
    const DataResult<InsertOutcome> outcome = tx.insert(*id, Row().i64(0).u32(i));
    ASSERT_TRUE(outcome.ok()) << outcome.status().message();
    EXPECT_EQ(load_le<int64_t>(outcome->row.data()), c.first[i]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(S05, SequenceLimitsTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

class SequenceNamesTest : public StorageTest {};

TEST_F(SequenceNamesTest, AreUsedOnce) {
  const TableDefinition first =
      Define("t").column("id", number_type(TypeKind::kU32)).auto_inc(0).get();
  create(first);
  TableDefinition second = Define("u")
                               .column("a", number_type(TypeKind::kU32))
                               .column("b", number_type(TypeKind::kU32))
                               .auto_inc(0)
                               .auto_inc(1);
  {
    Transaction tx = begin();
    second.sequences[1].name = "t_id_seq";
    const DataResult<TableId> id = tx.create_table(second);
    ASSERT_FALSE(id.ok());
    EXPECT_EQ(id.status().message(), "Sequence with name `t_id_seq` already exists.");
  }
  {
    Transaction tx = begin();
    second.sequences[1].name = "u_a_seq";
    EXPECT_EQ(tx.create_table(second).status().message(),
              "Sequence with name `u_a_seq` already exists.");
  }
  Transaction tx = begin();
  second.sequences[1].name = "u_b_seq";
  EXPECT_TRUE(tx.create_table(second).ok());
  tx.commit();
  check();
}

}  // namespace
}  // namespace worldline::storage
