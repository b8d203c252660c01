// tests/storage/bootstrap_test.cc: the system tables of a fresh database [S 05/2].
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

class BootstrapTest : public StorageTest {};

struct SystemTableCase {
  uint32_t id;
  const char* name;
  size_t columns, indexes, constraints, sequences;
  uint64_t rows;
};
constexpr SystemTableCase kSystemTables[] = {
    {1, "st_table", 5, 2, 2, 1, 20},
    {2, "st_column", 4, 1, 1, 0, 74},
    {3, "st_sequence", 9, 1, 1, 1, 7},
    {4, "st_index", 4, 1, 1, 1, 29},
    {5, "st_constraint", 4, 1, 1, 1, 25},
    {6, "st_module", 6, 0, 0, 0, 0},
    {7, "st_client", 2, 1, 1, 0, 0},
    {8, "st_var", 2, 1, 1, 0, 0},
    {9, "st_scheduled", 5, 2, 2, 1, 0},
    {10, "st_row_level_security", 2, 2, 1, 0, 0},
    {11, "st_connection_credentials", 2, 1, 1, 0, 0},
    {12, "st_view", 5, 2, 2, 1, 0},
    {13, "st_view_param", 4, 1, 1, 0, 0},
    {14, "st_view_column", 4, 1, 1, 0, 0},
    {15, "st_view_sub", 6, 3, 0, 0, 0},
    {16, "st_view_arg", 2, 2, 2, 1, 0},
    {17, "st_event_table", 1, 1, 1, 0, 0},
    {18, "st_table_accessor", 2, 2, 2, 0, 0},
    {19, "st_index_accessor", 2, 2, 2, 0, 0},
    {20, "st_column_accessor", 3, 2, 2, 0, 0},
};

TEST_F(BootstrapTest, HasExactlyTheSystemTables) {
  ASSERT_EQ(db->view().table_ids().size(), std::size(kSystemTables));
  for (const SystemTableCase& c : kSystemTables) {
    SCOPED_TRACE(c.name);
    const TableView* view = db->view().find_table(c.name);
    ASSERT_NE(view, nullptr);
    EXPECT_EQ(view->schema().id, TableId(c.id));
    EXPECT_EQ(view->schema().columns.size(), c.columns);
    EXPECT_EQ(view->schema().indexes.size(), c.indexes);
    EXPECT_EQ(view->schema().constraints.size(), c.constraints);
    EXPECT_EQ(view->schema().sequences.size(), c.sequences);
    EXPECT_EQ(view->schema().is_public, c.id != 11);
    EXPECT_EQ(view->row_count(), c.rows);
  }
  check();
}

struct IndexCase {
  uint32_t id;
  const char* name;
  bool is_unique;
};
constexpr IndexCase kIndexes[] = {
    {1, "st_table_table_id_idx_btree", true},
    {3, "st_column_table_id_col_pos_idx_btree", true},
    {10, "st_scheduled_table_id_idx_btree", true},
    {11, "st_row_level_security_table_id_idx_btree", false},
    {12, "st_row_level_security_sql_idx_btree", true},
    {20, "st_view_sub_view_id_arg_id_identity_idx_btree", false},
    {23, "st_event_table_table_id_idx_btree", true},
    {29, "st_column_accessor_table_name_accessor_name_idx_btree", true},
};
TEST_F(BootstrapTest, NamesAndNumbersIndexesAsDocumented) {
  for (const IndexCase& c : kIndexes) {
    const IndexView* view = db->view().find_index(TableIndexId(c.id));
    ASSERT_NE(view, nullptr) << c.name;
    EXPECT_EQ(view->schema().name, c.name);
    EXPECT_EQ(view->schema().is_unique, c.is_unique) << c.name;
    EXPECT_EQ(db->view().find_index(c.name), view);
  }
}

TEST_F(BootstrapTest, NumbersConstraintsAndSequencesAsDocumented) {
  const TableSchema& event = table(kStEventTable).schema();
  EXPECT_EQ(event.constraints[0].id, ConstraintId(19));
  EXPECT_EQ(event.constraints[0].name, "st_event_table_table_id_key");
  EXPECT_EQ(table(kStRowLevelSecurity).schema().constraints[0].id, ConstraintId(11));
  EXPECT_EQ(table(kStColumnAccessor).schema().constraints[1].id, ConstraintId(25));
  EXPECT_EQ(table(kStTable).schema().sequences[0].name, "st_table_table_id_seq");
  EXPECT_EQ(table(kStIndex).schema().sequences[0].id, SequenceId(2));
  EXPECT_EQ(table(kStSequence).schema().sequences[0].id, SequenceId(5));
  EXPECT_EQ(table(kStViewArg).schema().sequences[0].id, SequenceId(7));
}

