// storage/state_core.cc: unsharing, schema changes, and the life of the open transaction.
#include "storage/state_core.h"

#include <algorithm>

#include "storage/catalog_rows.h"
#include "storage/system_tables.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace worldline::storage {

StateCore::StateCore(GroupId group, uint64_t version)
    : root_(std::make_unique<DatabaseRoot>().release()), version_(version), root_version_(version) {
  root_->group = group;
}

StateCore::~StateCore() {
  if (is_open_) rollback();
  tables_.clear();
  root_->release();
}

DatabaseRoot& StateCore::own_root() {
  if (root_version_ == version_) [[likely]]
    return *root_;
  if (!root_->refs.is_one()) {
    auto* copy = std::make_unique<DatabaseRoot>(root_).release();
    root_->release();
    root_ = copy;
  }
  root_version_ = version_;
  return *root_;
}

TableRecord* StateCore::own_record(uint32_t position) {
  if (record_versions_[position] == version_) [[likely]]
    return static_cast<TableRecord*>(root_->tables.get(position));
  void*& link = own_root().tables.own(position);
  auto* record = static_cast<TableRecord*>(link);
  if (!record->refs.is_one()) {
    TableRecord* copy = record->clone();
    record->release();
    link = record = copy;
  }
  record_versions_[position] = version_;
  return record;
}

const DatabaseRoot* StateCore::pin() {
  WL_CHECK(!is_open_);
  if (root_->catalog != catalog()) own_root().catalog = catalog();
  if (root_version_ == version_) root_->version = version_;
  // A root that nobody changed since the last pin keeps that pin's version.
  root_->add_ref();
  ++version_;
  return root_;
}

Digest128 digest_of_tables(GroupId group, std::span<const TableDigest> tables) {
  static_assert(sizeof(TableDigest) == 24, "no padding is hashed");
  const XXH128_hash_t hash = XXH3_128bits_withSeed(tables.data(), tables.size_bytes(), group.value);
  return {hash.low64, hash.high64};
}

Digest128 digest_of_state(const DatabaseRoot& root, const Catalog& catalog) {
  std::vector<TableDigest> parts;
  parts.reserve(catalog.tables().size());
  for (const Catalog::Table& table : catalog.tables()) {
    if (table.schema->is_event || table.schema->is_ephemeral) continue;
    const TableRecord* record = root.tables.get(table.position);
    parts.push_back({table.schema->id.value, record->digest});
  }
  return digest_of_tables(root.group, parts);
}

Digest128 StateCore::digest() {
  return digest_of_state(*root_, *catalog());
}

const std::shared_ptr<const Catalog>& StateCore::catalog() const {
  if (catalog_ != nullptr) return catalog_;
  std::vector<Catalog::Table> tables;
  for (uint32_t position = 0; position < tables_.size(); ++position)
    if (tables_[position] != nullptr)
      tables.push_back({position, tables_[position]->record().schema});
  return catalog_ = std::make_shared<const Catalog>(std::move(tables));
}

std::vector<LiveTable*> StateCore::live_tables() {
  std::vector<LiveTable*> tables;
  for (const Catalog::Table& table : catalog()->tables())
    tables.push_back(tables_[table.position].get());
  return tables;
}

void StateCore::enter_maps(LiveTable& table) {
  by_id_.set(table.schema().id, &table);
  for (uint32_t i = 0; i < table.schema().indexes.size(); ++i)
    index_by_id_.set(table.schema().indexes[i].id, {&table, i});
  catalog_ = nullptr;
}

void StateCore::leave_maps(const LiveTable& table) {
  by_id_.erase(table.schema().id);
  for (const IndexSchema& index : table.schema().indexes) index_by_id_.erase(index.id);
  catalog_ = nullptr;
}

LiveTable& StateCore::install_table(TableSchemaPtr schema) {
  // A position with a record belongs to a table that this transaction dropped.
  uint32_t position = 0;
  while (position < tables_.size() &&
         (tables_[position] != nullptr || root_->tables.get(position) != nullptr))
    ++position;
  if (position == tables_.size()) {
    tables_.emplace_back();
    record_versions_.push_back(0);
  }
  auto* record = std::make_unique<TableRecord>(std::move(schema)).release();
  own_root().tables.own(position) = record;
  record_versions_[position] = version_;
  tables_[position] = std::make_unique<LiveTable>(*this, position, record);
  LiveTable& table = *tables_[position];
  table.make_sequences();
  enter_maps(table);
  if (is_open_) created_.push_back(&table);
  return table;
}

