// storage/database_state.cc: bootstrap, transactions, and changes made elsewhere.
#include "storage/database_state.h"

#include <algorithm>
#include <set>

#include "storage/catalog_rows.h"
#include "storage/state_core.h"
#include "storage/system_catalog.h"
#include "storage/system_tables.h"

namespace worldline::storage {
namespace {

// Rows of the catalog that describe one system table [S 05/2.4].
void insert_system_rows(StateCore& core, const TableSchema& table) {
  ByteBuffer bytes;
  const auto add = [&core, &bytes](TableId into, const auto& row) {
    bytes.clear();
    encode_row(row, bytes);
    const RowChange change = core.find_table(into)->insert(bytes);
    WL_CHECK(change.kind == RowChange::Kind::kDone);
  };
  add(kStTable, StTableRow{table.id, table.name, true, table.is_public, table.primary_key});
  for (uint16_t i = 0; i < table.columns.size(); ++i)
    add(kStColumn,
        StColumnRow{table.id, ColumnId(i), table.columns[i].name, table.columns[i].type});
  for (const IndexSchema& index : table.indexes)
    add(kStIndex, StIndexRow{index.id, table.id, index.name, index.algorithm, index.columns});
  for (const ConstraintSchema& constraint : table.constraints)
    add(kStConstraint,
        StConstraintRow{constraint.id, constraint.name, table.id, constraint.columns});
  for (const SequenceSchema& sequence : table.sequences)
    add(kStSequence, StSequenceRow{sequence, table.id, kSystemSequenceAllocated});
}

// A change set read forwards or backwards.
enum class Direction : uint8_t { kApply, kUndo };
struct Change {
  TableDelta& delta;
  const RowList& removed;
  const RowList& placed;
};
Change change_of(TableDelta& delta, Direction direction) {
  if (direction == Direction::kApply) return {delta, delta.deletes, delta.inserts};
  return {delta, delta.inserts, delta.deletes};
}

Status apply_rows(LiveTable& table, const Change& change, Direction direction) {
  const bool is_bare_truncation =
      direction == Direction::kApply && change.delta.truncated && change.removed.empty();
  if (is_bare_truncation) table.remove_all();  // The log leaves the rows out [S 05/3.4].
  for (size_t i = 0; i < change.removed.size(); ++i)
    WL_RETURN_IF_ERROR(table.remove_exactly(change.removed.refs[i], change.removed[i]));
  for (size_t i = 0; i < change.placed.size(); ++i)
    WL_RETURN_IF_ERROR(table.place_exactly(change.placed.refs[i], change.placed[i]));
  table.settle();
  return {};
}

// Tables whose catalog rows a delta changes.
Status collect_affected(const TableDelta& delta, std::set<TableId>& affected) {
  const auto visit = [&](auto&& table_of) -> Status {
    for (const RowList* rows : {&delta.inserts, &delta.deletes})
      for (size_t i = 0; i < rows->size(); ++i) {
        Result<TableId> id = table_of((*rows)[i]);
        if (!id.ok()) return id.status();
        affected.insert(*id);
      }
    return {};
  };
  const auto of_row = [](auto&& decode) {
    return [decode](Bytes row) -> Result<TableId> {
      auto decoded = decode(row);
      if (!decoded.ok()) return decoded.status();
      return decoded->table;
    };
  };
  const auto leading = [](Bytes row) -> Result<TableId> {
    if (row.size() < sizeof(uint32_t)) return Status::corruption("catalog row: too short");
    return TableId(load_le<uint32_t>(row.data()));
  };
  if (delta.table == kStTable || delta.table == kStColumn || delta.table == kStEventTable)
    return visit(leading);
  if (delta.table == kStIndex) return visit(of_row(decode_st_index));
  if (delta.table == kStConstraint) return visit(of_row(decode_st_constraint));
  if (delta.table == kStScheduled) return visit(of_row(decode_st_scheduled));
  // A batch reservation deletes and inserts; only a new or removed sequence changes the schema.
  if (delta.table == kStSequence && delta.inserts.size() != delta.deletes.size())
    return visit(of_row(decode_st_sequence));
  return {};
}

}  // namespace

DatabaseState::DatabaseState(std::unique_ptr<StateCore> core) : core_(std::move(core)) {}
DatabaseState::~DatabaseState() = default;

std::unique_ptr<DatabaseState> DatabaseState::bootstrap(const DatabaseOptions& options) {
  auto core = std::make_unique<StateCore>(options.group, 1);
  const std::vector<TableSchemaPtr> schemas = system_table_schemas();
  for (const TableSchemaPtr& schema : schemas) core->install_table(schema);
  core->begin(TxInfo{});
  for (const TableSchemaPtr& schema : schemas) insert_system_rows(*core, *schema);
  core->commit();
  core->set_next_offset(TxOffset(0));  // Bootstrap is not a transaction [S 05/1.14].
  const Status restarted = core->restart_sequences();
  WL_CHECK(restarted.ok());
  return std::unique_ptr<DatabaseState>(new DatabaseState(std::move(core)));
}

const ReadView& DatabaseState::view() const {
  return core_->view();
}
SnapshotPtr DatabaseState::pin() {
  return SnapshotPtr(new Snapshot(core_->pin()));
}
bool DatabaseState::has_open_transaction() const {
  return core_->is_open();
}
TxOffset DatabaseState::next_offset() const {
  return core_->next_offset();
}
Digest128 DatabaseState::digest() const {
  return core_->digest();
}

Transaction DatabaseState::begin(const TxInfo& info) {
  core_->begin(info);
  return Transaction(this);
}

namespace {

// Both directions of a change set: catalog first, then what it describes, then the rest.
class ChangeSetWriter {
 public:
  ChangeSetWriter(StateCore& core, std::vector<TableDelta>& tables, Direction direction)
      : core_(core), tables_(tables), direction_(direction) {}