TEST_F(BootstrapTest, GivesTheFirstUserObjectsTheId4096) {
  const TableId id = create(Define("t").column("id", number_type(TypeKind::kU64)).primary_key(0));
  EXPECT_EQ(id, TableId(4096));
  EXPECT_EQ(index_id(id), TableIndexId(4096));
  EXPECT_EQ(table(id).schema().constraints[0].id, ConstraintId(4096));
  EXPECT_EQ(create(Define("u").column("id", number_type(TypeKind::kU64))), TableId(4097));
  check();
}

TEST_F(BootstrapTest, IsNotATransaction) {
  EXPECT_EQ(db->next_offset(), TxOffset(0));
  EXPECT_EQ(db->view().offset(), TxOffset(0));
}

TEST_F(BootstrapTest, WritesTheCatalogRowsOfATableInTheDocumentedTables) {
  TableDefinition definition = Define("message")
                                   .column("id", number_type(TypeKind::kU64))
                                   .column("at", AlgebraicType::schedule_at())
                                   .primary_key(0)
                                   .auto_inc(0)
                                   .event();
  definition.accessor = "Message";
  definition.columns[1].accessor = "atTime";
  definition.indexes[0].accessor = "byId";
  definition.schedule = ScheduleDefinition{"message_sched", "send", ColumnId(1)};
  Transaction tx = begin();
  const DataResult<TableId> id = tx.create_table(definition);
  ASSERT_TRUE(id.ok()) << id.status().message();
  const TxDataPtr data = tx.commit().tx_data;
  std::map<uint32_t, std::pair<size_t, size_t>> rows;  // Inserts and deletes by table.
  for (const TableDelta& delta : data->tables)
    rows[delta.table.value] = {delta.inserts.size(), delta.deletes.size()};
  const std::map<uint32_t, std::pair<size_t, size_t>> expected = {
      {1, {1, 0}}, {2, {2, 0}},  {3, {6, 5}},  {4, {1, 0}},  {5, {1, 0}},
      {9, {1, 0}}, {17, {1, 0}}, {18, {1, 0}}, {19, {1, 0}}, {20, {1, 0}}};
  EXPECT_EQ(rows, expected);
  EXPECT_EQ(data->offset, TxOffset(0));
  const TableView* by_alias = db->view().find_table("Message");
  ASSERT_NE(by_alias, nullptr);
  EXPECT_EQ(by_alias->schema().name, "message");
  EXPECT_EQ(by_alias->schema().find_column("atTime"), ColumnId(1));
  EXPECT_EQ(by_alias->schema().schedule->function, "send");
  EXPECT_EQ(db->view().find_index("byId"), db->view().find_index("message_id_idx_btree"));
  check();
}

TEST_F(BootstrapTest, DropsATableWithItsCatalogRows) {
  const Contents before = contents(db->view());
  TableDefinition definition =
      Define("t").column("id", number_type(TypeKind::kU32)).primary_key(0).auto_inc(0);
  definition.accessor = "T";
  const TableId id = create(definition);
  insert_all(id, {Row().u32(1), Row().u32(2)});
  Transaction tx = begin();
  ASSERT_TRUE(tx.drop_table(id).ok());
  EXPECT_EQ(db->view().find_table("T"), nullptr);
  const TxDataPtr data = tx.commit().tx_data;
  const TableDelta* delta = data->find_table(id);
  ASSERT_NE(delta, nullptr);
  EXPECT_EQ(delta->deletes.size(), 2u);
  EXPECT_TRUE(delta->truncated);
  Contents after = contents(db->view());
  after[kStSequence.value] = before.at(kStSequence.value);  // Reservations stay.
  EXPECT_EQ(after, before);
  check();
}