void StateCore::detach_table(LiveTable& table) {
  WL_CHECK(table.record().row_count == 0);
  leave_maps(table);
  const uint32_t position = table.position();
  if (is_open_) {
    dropped_.push_back(std::move(tables_[position]));
    return;
  }
  tables_[position] = nullptr;
  drop_record(position);
}

void StateCore::drop_record(uint32_t position) {
  void*& link = own_root().tables.own(position);
  static_cast<TableRecord*>(link)->release();
  link = nullptr;
}

Status StateCore::swap_schema(LiveTable& table, TableSchemaPtr schema) {
  const uint32_t position = table.position();
  TableRecord* before = own_record(position);
  auto* after = std::make_unique<TableRecord>(std::move(schema)).release();
  leave_maps(table);
  const bool complete = after->take_rows(*before);
  own_root().tables.own(position) = after;
  table.bind(after);
  enter_maps(table);
  before->release();
  return complete ? Status() : table.rebuild();
}

Status StateCore::replace_schema(LiveTable& table, TableSchemaPtr schema) {
  const TableSchemaPtr before = table.record().schema;
  if (!(schema->row_type == before->row_type) && table.record().row_count != 0)
    return Status::not_supported("table `{}`: changing the columns of a table with rows",
                                 before->name);
  WL_RETURN_IF_ERROR(swap_schema(table, schema));
  if (is_open_) altered_.push_back({table.position(), before});
  if (schema->sequences.size() == before->sequences.size()) return {};
  if (is_open_) return Status::not_supported("changing the sequences of table `{}`", before->name);
  table.make_sequences();  // restart_sequences() sets their positions.
  return {};
}

void StateCore::begin(const TxInfo& info) {
  WL_CHECK(!is_open_);
  is_open_ = true;
  timestamp_ = info.timestamp;
  caller_ = info.caller;
  connection_id_ = info.connection_id;
  reducer_.assign(info.reducer);
  args_.assign(info.args.begin(), info.args.end());
}

void StateCore::note_touched(LiveTable& table) {
  touched_.push_back(&table);
}

DataStatus StateCore::charge(uint64_t bytes) {
  if (charged_bytes_ + bytes > kTxBytesMax) [[unlikely]]
    return {DataError::kTooLarge,
            Status::too_large("transaction changes more than kTxBytesMax = {} bytes of rows",
                              kTxBytesMax)};
  charged_bytes_ += bytes;
  return {};
}

CommitResult StateCore::commit() {
  WL_CHECK(is_open_);
  std::sort(touched_.begin(), touched_.end(),
            [](const LiveTable* a, const LiveTable* b) { return a->schema().id < b->schema().id; });
  bool consumes = reducer_ == kIdentityConnected || reducer_ == kIdentityDisconnected;
  for (LiveTable* table : touched_) {
    builder_.begin_table(table->schema().id, table->record().schema);
    table->append_changes(builder_);
    if (builder_.current_table_is_empty()) {
      builder_.drop_current_table();
    } else {
      consumes = consumes || !table->schema().is_ephemeral;
    }
  }
  CommitResult result;
  const TxOffset next = root_->next_offset;
  result.offset = consumes ? next : TxOffset(next.value == 0 ? 0 : next.value - 1);
  if (consumes || builder_.table_count() != 0) {
    const TxInfo info{timestamp_, caller_, connection_id_, reducer_, args_};
    result.tx_data = builder_.finish(info, result.offset, consumes);
  }
  for (LiveTable* table : touched_) table->commit();
  for (const auto& table : dropped_) drop_record(table->position());
  for (Sequence* sequence : saved_sequences_) sequence->forget();
  if (consumes) own_root().next_offset = next.next();
  end_transaction();
  return result;
}

void StateCore::rollback() {
  WL_CHECK(is_open_);
  for (LiveTable* table : touched_) table->rollback();
  for (Sequence* sequence : saved_sequences_) sequence->restore();
  rollback_schema();
  end_transaction();
}

