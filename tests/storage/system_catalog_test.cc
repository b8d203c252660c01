// tests/storage/system_catalog_test.cc: every row that describes the system tables, as the
// specification lists them [S 05/2.1-2.4, 9 no. 21].
#include "storage/system_catalog.h"

#include "storage/catalog_rows.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

struct ColumnRow {
  const char* name;
  const char* type;  // As print() shows it.
};
struct TableRow {
  uint32_t id;
  const char* name;
  std::optional<uint16_t> primary_key;
  std::vector<ColumnRow> columns;
};

constexpr const char* kBytes = "Array<U8>";
constexpr const char* kOptionalColumns = "(some: Array<U16> | none: ())";
constexpr const char* kIndexAlgo =
    "(Unused: U128 | BTree: (columns: Array<U16>) | Direct: (column: U16) | Hash: (columns: "
    "Array<U16>))";
constexpr const char* kConstraintData = "(Unused: U128 | Unique: (columns: Array<U16>))";
constexpr const char* kVarValue =
    "(Bool: Bool | I8: I8 | U8: U8 | I16: I16 | U16: U16 | I32: I32 | U32: U32 | I64: I64 | U64: "
    "U64 | I128: I128 | U128: U128 | F32: F32 | F64: F64 | String: String)";

const TableRow kTables[] = {
    {1,
     "st_table",
     0,
     {{"table_id", "U32"},
      {"table_name", "String"},
      {"table_type", "String"},
      {"table_access", "String"},
      {"table_primary_key", kOptionalColumns}}},
    {2,
     "st_column",
     {},
     {{"table_id", "U32"}, {"col_pos", "U16"}, {"col_name", "String"}, {"col_type", kBytes}}},
    {3,
     "st_sequence",
     0,
     {{"sequence_id", "U32"},
      {"sequence_name", "String"},
      {"table_id", "U32"},
      {"col_pos", "U16"},
      {"increment", "I128"},
      {"start", "I128"},
      {"min_value", "I128"},
      {"max_value", "I128"},
      {"allocated", "I128"}}},
    {4,
     "st_index",
     0,
     {{"index_id", "U32"},
      {"table_id", "U32"},
      {"index_name", "String"},
      {"index_algorithm", kIndexAlgo}}},
    {5,
     "st_constraint",
     0,
     {{"constraint_id", "U32"},
      {"constraint_name", "String"},
      {"table_id", "U32"},
      {"constraint_data", kConstraintData}}},
    {6,
     "st_module",
     {},
     {{"database_identity", "U256"},
      {"owner_identity", "U256"},
      {"program_kind", "U8"},
      {"program_hash", "U256"},
      {"program_bytes", kBytes},
      {"module_version", "String"}}},
    {7, "st_client", {}, {{"identity", "U256"}, {"connection_id", "U128"}}},
    {8, "st_var", 0, {{"name", "String"}, {"value", kVarValue}}},
    {9,
     "st_scheduled",
     0,
     {{"schedule_id", "U32"},
      {"table_id", "U32"},
      {"reducer_name", "String"},
      {"schedule_name", "String"},
      {"at_column", "U16"}}},
    {10, "st_row_level_security", 1, {{"table_id", "U32"}, {"sql", "String"}}},
    {11, "st_connection_credentials", 0, {{"connection_id", "U128"}, {"jwt_payload", "String"}}},
    {12,
     "st_view",
     0,
     {{"view_id", "U32"},
      {"view_name", "String"},
      {"table_id", "(some: U32 | none: ())"},
      {"is_public", "Bool"},
      {"is_anonymous", "Bool"}}},
    {13,
     "st_view_param",
     {},
     {{"view_id", "U32"}, {"param_pos", "U16"}, {"param_name", "String"}, {"param_type", kBytes}}},
    {14,
     "st_view_column",
     {},
     {{"view_id", "U32"}, {"col_pos", "U16"}, {"col_name", "String"}, {"col_type", kBytes}}},
    {15,
     "st_view_sub",
     {},
     {{"view_id", "U32"},
      {"arg_id", "U64"},
      {"identity", "U256"},
      {"num_subscribers", "U64"},
      {"has_subscribers", "Bool"},
      {"last_called", "I64"}}},
    {16, "st_view_arg", 0, {{"id", "U64"}, {"bytes", kBytes}}},
    {17, "st_event_table", 0, {{"table_id", "U32"}}},
    {18, "st_table_accessor", {}, {{"table_name", "String"}, {"accessor_name", "String"}}},
    {19, "st_index_accessor", {}, {{"index_name", "String"}, {"accessor_name", "String"}}},
    {20,
     "st_column_accessor",
     {},
     {{"table_name", "String"}, {"col_name", "String"}, {"accessor_name", "String"}}},
};