  Status run() {
    find_schemas();
    for (TableDelta& delta : tables_)
      if (delta.table < kFirstUserTable) WL_RETURN_IF_ERROR(write(delta));
    WL_RETURN_IF_ERROR(change_schemas());
    find_schemas();
    for (TableDelta& delta : tables_)
      if (!(delta.table < kFirstUserTable)) WL_RETURN_IF_ERROR(write(delta));
    return restart_sequences();
  }

 private:
  void find_schemas() {
    for (TableDelta& delta : tables_) {
      const LiveTable* table = core_.find_table(delta.table);
      if (table == nullptr || (delta.schema != nullptr && direction_ == Direction::kUndo)) continue;
      delta.schema = table->record().schema;
      delta.is_ephemeral = delta.schema->is_ephemeral;
    }
  }

  Status write(TableDelta& delta) {
    LiveTable* table = core_.find_table(delta.table);
    if (table == nullptr) {
      if (removed_.contains(delta.table)) return {};  // Its rows went with it.
      return Status::corruption("change of unknown table {}", delta.table.value);
    }
    if (table->schema().is_event || table->schema().is_ephemeral) return {};
    return apply_rows(*table, change_of(delta, direction_), direction_);
  }

  Status change_schemas() {
    std::set<TableId> affected;
    for (const TableDelta& delta : tables_)
      if (delta.table < kFirstUserTable) WL_RETURN_IF_ERROR(collect_affected(delta, affected));
    if (affected.empty()) return {};
    WL_ASSIGN_OR_RETURN(const CatalogContent content,
                        CatalogContent::read(core_.view(), std::nullopt));
    for (const TableId id : affected) {
      LiveTable* table = core_.find_table(id);
      if (table != nullptr && !content.has_table(id)) {
        table->remove_all();
        removed_.insert(id);
      }
      WL_RETURN_IF_ERROR(core_.reconcile(id, content));
    }
    return {};
  }

  Status restart_sequences() {
    for (TableDelta& delta : tables_) {
      if (delta.table != kStSequence) continue;
      const Change change = change_of(delta, direction_);
      for (size_t i = 0; i < change.placed.size(); ++i)
        WL_RETURN_IF_ERROR(core_.restart_sequence(change.placed[i]));
    }
    return {};
  }

  StateCore& core_;                  // Borrowed; outlives this.
  std::vector<TableDelta>& tables_;  // Borrowed; outlives this.
  const Direction direction_;
  std::set<TableId> removed_;
};

}  // namespace

Status DatabaseState::apply(TxData& data) {
  WL_CHECK(!core_->is_open());
  if (data.consumed_offset && data.offset != core_->next_offset())
    return Status::corruption("transaction offset {} where {} is next", data.offset.value,
                              core_->next_offset().value);
  WL_RETURN_IF_ERROR(ChangeSetWriter(*core_, data.tables, Direction::kApply).run());
  if (data.consumed_offset) core_->set_next_offset(data.offset.next());
  return {};
}

Status DatabaseState::undo(const TxData& data) {
  WL_CHECK(!core_->is_open());
  if (data.consumed_offset && data.offset.next() != core_->next_offset())
    return Status::corruption("undo of offset {} where {} is next", data.offset.value,
                              core_->next_offset().value);
  std::vector<TableDelta> tables = data.tables;  // Row lists are spans: a shallow copy.
  WL_RETURN_IF_ERROR(ChangeSetWriter(*core_, tables, Direction::kUndo).run());
  if (data.consumed_offset) core_->set_next_offset(data.offset);
  return {};
}

Status DatabaseState::check_invariants() const {
  WL_CHECK(!core_->is_open());
  for (const LiveTable* table : core_->live_tables()) WL_RETURN_IF_ERROR(table->check_invariants());
  WL_ASSIGN_OR_RETURN(const CatalogContent content,
                      CatalogContent::read(core_->view(), std::nullopt));
  if (content.table_ids() != core_->view().table_ids())
    return Status::corruption("st_table and the live tables differ");
  for (const TableId id : content.table_ids()) {
    WL_ASSIGN_OR_RETURN(const TableSchemaPtr stored, content.assemble(id));
    const TableSchema& live = core_->find_table(id)->schema();
    const bool same = stored->name == live.name && stored->accessor == live.accessor &&
                      stored->is_public == live.is_public && stored->is_event == live.is_event &&
                      stored->primary_key == live.primary_key &&
                      stored->row_type == live.row_type &&
                      stored->indexes.size() == live.indexes.size() &&
                      stored->constraints.size() == live.constraints.size() &&
                      stored->sequences.size() == live.sequences.size();
    if (!same) return Status::corruption("table `{}` differs from its catalog rows", live.name);
  }
  return {};
}

}  // namespace worldline::storage
