// tests/storage/transaction_test.cc: the rows of [S 05/9] that concern single transactions.
#include <bit>
#include <limits>

#include "storage/row_chunks.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

const AlgebraicType kU64 = number_type(TypeKind::kU64);
const AlgebraicType kU32 = number_type(TypeKind::kU32);
const AlgebraicType kText = AlgebraicType::string();

Row row(uint64_t id, std::string_view name) {
  return Row().u64(id).text(name);
}

class TransactionTest : public StorageTest {
 protected:
  TransactionTest() {
    keyed = create(Define("keyed").column("id", kU64).column("name", kText).primary_key(0));
    bag = create(Define("bag").column("a", kU32));
  }
  TableId keyed, bag;
};

TEST_F(TransactionTest, InsertsTheSameRowOnce) {
  const TxDataPtr data = insert_all(bag, {Row().u32(5), Row().u32(5)});
  EXPECT_EQ(count(bag), 1u);
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(texts(data->tables[0].inserts), std::vector<std::string>{Row().u32(5).str()});
}

// What happens to a committed row (1, "a") and the change set it leaves [S 05/3.1].
struct NetCase {
  const char* name;
  void (*run)(Transaction&, TableId, TableIndexId);
  std::vector<std::string> inserts, deletes;
  bool truncated;
};
const NetCase kNetCases[] = {
    {"DeleteAndInsertTheSame",
     [](Transaction& tx, TableId t, TableIndexId) {
       EXPECT_EQ(*tx.delete_by_eq(t, relation({row(1, "a")})), 1u);
       EXPECT_TRUE(tx.insert(t, row(1, "a")).ok());
     },
     {},
     {},
     false},
    {"UpdateThereAndBack",
     [](Transaction& tx, TableId t, TableIndexId i) {
       EXPECT_TRUE(tx.update(t, i, row(1, "b")).ok());
       EXPECT_TRUE(tx.update(t, i, row(1, "a")).ok());
     },
     {},
     {},
     false},
    {"InsertUpdateDelete",
     [](Transaction& tx, TableId t, TableIndexId i) {
       EXPECT_TRUE(tx.insert(t, row(2, "x")).ok());
       EXPECT_TRUE(tx.update(t, i, row(2, "a much longer text than the one before")).ok());
       EXPECT_EQ(*tx.delete_point(i, Row().u64(2)), 1u);
     },
     {},
     {},
     false},
    {"UpdateTwice",
     [](Transaction& tx, TableId t, TableIndexId i) {
       EXPECT_TRUE(tx.update(t, i, row(1, "z")).ok());
       EXPECT_TRUE(tx.update(t, i, row(1, "b")).ok());
     },
     {row(1, "b").str()},
     {row(1, "a").str()},
     false},
    {"UpdateToALongerRow",
     [](Transaction& tx, TableId t, TableIndexId i) {
       EXPECT_TRUE(tx.update(t, i, row(1, std::string(9000, 'x'))).ok());
       EXPECT_TRUE(tx.update(t, i, row(1, "b")).ok());
     },
     {row(1, "b").str()},
     {row(1, "a").str()},
     false},
    {"DeleteInsertOtherUpdateBack",
     [](Transaction& tx, TableId t, TableIndexId i) {
       EXPECT_EQ(*tx.delete_point(i, Row().u64(1)), 1u);
       EXPECT_TRUE(tx.insert(t, row(1, "b")).ok());
       EXPECT_TRUE(tx.update(t, i, row(1, "a")).ok());
     },
     {},
     {},
     false},
    {"ClearAndInsertWhatWasThere",
     [](Transaction& tx, TableId t, TableIndexId) {
       EXPECT_TRUE(tx.insert(t, row(2, "x")).ok());
       EXPECT_EQ(*tx.clear(t), 2u);
       EXPECT_EQ(*tx.clear(t), 0u);
       EXPECT_TRUE(tx.insert(t, row(1, "a")).ok());
     },
     {},
     {},
     false},
    {"DeleteTheLast",
     [](Transaction& tx, TableId, TableIndexId i) {
       EXPECT_EQ(*tx.delete_point(i, Row().u64(1)), 1u);
       EXPECT_EQ(*tx.delete_point(i, Row().u64(1)), 0u);
     },
     {},
     {row(1, "a").str()},
     true},
    {"Insert",
     [](Transaction& tx, TableId t, TableIndexId) { EXPECT_TRUE(tx.insert(t, row(2, "x")).ok()); },
     {row(2, "x").str()},
     {},
     false},
};