TEST_F(BootstrapTest, RestoresTheCatalogOnRollback) {
  const TableId kept = create(Define("kept").column("id", number_type(TypeKind::kU32)));
  const Contents before = contents(db->view());
  {
    Transaction tx = begin();
    ASSERT_TRUE(tx.create_table(Define("gone").column("id", number_type(TypeKind::kU32))).ok());
    ASSERT_TRUE(tx.set_table_access(kept, false).ok());
    EXPECT_FALSE(table(kept).schema().is_public);
    ASSERT_TRUE(tx.drop_table(kept).ok());
  }
  EXPECT_EQ(contents(db->view()), before);
  EXPECT_EQ(db->view().find_table("gone"), nullptr);
  ASSERT_NE(db->view().find_table("kept"), nullptr);
  EXPECT_TRUE(table(kept).schema().is_public);
  check();
}

struct BadDefinitionCase {
  const char* name;
  TableDefinition definition;
  const char* text;
};
TEST_F(BootstrapTest, RefusesDefinitionsThatCannotWork) {
  auto with_sequence = [](Int128 increment, Int128 min, Int128 max) {
    TableDefinition d = Define("t").column("id", number_type(TypeKind::kU32)).auto_inc(0);
    d.sequences[0].increment = increment;
    d.sequences[0].min_value = min;
    d.sequences[0].max_value = max;
    return d;
  };
  TableDefinition constraint_alone = Define("t").column("a", number_type(TypeKind::kU32));
  constraint_alone.constraints.push_back({"t_a_key", {ColumnId(0)}});
  const BadDefinitionCase cases[] = {
      {"DirectOnText",
       Define("t").column("a", AlgebraicType::string()).index({0}, IndexAlgorithm::kDirect),
       "Direct index does not support type `String` in column `a` in index `t_a_idx_direct`"},
      {"NoIncrement", with_sequence(0, 1, 10), "The increment is 0"},
      {"EmptyRange", with_sequence(1, 10, 10), "The min_value 10 must < max_value 10."},
      {"ConstraintWithoutIndex", constraint_alone,
       "No index found to support unique constraint `t_a_key` for columns `[ColId(0)]`"},
      {"SequenceOnText", Define("t").column("a", AlgebraicType::string()).auto_inc(0),
       "invalid sequence column type: a with type `String` in sequence `t_a_seq`"},
  };
  for (const BadDefinitionCase& c : cases) {
    Transaction tx = begin();
    const DataResult<TableId> id = tx.create_table(c.definition);
    ASSERT_FALSE(id.ok()) << c.name;
    EXPECT_NE(id.status().message().find(c.text), std::string::npos) << id.status().message();
  }
  check();
}

TEST_F(BootstrapTest, KeepsTheModuleRowAndClients) {
  ModuleRow module;
  module.program_bytes = {1, 2, 3};
  module.owner_identity.le[0] = 9;
  {
    Transaction tx = begin();
    ASSERT_TRUE(write_module_row(tx, module).ok());
    module.program_bytes = {4};
    ASSERT_TRUE(write_module_row(tx, module).ok());
    tx.commit();
  }
  const auto read = read_module_row(db->view());
  ASSERT_TRUE(read.ok() && read->has_value());
  EXPECT_EQ((*read)->program_bytes, module.program_bytes);
  EXPECT_EQ((*read)->owner_identity, module.owner_identity);

  ClientRow client;
  client.connection_id.le[3] = 4;
  {
    Transaction tx = begin(kIdentityConnected);
    ASSERT_TRUE(insert_client(tx, client, "{}").ok());
    tx.commit();
  }
  EXPECT_EQ(read_clients(db->view()), std::vector<ClientRow>{client});
  {
    Transaction tx = begin(kIdentityDisconnected);
    ASSERT_TRUE(remove_client(tx, client).ok());
    ASSERT_TRUE(remove_client(tx, client).ok());
    tx.commit();
  }
  EXPECT_EQ(count(kStClient), 0u);
  EXPECT_EQ(count(kStConnectionCredentials), 0u);
}

TEST_F(BootstrapTest, RefusesRowLevelSecurity) {
  Transaction tx = begin();
  const DataStatus status = tx.set_row_level_security(TableId(4096), "SELECT * FROM t");
  EXPECT_EQ(status.error(), DataError::kNotSupported);
  EXPECT_EQ(status.message(), "row-level security is not supported");
}

}  // namespace
}  // namespace worldline::storage
