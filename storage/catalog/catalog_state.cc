#include "storage/catalog/catalog_state.h"

#include <algorithm>
#include <utility>

#include "schema/bsatn.h"
#include "storage/table_definition.h"
#include "storage/transaction.h"

namespace worldline::storage {
namespace {

using schema::AlgebraicType;
using schema::BsatnReader;
using schema::BsatnWriter;
using schema::TypeKind;

constexpr std::string_view kDatabaseTable = "database";
constexpr std::string_view kNameTable = "database_name";
constexpr std::string_view kCounterTable = "counter";
constexpr std::string_view kNextGroup = "next_group";
constexpr uint64_t kFirstDatabaseGroup = 2;  // 1 is the catalog itself.

ColumnDefinition column(std::string name, TypeKind kind) {
  return {std::move(name), {}, AlgebraicType::primitive(kind)};
}

void add_unique(TableDefinition& table, ColumnId id) {
  const std::string base = table.name + "_" + table.columns[id.value].name;
  table.indexes.push_back({base + "_idx_btree", {}, IndexAlgorithm::kBTree, {id}});
  table.constraints.push_back({base + "_key", {id}});
}

TableDefinition database_table() {
  TableDefinition table;
  table.name = kDatabaseTable;
  table.columns = {column("identity", TypeKind::kU256),        column("group", TypeKind::kU64),
                   column("owner", TypeKind::kU256),           column("host_type", TypeKind::kU8),
                   column("initial_program", TypeKind::kU256), column("locked", TypeKind::kBool)};
  table.primary_key = ColumnId(0);
  add_unique(table, ColumnId(0));
  add_unique(table, ColumnId(1));
  return table;
}

TableDefinition name_table() {
  TableDefinition table;
  table.name = kNameTable;
  table.columns = {column("name", TypeKind::kString), column("database", TypeKind::kU256),
                   column("owner", TypeKind::kU256)};
  table.primary_key = ColumnId(0);
  add_unique(table, ColumnId(0));
  table.indexes.push_back(
      {"database_name_database_idx_btree", {}, IndexAlgorithm::kBTree, {ColumnId(1)}});
  return table;
}

TableDefinition counter_table() {
  TableDefinition table;
  table.name = kCounterTable;
  table.columns = {column("name", TypeKind::kString), column("value", TypeKind::kU64)};
  table.primary_key = ColumnId(0);
  add_unique(table, ColumnId(0));
  return table;
}

ByteBuffer encode(const DatabaseRecord& record) {
  ByteBuffer row;
  BsatnWriter writer(row);
  writer.write_raw(record.database.bytes());
  writer.write_u64(record.group.value);
  writer.write_raw(record.owner.bytes());
  writer.write_u8(record.host_type);
  writer.write_raw(record.initial_program.bytes);
  writer.write_bool(record.locked);
  return row;
}

// Rows were validated when they were inserted, so decoding them cannot fail.
DatabaseRecord decode_database(Bytes row) {
  BsatnReader reader(row);
  DatabaseRecord record;
  record.database = schema::Identity::from_le_bytes(*reader.read_raw(32));
  record.group = GroupId(*reader.read_u64());
  record.owner = schema::Identity::from_le_bytes(*reader.read_raw(32));
  record.host_type = *reader.read_u8();
  record.initial_program = schema::Hash256::from_bytes(*reader.read_raw(32));
  record.locked = *reader.read_bool();
  return record;
}

ByteBuffer encode(const NameRecord& record) {
  ByteBuffer row;
  BsatnWriter writer(row);
  writer.write_string(record.name);
  writer.write_raw(record.database.bytes());
  writer.write_raw(record.owner.bytes());
  return row;
}

NameRecord decode_name(Bytes row) {
  BsatnReader reader(row);
  NameRecord record;
  record.name = *reader.read_string();
  record.database = schema::Identity::from_le_bytes(*reader.read_raw(32));
  record.owner = schema::Identity::from_le_bytes(*reader.read_raw(32));
  return record;
}

ByteBuffer text_key(std::string_view text) {
  ByteBuffer key;
  BsatnWriter(key).write_string(text);
  return key;
}

// The row of a unique index that has this key; empty if there is none.
Bytes find_by_key(const ReadView& view, TableIndexId index_id, Bytes key_bytes) {
  const IndexView* const index = view.find_index(index_id);
  const auto key = index->point_key(key_bytes);
  WL_CHECK(key.ok());
  const auto found = index->find_unique(*key);
  return found ? index->table().row(*found) : Bytes();
}

Status ensure_table(Transaction& tx, const TableDefinition& definition) {
  if (tx.view().find_table(definition.name) != nullptr) return {};
  return tx.create_table(definition).status();
}

}  // namespace

Status CatalogState::prepare(Timestamp now) {
  if (state_->view().find_table(kDatabaseTable) == nullptr)
    WL_RETURN_IF_ERROR(write(now, [](Transaction& tx) -> Status {
      WL_RETURN_IF_ERROR(ensure_table(tx, database_table()));
      WL_RETURN_IF_ERROR(ensure_table(tx, name_table()));
      return ensure_table(tx, counter_table());
    }));
  return find_tables();
}

Status CatalogState::find_tables() {
  const ReadView& view = state_->view();
  const TableView* const databases = view.find_table(kDatabaseTable);
  const TableView* const names = view.find_table(kNameTable);
  const TableView* const counters = view.find_table(kCounterTable);
  if (databases == nullptr || names == nullptr || counters == nullptr)
    return Status::corruption("the catalog lacks one of its tables");
  databases_ = databases->schema().id;
  names_ = names->schema().id;
  counters_ = counters->schema().id;
  const ColumnId first{0};
  const ColumnId second{1};
  const IndexView* const indexes[] = {databases->index_on({&first, 1}),
                                      names->index_on({&first, 1}), names->index_on({&second, 1}),
                                      counters->index_on({&first, 1})};
  for (const IndexView* index : indexes)
    if (index == nullptr) return Status::corruption("the catalog lacks one of its table indexes");
  databases_by_identity_ = indexes[0]->schema().id;
  names_by_name_ = indexes[1]->schema().id;
  names_by_database_ = indexes[2]->schema().id;
  counters_by_name_ = indexes[3]->schema().id;
  return {};
}

Status CatalogState::write(Timestamp now, const std::function<Status(Transaction&)>& change) {
  const Timestamp at{std::max(now.micros, last_timestamp_.micros + 1)};
  Transaction tx = state_->begin(TxInfo{at, {}, {}, {}, {}});
  WL_RETURN_IF_ERROR(change(tx));
  CommitResult result = tx.commit();
  if (result.tx_data == nullptr) return {};
  last_timestamp_ = at;
  committed_.push_back(std::move(result.tx_data));
  return {};
}

std::vector<TxDataPtr> CatalogState::take_committed() {
  return std::exchange(committed_, {});
}

std::optional<DatabaseRecord> CatalogState::find_database(const schema::Identity& database) const {
  const Bytes row = find_by_key(state_->view(), databases_by_identity_, database.bytes());
  if (row.empty()) return std::nullopt;
  return decode_database(row);
}

std::optional<NameRecord> CatalogState::find_name(std::string_view name) const {
  const Bytes row = find_by_key(state_->view(), names_by_name_, text_key(name));
  if (row.empty()) return std::nullopt;
  return decode_name(row);
}

std::vector<DatabaseRecord> CatalogState::databases() const {
  std::vector<DatabaseRecord> records;
  for (RowCursor rows = state_->view().find_table(databases_)->scan(); rows.next();)
    records.push_back(decode_database(rows.row()));
  std::sort(records.begin(), records.end(),
            [](const auto& a, const auto& b) { return a.group < b.group; });
  return records;
}

std::vector<NameRecord> CatalogState::names() const {
  std::vector<NameRecord> records;
  for (IndexCursor rows = state_->view().find_index(names_by_name_)->all(); rows.next();)
    records.push_back(decode_name(rows.row()));
  return records;
}

Result<GroupId> CatalogState::allocate_group(Timestamp now) {
  const Bytes row = find_by_key(state_->view(), counters_by_name_, text_key(kNextGroup));
  uint64_t group = kFirstDatabaseGroup;
  if (!row.empty()) group = load_le<uint64_t>(row.data() + row.size() - sizeof group);
  ByteBuffer next;
  BsatnWriter writer(next);
  writer.write_string(kNextGroup);
  writer.write_u64(group + 1);
  WL_RETURN_IF_ERROR(write(now, [&](Transaction& tx) -> Status {
    if (group == kFirstDatabaseGroup) return tx.insert(counters_, next).status();
    return tx.update(counters_, counters_by_name_, next).status();
  }));
  return GroupId(group);
}

Status CatalogState::add_database(const DatabaseRecord& record, Timestamp now) {
  return write(now, [&](Transaction& tx) -> Status {
    return tx.insert(databases_, encode(record)).status();
  });
}

Status CatalogState::replace_database(const DatabaseRecord& record, Timestamp now) {
  return write(now, [&](Transaction& tx) -> Status {
    return tx.update(databases_, databases_by_identity_, encode(record)).status();
  });
}

Status CatalogState::remove_database(const schema::Identity& database, Timestamp now) {
  return write(now, [&](Transaction& tx) -> Status {
    return tx.delete_point(databases_by_identity_, database.bytes()).status();
  });
}

Status CatalogState::add_name(const NameRecord& record, Timestamp now) {
  if (find_name(record.name))
    return Status::already_exists("record with the name {} already exists", record.name);
  return write(
      now, [&](Transaction& tx) -> Status { return tx.insert(names_, encode(record)).status(); });
}

Status CatalogState::replace_names(const schema::Identity& database, const schema::Identity& owner,
                                   const std::vector<std::string>& names, Timestamp now) {
  for (const auto& name : names)
    if (find_name(name)) return Status::already_exists("{}", name);
  return write(now, [&](Transaction& tx) -> Status {
    WL_RETURN_IF_ERROR(tx.delete_point(names_by_database_, database.bytes()).status());
    for (const auto& name : names)
      WL_RETURN_IF_ERROR(tx.insert(names_, encode(NameRecord{name, database, owner})).status());
    return {};
  });
}

}  // namespace worldline::storage