struct ColumnSetRow {  // An index or a unique constraint.
  uint32_t id;
  uint32_t table;
  std::vector<uint16_t> columns;
};
const ColumnSetRow kIndexRows[] = {
    {1, 1, {0}},      {2, 1, {1}},      {3, 2, {0, 1}},   {4, 3, {0}},      {5, 4, {0}},
    {6, 5, {0}},      {7, 7, {0, 1}},   {8, 8, {0}},      {9, 9, {0}},      {10, 9, {1}},
    {11, 10, {0}},    {12, 10, {1}},    {13, 11, {0}},    {14, 12, {0}},    {15, 12, {1}},
    {16, 13, {0, 1}}, {17, 14, {0, 1}}, {18, 15, {2}},    {19, 15, {4}},    {20, 15, {0, 1, 2}},
    {21, 16, {0}},    {22, 16, {1}},    {23, 17, {0}},    {24, 18, {0}},    {25, 18, {1}},
    {26, 19, {0}},    {27, 19, {1}},    {28, 20, {0, 1}}, {29, 20, {0, 2}},
};
const ColumnSetRow kConstraintRows[] = {
    {1, 1, {0}},      {2, 1, {1}},    {3, 2, {0, 1}}, {4, 3, {0}},      {5, 4, {0}},
    {6, 5, {0}},      {7, 7, {0, 1}}, {8, 8, {0}},    {9, 9, {0}},      {10, 9, {1}},
    {11, 10, {1}},    {12, 11, {0}},  {13, 12, {0}},  {14, 12, {1}},    {15, 13, {0, 1}},
    {16, 14, {0, 1}}, {17, 16, {0}},  {18, 16, {1}},  {19, 17, {0}},    {20, 18, {0}},
    {21, 18, {1}},    {22, 19, {0}},  {23, 19, {1}},  {24, 20, {0, 1}}, {25, 20, {0, 2}},
};

struct SequenceRow {
  uint32_t id;
  uint32_t table;
  const char* name;
};
constexpr SequenceRow kSequenceRows[] = {
    {1, 1, "st_table_table_id_seq"},
    {2, 4, "st_index_index_id_seq"},
    {3, 5, "st_constraint_constraint_id_seq"},
    {4, 9, "st_scheduled_schedule_id_seq"},
    {5, 3, "st_sequence_sequence_id_seq"},
    {6, 12, "st_view_view_id_seq"},
    {7, 16, "st_view_arg_id_seq"},
};

constexpr uint32_t kPrivateTable = 11;  // st_connection_credentials, the only one.

class SystemCatalogTest : public StorageTest {
 protected:
  // Every row of a catalog table, decoded, by `key`.
  template <typename Decode, typename Key>
  auto rows_of(TableId table, Decode&& decode, Key&& key) {
    using RowType = std::decay_t<decltype(*decode(Bytes{}))>;
    std::map<decltype(key(std::declval<const RowType&>())), RowType> rows;
    RowCursor cursor = db->view().find_table(table)->scan();
    while (cursor.next()) {
      auto row = decode(cursor.row());
      EXPECT_TRUE(row.ok()) << row.status().message();
      if (row.ok()) {
        EXPECT_TRUE(rows.emplace(key(*row), *row).second);
      }
    }
    return rows;
  }
  static std::string name_of(const ColumnSetRow& row, const char* suffix) {
    const TableRow& table = kTables[row.table - 1];
    std::string name = table.name;
    for (const uint16_t column : row.columns) name += std::string("_") + table.columns[column].name;
    return name + suffix;
  }
  static std::vector<ColumnId> ids_of(const std::vector<uint16_t>& columns) {
    return {columns.begin(), columns.end()};
  }
};

TEST_F(SystemCatalogTest, HasTheTwentyRowsOfStTable) {
  const auto rows =
      rows_of(kStTable, decode_st_table, [](const StTableRow& row) { return row.id.value; });
  ASSERT_EQ(rows.size(), std::size(kTables));
  for (const TableRow& c : kTables) {
    SCOPED_TRACE(c.name);
    const StTableRow& row = rows.at(c.id);
    EXPECT_EQ(row.name, c.name);
    EXPECT_TRUE(row.is_system);
    EXPECT_EQ(row.is_public, c.id != kPrivateTable);
    EXPECT_EQ(row.primary_key.has_value(), c.primary_key.has_value());
    if (row.primary_key && c.primary_key) {
      EXPECT_EQ(row.primary_key->value, *c.primary_key);
    }
  }
}