void StateCore::rollback_schema() {
  for (auto& table : dropped_) {
    const uint32_t position = table->position();
    if (std::find(created_.begin(), created_.end(), table.get()) != created_.end()) {
      drop_record(position);
      continue;
    }
    tables_[position] = std::move(table);
    enter_maps(*tables_[position]);
  }
  for (auto altered = altered_.rbegin(); altered != altered_.rend(); ++altered) {
    LiveTable* table = tables_[altered->position].get();
    if (table == nullptr) continue;  // Created and dropped here.
    // The rows are those of the start again, so the old schema fits them.
    const Status swapped = swap_schema(*table, altered->before);
    WL_CHECK(swapped.ok());
  }
  for (LiveTable* table : created_) {
    const uint32_t position = table->position();
    if (tables_[position].get() != table) continue;  // Dropped here.
    leave_maps(*table);
    tables_[position] = nullptr;
    drop_record(position);
  }
}

void StateCore::end_transaction() {
  is_open_ = false;
  charged_bytes_ = 0;
  touched_.clear();
  saved_sequences_.clear();
  created_.clear();
  dropped_.clear();
  altered_.clear();
  images_.clear();
}

DataStatus StateCore::fill_sequences(LiveTable& table, MutableBytes row, ByteBuffer& generated) {
  generated.clear();
  for (Sequence& sequence : table.sequences()) {
    const schema::RowLayout& layout = table.schema().layout;
    const Bytes column = layout.column(row, sequence.schema().column);
    if (std::any_of(column.begin(), column.end(), [](Byte b) { return b != 0; })) continue;
    Int128 value = 0;
    WL_DATA_RETURN_IF_ERROR(take_sequence(table, sequence, value));
    const auto at = static_cast<size_t>(column.data() - row.data());
    store_sequence_value(value, row.subspan(at, column.size()));
    append(generated, column);
  }
  return {};
}

DataStatus StateCore::take_sequence(LiveTable& table, Sequence& sequence, Int128& value) {
  if (sequence.save()) saved_sequences_.push_back(&sequence);
  if (sequence.needs_batch()) {
    sequence.reserve();
    WL_DATA_RETURN_IF_ERROR(persist_reservation(table, sequence));
  }
  const auto next = sequence.take();
  if (!next)
    return {DataError::kAutoInc, Status::failed_precondition(
                                     "Sequence ID `{}` still had no values left after allocation.",
                                     sequence.schema().id.value)};
  value = *next;
  return {};
}

DataStatus StateCore::persist_reservation(const LiveTable& table, const Sequence& sequence) {
  LiveTable* catalog_table = find_table(kStSequence);
  const StSequenceRow row{sequence.schema(), table.schema().id, sequence.allocated()};
  ByteBuffer bytes;
  encode_row(row, bytes);
  const RowChange change = catalog_table->update(0, bytes);
  if (change.kind == RowChange::Kind::kDone || change.kind == RowChange::Kind::kUnchanged)
    return {};
  return {DataError::kInternal,
          Status::internal("Sequence ID `{}` not found.", sequence.schema().id.value)};
}

Status StateCore::restart_sequence(Bytes st_sequence_row) {
  Result<StSequenceRow> row = decode_st_sequence(st_sequence_row);
  if (!row.ok()) return row.status();
  LiveTable* table = find_table(row->table);
  if (table == nullptr) return {};
  for (Sequence& sequence : table->sequences())
    if (sequence.schema().id == row->schema.id) sequence.restart_at(row->allocated);
  return {};
}

Status StateCore::restart_sequences() {
  RowCursor cursor = find_table(kStSequence)->view().scan();
  while (cursor.next()) WL_RETURN_IF_ERROR(restart_sequence(cursor.row()));
  return {};
}

Status StateCore::reconcile(TableId id) {
  WL_ASSIGN_OR_RETURN(const CatalogContent content, CatalogContent::read(view_, id));
  return reconcile(id, content);
}

Status StateCore::reconcile(TableId id, const CatalogContent& content) {
  LiveTable* table = find_table(id);
  if (!content.has_table(id)) {
    if (table != nullptr) detach_table(*table);
    return {};
  }
  WL_ASSIGN_OR_RETURN(const TableSchemaPtr schema, content.assemble(id));
  if (table == nullptr) table = &install_table(schema);
  if (table->record().schema != schema) return replace_schema(*table, schema);
  for (Sequence& sequence : table->sequences())
    sequence.restart_at(content.allocated(sequence.schema().id));
  return {};
}

}  // namespace worldline::storage
