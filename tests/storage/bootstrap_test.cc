// tests/storage/bootstrap_test.cc: the system tables of a fresh database [S 05/2].
#include "storage/catalog_rows.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

class BootstrapTest : public StorageTest {};

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
                                   .auto_inc(0);
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
      {1, {1, 0}}, {2, {2, 0}},  {3, {6, 5}},  {4, {1, 0}}, {5, {1, 0}},
      {9, {1, 0}}, {18, {1, 0}}, {19, {1, 0}}, {20, {2, 0}}};
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

TEST_F(BootstrapTest, ListsAnEventTableAsSuch) {
  const TableId id = create(Define("e").column("id", number_type(TypeKind::kU64)).event());
  const Placed rows = placed_rows(table(kStEventTable));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].second, Row().u32(id.value).str());
  EXPECT_TRUE(table(id).schema().is_event);
}

TEST_F(BootstrapTest, ListsAliasesOfColumnsAndIndexesAlwaysAndOfTablesThatHaveOne) {
  const auto rows_of = [this](TableId id) {
    std::vector<std::string> rows;
    for (const auto& [ref, row] : placed_rows(table(id))) rows.push_back(row);
    return rows;
  };
  TableDefinition aliased = Define("t")
                                .column("a_b", number_type(TypeKind::kU64))
                                .column("c", number_type(TypeKind::kU8))
                                .index({0})
                                .index({1});
  aliased.accessor = "T";
  aliased.columns[0].accessor = "aB";
  aliased.indexes[0].accessor = "T_aB_idx";
  create(aliased);
  const TableId plain = create(Define("u").column("a_b", number_type(TypeKind::kU64)).index({0}));
  EXPECT_EQ(rows_of(kStTableAccessor), std::vector<std::string>{Row().text("t").text("T").str()});
  EXPECT_EQ(rows_of(kStColumnAccessor),
            (std::vector<std::string>{Row().text("t").text("a_b").text("aB").str(),
                                      Row().text("t").text("c").text("c").str(),
                                      Row().text("u").text("a_b").text("a_b").str()}));
  const auto itself = [](const char* name) { return Row().text(name).text(name).str(); };
  EXPECT_EQ(rows_of(kStIndexAccessor),
            (std::vector<std::string>{Row().text("t_a_b_idx_btree").text("T_aB_idx").str(),
                                      itself("t_c_idx_btree"), itself("u_a_b_idx_btree")}));
  // A catalog of an earlier build has no such rows; then the names serve.
  Transaction tx = begin();
  ASSERT_TRUE(tx.clear(kStColumnAccessor).ok());
  ASSERT_TRUE(tx.clear(kStIndexAccessor).ok());
  tx.commit();
  const auto content = CatalogContent::read(db->view(), plain);
  ASSERT_TRUE(content.ok());
  const auto schema = content->assemble(plain);
  ASSERT_TRUE(schema.ok()) << schema.status().message();
  EXPECT_EQ((*schema)->columns[0].accessor, "a_b");
  EXPECT_EQ((*schema)->indexes[0].accessor, "u_a_b_idx_btree");
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
  TableDefinition constraint_alone = Define("t").column("a", number_type(TypeKind::kU32));
  constraint_alone.constraints.push_back({"t_a_key", {ColumnId(0)}});
  TableDefinition event_and_schedule = Define("t")
                                           .column("id", number_type(TypeKind::kU64))
                                           .column("at", AlgebraicType::schedule_at())
                                           .primary_key(0)
                                           .event();
  event_and_schedule.schedule = ScheduleDefinition{"t_sched", "send", ColumnId(1)};
  const BadDefinitionCase cases[] = {
      {"DirectOnText",
       Define("t").column("a", AlgebraicType::string()).index({0}, IndexAlgorithm::kDirect),
       "Direct index does not support type `String` in column `a` in index `t_a_idx_direct`"},
      {"EventAndSchedule", event_and_schedule,
       "table `t` cannot be both an event table and a schedule table"},
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

TEST_F(BootstrapTest, ClearsWhateverClientsAreLeftInOneTransaction) {
  ClientRow client;
  client.connection_id.le[3] = 4;
  ClientRow other = client;
  other.connection_id.le[3] = 5;
  {
    Transaction tx = begin();
    ASSERT_TRUE(insert_client(tx, client, "{}").ok());
    ASSERT_TRUE(insert_client(tx, other, "{}").ok());
    ASSERT_TRUE(
        tx.clear(kStClient).ok());  // Credentials without a client: no disconnect finds them.
    ASSERT_TRUE(
        tx.insert(kStClient, Row().raw(client.identity.bytes()).raw(client.connection_id.bytes()))
            .ok());
    tx.commit();
  }
  ASSERT_EQ(count(kStConnectionCredentials), 2u);
  {
    Transaction tx = begin("");
    ASSERT_TRUE(clear_clients(tx).ok());
    const TxDataPtr data = tx.commit().tx_data;
    ASSERT_NE(data, nullptr);
    EXPECT_EQ(data->find_table(kStClient)->deletes.size(), 1u);
    EXPECT_EQ(data->find_table(kStConnectionCredentials)->deletes.size(), 2u);
  }
  EXPECT_EQ(count(kStClient), 0u);
  EXPECT_EQ(count(kStConnectionCredentials), 0u);
  Transaction tx = begin("");
  ASSERT_TRUE(clear_clients(tx).ok());
  EXPECT_EQ(tx.commit().tx_data, nullptr) << "nothing left, nothing logged";
}

TEST_F(BootstrapTest, RefusesRowLevelSecurity) {
  Transaction tx = begin();
  const DataStatus status = tx.set_row_level_security(TableId(4096), "SELECT * FROM t");
  EXPECT_EQ(status.error(), DataError::kNotSupported);
  EXPECT_EQ(status.message(), "row-level security is not supported");
}

}  // namespace
}  // namespace worldline::storage