TEST_F(SystemCatalogTest, HasTheSeventyFourRowsOfStColumn) {
  const auto rows = rows_of(kStColumn, decode_st_column, [](const StColumnRow& row) {
    return std::pair(row.table.value, row.position.value);
  });
  size_t count = 0;
  for (const TableRow& c : kTables) {
    for (uint16_t i = 0; i < c.columns.size(); ++i, ++count) {
      SCOPED_TRACE(std::string(c.name) + "." + c.columns[i].name);
      const auto row = rows.find({c.id, i});
      ASSERT_NE(row, rows.end());
      EXPECT_EQ(row->second.name, c.columns[i].name);
      EXPECT_EQ(schema::print(row->second.type), c.columns[i].type);
    }
  }
  EXPECT_EQ(count, 74u);
  EXPECT_EQ(rows.size(), count);
}

TEST_F(SystemCatalogTest, HasTheTwentyNineRowsOfStIndex) {
  const auto rows =
      rows_of(kStIndex, decode_st_index, [](const StIndexRow& row) { return row.id.value; });
  ASSERT_EQ(rows.size(), 29u);
  ASSERT_EQ(std::size(kIndexRows), 29u);
  for (const ColumnSetRow& c : kIndexRows) {
    SCOPED_TRACE(c.id);
    const StIndexRow& row = rows.at(c.id);
    EXPECT_EQ(row.table, TableId(c.table));
    EXPECT_EQ(row.name, name_of(c, "_idx_btree"));
    EXPECT_EQ(row.algorithm, IndexAlgorithm::kBTree);
    EXPECT_EQ(row.columns, ids_of(c.columns));
  }
}

TEST_F(SystemCatalogTest, HasTheTwentyFiveRowsOfStConstraint) {
  const auto rows = rows_of(kStConstraint, decode_st_constraint,
                            [](const StConstraintRow& row) { return row.id.value; });
  ASSERT_EQ(rows.size(), 25u);
  ASSERT_EQ(std::size(kConstraintRows), 25u);
  for (const ColumnSetRow& c : kConstraintRows) {
    SCOPED_TRACE(c.id);
    const StConstraintRow& row = rows.at(c.id);
    EXPECT_EQ(row.table, TableId(c.table));
    EXPECT_EQ(row.name, name_of(c, "_key"));
    EXPECT_EQ(row.columns, ids_of(c.columns));
  }
}

TEST_F(SystemCatalogTest, HasTheSevenRowsOfStSequence) {
  const auto rows = rows_of(kStSequence, decode_st_sequence,
                            [](const StSequenceRow& row) { return row.schema.id.value; });
  ASSERT_EQ(rows.size(), std::size(kSequenceRows));
  const Int128 max = static_cast<Int128>(~UInt128{0} >> 1);  // 2^127-1.
  for (const SequenceRow& c : kSequenceRows) {
    SCOPED_TRACE(c.name);
    const StSequenceRow& row = rows.at(c.id);
    EXPECT_EQ(row.table, TableId(c.table));
    EXPECT_EQ(row.schema.name, c.name);
    EXPECT_EQ(row.schema.column, ColumnId(0));
    EXPECT_TRUE(row.schema.increment == 1);
    EXPECT_TRUE(row.schema.start == 4097);
    EXPECT_TRUE(row.schema.min_value == 1);
    EXPECT_TRUE(row.schema.max_value == max);
    EXPECT_TRUE(row.allocated == 4096);
  }
}

TEST_F(SystemCatalogTest, HasNoOtherRowsAndMakesUniqueWhatTheConstraintsSay) {
  const std::map<uint32_t, uint64_t> counts = {{1, 20}, {2, 74}, {3, 7}, {4, 29}, {5, 25}};
  for (const TableRow& c : kTables) {
    SCOPED_TRACE(c.name);
    const auto expected = counts.find(c.id);
    EXPECT_EQ(count(TableId(c.id)), expected == counts.end() ? 0 : expected->second);
    EXPECT_EQ(table(TableId(c.id)).schema().is_ephemeral, c.id == 15 || c.id == 16);
  }
  for (const ColumnSetRow& c : kIndexRows) {
    const bool is_unique =
        std::any_of(std::begin(kConstraintRows), std::end(kConstraintRows),
                    [&c](const ColumnSetRow& constraint) {
                      return constraint.table == c.table && constraint.columns == c.columns;
                    });
    EXPECT_EQ(db->view().find_index(TableIndexId(c.id))->schema().is_unique, is_unique) << c.id;
  }
  check();
}

}  // namespace
}  // namespace worldline::storage