TEST_F(TransactionTest, CommitsTheNetEffect) {
  insert_all(keyed, {row(1, "a")});
  for (const NetCase& c : kNetCases) {
    SCOPED_TRACE(c.name);
    const Contents before = contents(db->view());
    const TxOffset next = db->next_offset();
    Transaction tx = begin();
    c.run(tx, keyed, index_id(keyed));
    const CommitResult result = tx.commit();
    const bool changed = !c.inserts.empty() || !c.deletes.empty();
    ASSERT_EQ(result.tx_data != nullptr, changed);
    EXPECT_EQ(db->next_offset(), changed ? next.next() : next);
    check();
    if (changed) {
      EXPECT_EQ(texts(result.tx_data->tables[0].inserts), c.inserts);
      EXPECT_EQ(texts(result.tx_data->tables[0].deletes), c.deletes);
      EXPECT_EQ(result.tx_data->tables[0].truncated, c.truncated);
      ASSERT_TRUE(db->undo(*result.tx_data).ok());
    }
    EXPECT_EQ(contents(db->view()), before);
    check();
  }
}

TEST_F(TransactionTest, ComparesRowsByBytesAndKeysByOrder) {
  const TableId plain = create(Define("f").column("x", number_type(TypeKind::kF64)));
  const TableId unique = create(Define("g").column("x", number_type(TypeKind::kF64)).unique({0}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double other_nan = std::bit_cast<double>(std::bit_cast<uint64_t>(nan) | 1);
  insert_all(plain, {Row().f64(0.0), Row().f64(-0.0), Row().f64(nan), Row().f64(other_nan)});
  EXPECT_EQ(count(plain), 4u);
  Transaction tx = begin();
  EXPECT_TRUE(tx.insert(unique, Row().f64(0.0)).ok());
  EXPECT_EQ(tx.insert(unique, Row().f64(-0.0)).error(), DataError::kUnique);
  EXPECT_TRUE(tx.insert(unique, Row().f64(nan)).ok());
  EXPECT_EQ(tx.insert(unique, Row().f64(other_nan)).error(), DataError::kUnique);
}

TEST_F(TransactionTest, GoesOnAfterACaughtViolation) {
  const TableId t = create(
      Define("auto").column("id", kU32).column("k", kU32).primary_key(0).unique({1}).auto_inc(0));
  Transaction tx = begin();
  EXPECT_TRUE(tx.insert(t, Row().u32(0).u32(7)).ok());
  const auto refused = tx.insert(t, Row().u32(0).u32(7));
  EXPECT_EQ(refused.status().message(),
            "Unique constraint violation 'auto_k_idx_btree' in table 'auto': column(s): '[\"k\"]' "
            "value: 7");
  const auto third = tx.insert(t, Row().u32(0).u32(8));
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(as_text(third->generated), Row().u32(3).str()) << "the refused insert burned 2";
  tx.commit();
  EXPECT_EQ(count(t), 2u);
}

TEST_F(TransactionTest, PrintsEveryColumnOfAViolatedKey) {
  const TableId t = create(
      Define("p").column("a", number_type(TypeKind::kI64)).column("b", kText).unique({0, 1}));
  Transaction tx = begin();
  EXPECT_TRUE(tx.insert(t, Row().i64(-5).text("q\"x")).ok());
  EXPECT_TRUE(tx.insert(t, Row().i64(-5).text("q\"x")).ok()) << "the same row";
  const TableId u = *tx.create_table(Define("q")
                                         .column("a", number_type(TypeKind::kI64))
                                         .column("b", kText)
                                         .column("c", kU32)
                                         .unique({0, 1}));
  EXPECT_TRUE(tx.insert(u, Row().i64(-5).text("q\"x").u32(1)).ok());
  EXPECT_EQ(tx.insert(u, Row().i64(-5).text("q\"x").u32(2)).status().message(),
            "Unique constraint violation 'q_a_b_idx_btree' in table 'q': column(s): '[\"a\", "
            "\"b\"]' value: (a = -5, b = \"q\\\"x\")");
}

TEST_F(TransactionTest, RefusesTheFirstUpdateOfASwap) {
  const TableId t =
      create(Define("s").column("id", kU32).column("k", kU32).primary_key(0).unique({1}));
  insert_all(t, {Row().u32(1).u32(10), Row().u32(2).u32(20)});
  Transaction tx = begin();
  EXPECT_EQ(tx.update(t, index_id(t), Row().u32(1).u32(20)).error(), DataError::kUnique);
  // The violation wins over the missing row if it is with a committed one.
  EXPECT_EQ(tx.update(t, index_id(t), Row().u32(9).u32(20)).error(), DataError::kUnique);
  EXPECT_TRUE(tx.insert(t, Row().u32(3).u32(30)).ok());
  EXPECT_EQ(tx.update(t, index_id(t), Row().u32(9).u32(30)).error(), DataError::kNoSuchRow);
}

TEST_F(TransactionTest, NamesTheErrorOfEachRefusal) {
  const TableId plain = create(Define("np").column("a", kU32).index({0}));
  Transaction tx = begin();
  const TableIndexId index = index_id(keyed);
  EXPECT_EQ(tx.insert(TableId(9999), row(1, "a")).error(), DataError::kNoSuchTable);
  EXPECT_EQ(tx.update(keyed, TableIndexId(9999), row(1, "a")).error(), DataError::kNoSuchIndex);
  EXPECT_EQ(tx.update(keyed, index_id(plain), row(1, "a")).error(), DataError::kNoSuchIndex);
  EXPECT_EQ(tx.update(plain, index_id(plain), Row().u32(1)).error(), DataError::kNotUnique);
  EXPECT_EQ(tx.update(keyed, index, row(1, "a")).error(), DataError::kNoSuchRow);
  EXPECT_EQ(tx.insert(keyed, Row().u64(1)).error(), DataError::kDecode);
  EXPECT_EQ(tx.insert(keyed, Row().u64(1).u32(2).u8(0xc3).u8(0x28)).error(), DataError::kDecode);
  EXPECT_EQ(tx.delete_point(TableIndexId(9999), Row().u64(1)).error(), DataError::kNoSuchIndex);
  EXPECT_EQ(tx.delete_point(index, Row().u32(1)).error(), DataError::kDecode);
  EXPECT_EQ(tx.delete_by_eq(TableId(9999), relation({})).error(), DataError::kNoSuchTable);
  EXPECT_EQ(tx.clear(TableId(9999)).error(), DataError::kNoSuchTable);
  EXPECT_EQ(tx.delete_row(keyed, RowRef{3, 3}).error(), DataError::kNoSuchRow);
}

TEST_F(TransactionTest, NamesTheWholeKeyOfAMissingRow) {
  const TableId pair = create(Define("pair")
                                  .column("a", kU32)
                                  .column("b", AlgebraicType::string())
                                  .column("c", kU32)
                                  .unique({1, 0}));
  Transaction tx = begin();
  EXPECT_EQ(tx.update(keyed, index_id(keyed), row(7, "a")).status().message(),
            fmt::format("Key 7 was not found in index {}", index_id(keyed).value));
  EXPECT_EQ(tx.update(pair, index_id(pair), Row().u32(7).text("x").u32(1)).status().message(),
            fmt::format("Key (b = \"x\", a = 7) was not found in index {}", index_id(pair).value));
}

TEST_F(TransactionTest, IgnoresTrailingBytesOnlyOfVariableRows) {
  Transaction tx = begin();
  EXPECT_TRUE(tx.insert(keyed, Row().u64(1).text("a").u8(9)).ok());
  EXPECT_EQ(table(keyed).row_bytes(), row(1, "a").bytes().size());
  const auto refused = tx.insert(bag, Row().u32(1).u8(9));
  EXPECT_EQ(refused.error(), DataError::kDecode);
  EXPECT_EQ(refused.status().message(), "unexpected data length: Expected 4, given 5");
}

TEST_F(TransactionTest, DeletesByValue) {
  insert_all(bag, {Row().u32(1), Row().u32(2), Row().u32(3)});
  Transaction tx = begin();
  EXPECT_EQ(*tx.delete_by_eq(bag, relation({Row().u32(1), Row().u32(1), Row().u32(9)})), 1u);
  ByteBuffer malformed = relation({Row().u32(2), Row().u32(3)});
  malformed.pop_back();
  EXPECT_EQ(tx.delete_by_eq(bag, malformed).error(), DataError::kDecode);
  EXPECT_EQ(count(bag), 2u);
}

TEST_F(TransactionTest, LetsAnOpenIteratorYieldTheStateAtOpen) {
  insert_all(bag, {Row().u32(1), Row().u32(2)});
  Transaction tx = begin();
  RowChunks chunks;
  chunks.collect(tx.view().find_table(bag)->scan());
  EXPECT_EQ(*tx.clear(bag), 2u);
  EXPECT_EQ(chunks.row_count(), 2u);
  EXPECT_EQ(as_text(chunks.chunk(0)), Row().u32(1).u32(2).str());
}

TEST_F(TransactionTest, ClosesAChunkAtTheFirstBoundaryPastTheLimit) {
  RowChunks chunks;
  const std::string big(20000, 'x');
  for (int i = 0; i < 3; ++i) chunks.add(as_bytes(big));
  ASSERT_EQ(chunks.chunk_count(), 2u);
  EXPECT_EQ(chunks.chunk(0).size(), 40000u);
  EXPECT_EQ(chunks.chunk(1).size(), 20000u);
}

TEST_F(TransactionTest, EmptiesEventTablesAtCommit) {
  const TableId t = create(Define("ev").column("id", kU32).primary_key(0).event());
  for (int i = 0; i < 2; ++i) {  // The same key in the next transaction.
    Transaction tx = begin();
    EXPECT_TRUE(tx.insert(t, Row().u32(1)).ok());
    EXPECT_TRUE(tx.insert(t, Row().u32(2)).ok());
    EXPECT_TRUE(tx.insert(t, Row().u32(1)).ok());
    EXPECT_EQ(count(t), 2u);
    EXPECT_EQ(*tx.delete_point(index_id(t), Row().u32(2)), 1u);
    const Digest128 digest = db->digest();
    const TxDataPtr data = tx.commit().tx_data;
    ASSERT_NE(data, nullptr);
    EXPECT_TRUE(data->consumed_offset);
    EXPECT_EQ(texts(data->tables[0].inserts), std::vector<std::string>{Row().u32(1).str()});
    EXPECT_TRUE(data->tables[0].deletes.empty());
    EXPECT_EQ(count(t), 0u);
    EXPECT_EQ(db->digest(), digest);
    check();
  }
}

TEST_F(TransactionTest, ConsumesAnOffsetOnlyForChangesAndMarkers) {
  const TxOffset next = db->next_offset();
  const CommitResult nothing = begin("a").commit();
  EXPECT_EQ(nothing.tx_data, nullptr);
  EXPECT_EQ(nothing.offset.value, next.value - 1);
  EXPECT_EQ(db->next_offset(), next);
  const CommitResult marker = begin(kIdentityConnected).commit();
  ASSERT_NE(marker.tx_data, nullptr);
  EXPECT_EQ(marker.offset, next);
  EXPECT_TRUE(marker.tx_data->tables.empty());
  EXPECT_EQ(marker.tx_data->reducer, kIdentityConnected);
}

TEST_F(TransactionTest, KeepsTheOriginInTheChangeSet) {
  TxInfo info;
  info.timestamp = Timestamp{42};
  info.caller.le[0] = 1;
  info.reducer = "send_message";
  const ByteBuffer args = {1, 2, 3};
  info.args = args;
  Transaction tx = db->begin(info);
  EXPECT_TRUE(tx.insert(bag, Row().u32(1)).ok());
  const TxDataPtr data = tx.commit().tx_data;
  EXPECT_EQ(data->timestamp, info.timestamp);
  EXPECT_EQ(data->caller, info.caller);
  EXPECT_EQ(data->reducer, info.reducer);
  EXPECT_TRUE(equal(data->args, args));
}

TEST_F(TransactionTest, HoldsRowsWithoutColumns) {
  const TableId unit = create(Define("unit"));
  Transaction tx = begin();
  EXPECT_TRUE(tx.insert(unit, Row()).ok());
  EXPECT_TRUE(tx.insert(unit, Row()).ok());
  EXPECT_EQ(count(unit), 1u);
  EXPECT_EQ(*tx.delete_by_eq(unit, Row().u32(0xffffffff)), 1u);
  tx.rollback();
  check();
}

TEST_F(TransactionTest, RefusesToGrowBeyondItsLimit) {
  const std::string big(30 << 20, 'x');
  insert_all(keyed, {row(1, "a")});
  Transaction tx = begin();
  DataError error = DataError::kNone;
  for (int i = 0; i < 40 && error == DataError::kNone; ++i)
    error = tx.update(keyed, index_id(keyed), row(1, big + std::to_string(i))).error();
  EXPECT_EQ(error, DataError::kTooLarge);
  EXPECT_EQ(tx.insert(keyed, row(2, std::string(33 << 20, 'x'))).error(), DataError::kTooLarge);
  tx.rollback();
  EXPECT_EQ(table(keyed).row_bytes(), row(1, "a").bytes().size());
  check();
}

TEST_F(TransactionTest, RefusesAChangeSetThatDoesNotFit) {
  const TxDataPtr data = insert_all(keyed, {row(1, "a")});
  auto other = DatabaseState::bootstrap({GroupId(7)});
  EXPECT_EQ(other->apply(*as_decoded(*data, Deletes::kKept)).code(), StatusCode::kCorruption);
  EXPECT_EQ(db->apply(*as_decoded(*data, Deletes::kKept)).code(), StatusCode::kCorruption)
      << "twice";
}

// --- Sequences [S 05/1.10] ---

class SequenceTest : public StorageTest {
 protected:
  // Inserts a zero and returns what the sequence made of it.
  static std::string next(Transaction& tx, TableId t, const Row& zero) {
    const DataResult<InsertOutcome> outcome = tx.insert(t, zero);
    EXPECT_TRUE(outcome.ok()) << outcome.status().message();
    return outcome.ok() ? std::string(as_text(outcome->generated)) : "";
  }
};

TEST_F(SequenceTest, TruncatesToTheColumn) {
  const TableId t =
      create(Define("s").column("id", number_type(TypeKind::kU8)).column("n", kU32).auto_inc(0));
  Transaction tx = begin();
  for (uint32_t i = 1; i <= 300; ++i)
    ASSERT_EQ(next(tx, t, Row().u8(0).u32(i)), Row().u8(static_cast<uint8_t>(i)).str());
  EXPECT_EQ(count(t), 300u);
}

TEST_F(SequenceTest, RunsIntoExplicitValues) {
  const TableId t =
      create(Define("s").column("id", kU32).column("n", kU32).primary_key(0).auto_inc(0));
  Transaction tx = begin();
  ASSERT_TRUE(tx.insert(t, Row().u32(5).u32(1)).ok());
  for (uint32_t i = 1; i <= 4; ++i) ASSERT_EQ(next(tx, t, Row().u32(0).u32(0)), Row().u32(i).str());
  EXPECT_EQ(tx.insert(t, Row().u32(0).u32(0)).error(), DataError::kUnique);
  EXPECT_EQ(next(tx, t, Row().u32(0).u32(0)), Row().u32(6).str());
}

TEST_F(SequenceTest, ReservesBatchesInTheCatalog) {
  const TableId t = create(Define("s").column("id", kU32).primary_key(0).auto_inc(0));
  const auto allocated = [&] {
    Placed rows = placed_rows(table(kStSequence));
    for (const auto& [ref, row] : rows)
      if (row.find("s_id_seq") != std::string::npos)
        return load_le<uint64_t>(as_bytes(row).data() + row.size() - 16);
    return uint64_t{0};
  };
  EXPECT_EQ(allocated(), 1u);
  Transaction tx = begin();
  next(tx, t, Row().u32(0));
  EXPECT_EQ(allocated(), 4097u);
  for (uint32_t i = 2; i <= 4097; ++i) ASSERT_EQ(next(tx, t, Row().u32(0)), Row().u32(i).str());
  EXPECT_EQ(allocated(), 8193u);
  const TxDataPtr data = tx.commit().tx_data;
  const TableDelta* delta = data->find_table(kStSequence);
  ASSERT_NE(delta, nullptr);
  EXPECT_EQ(delta->inserts.size(), 1u);
  EXPECT_EQ(delta->deletes.size(), 1u);
}

TEST_F(SequenceTest, RestoresThePositionOnRollbackSoThatNoValueIsGivenTwice) {
  const TableId t = create(Define("s").column("id", kU32).primary_key(0).auto_inc(0));
  {
    Transaction tx = begin();
    for (uint32_t i = 1; i <= 3; ++i) next(tx, t, Row().u32(0));
  }
  Transaction tx = begin();
  EXPECT_EQ(next(tx, t, Row().u32(0)), Row().u32(1).str());
  const TxDataPtr data = tx.commit().tx_data;
  EXPECT_NE(data->find_table(kStSequence), nullptr) << "the reservation is persisted again";
  // Another replica takes over: it starts at the persisted reservation.
  auto replica = DatabaseState::bootstrap({GroupId(7)});
  Transaction creation = replica->begin(TxInfo{});
  const DataResult<TableId> id =
      creation.create_table(Define("s").column("id", kU32).primary_key(0).auto_inc(0));
  ASSERT_TRUE(id.ok());
  creation.commit();
  ASSERT_TRUE(replica->apply(*as_decoded(*data, Deletes::kKept)).ok());
  EXPECT_EQ(replica->digest(), db->digest());
  Transaction after = replica->begin(TxInfo{});
  EXPECT_EQ(next(after, t, Row().u32(0)), Row().u32(4097).str());
}

TEST_F(SequenceTest, GivesNoValueOfAnUndoneReservationTwiceToCommittedRows) {
  const TableId t = create(Define("s").column("id", kU32).primary_key(0).auto_inc(0));
  Transaction tx = begin();
  next(tx, t, Row().u32(0));
  const TxDataPtr data = tx.commit().tx_data;
  ASSERT_TRUE(db->undo(*data).ok());
  Transaction again = begin();
  EXPECT_EQ(next(again, t, Row().u32(0)), Row().u32(1).str());
  EXPECT_NE(again.commit().tx_data->find_table(kStSequence), nullptr);
}

struct WrapCase {
  const char* name;
  Int128 increment, min, max, start;
  std::vector<int32_t> values;
};
TEST_F(SequenceTest, WrapsAtBothEnds) {
  const WrapCase cases[] = {
      {"Up", 1, 1, 3, 2, {2, 3, 1, 2, 3, 1}},
      {"UpByTwo", 2, 1, 4, 1, {1, 3, 1, 3, 1}},
      {"Down", -1, -2, 1, 1, {1, -1, -2, 1, -1}},  // 0 is stored as it is and does not come back.
      {"DownByThree", -3, -5, 5, 5, {5, 2, -1, -4, 4, 1, -2}},
  };
  for (const WrapCase& c : cases) {
    TableDefinition definition =
        Define(c.name).column("id", number_type(TypeKind::kI32)).column("n", kU32).auto_inc(0);
    definition.sequences[0] = {
        c.name + std::string("_seq"), ColumnId(0), c.increment, c.start, c.min, c.max};
    const TableId t = create(definition);
    Transaction tx = begin();
    std::vector<int32_t> values;
    for (uint32_t i = 0; values.size() < c.values.size(); ++i) {
      const std::string value = next(tx, t, Row().i32(0).u32(i));
      if (const auto number = load_le<int32_t>(as_bytes(value).data()); number != 0)
        values.push_back(number);
    }
    EXPECT_EQ(values, c.values) << c.name;
  }
}

TEST_F(SequenceTest, GeneratesBeforeLookingForTheRowToUpdate) {
  const TableId t = create(Define("s").column("id", kU32).primary_key(0).auto_inc(0));
  insert_all(t, {Row().u32(7)});
  Transaction tx = begin();
  EXPECT_EQ(tx.update(t, index_id(t), Row().u32(0)).error(), DataError::kNoSuchRow);
  EXPECT_EQ(next(tx, t, Row().u32(0)), Row().u32(2).str()) << "the update burned 1";
}

TEST_F(SequenceTest, ExtendsTheSignOfNarrowNegativesToWideColumns) {
  TableDefinition definition = Define("w").column("id", number_type(TypeKind::kI256)).auto_inc(0);
  definition.sequences[0] = {"w_seq", ColumnId(0), -1, -1, -100, 100};
  const TableId t = create(definition);
  Transaction tx = begin();
  EXPECT_EQ(next(tx, t, Row().u64(0).u64(0).u64(0).u64(0)), std::string(32, '\xff'));
}

}  // namespace
}  // namespace worldline::storage
