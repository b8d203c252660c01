// storage/transaction.cc: validation, order of checks and error texts of row operations
// [S 05/1.3-1.5]; the work itself is LiveTable's.
#include "storage/transaction.h"

#include <algorithm>

#include "schema/bsatn.h"
#include "storage/database_state.h"
#include "storage/state_core.h"
#include "storage/value_text.h"

namespace worldline::storage {
namespace {

DataStatus no_such_table(TableId id) {
  return {DataError::kNoSuchTable,
          Status::not_found("Table with ID `{}` not found in `TxState`.", id.value)};
}

DataStatus no_such_index(TableIndexId id) {
  return {DataError::kNoSuchIndex, Status::not_found("Index not found: IndexId({})", id.value)};
}

DataStatus unique_violation(const LiveTable& table, uint32_t index, Bytes row) {
  const TableSchema& schema = table.schema();
  return {DataError::kUnique,
          Status::already_exists("{}", unique_violation_text(schema, schema.indexes[index], row))};
}

// Where the row at the start of `input` ends.
DataResult<size_t> find_row_end(const schema::RowLayout& layout, Bytes input) {
  if (const std::optional<size_t> end = layout.find_row_end(input)) return *end;
  schema::BsatnReader reader(input);  // The slow walk names the fault.
  Status fault = schema::skip_value(layout.type(), schema::Typespace::empty(), reader);
  WL_CHECK(!fault.ok());
  return {DataError::kDecode, std::move(fault)};
}

// Checks one row argument and cuts trailing bytes off where those are ignored [S 05/1.3].
DataStatus check_row(const schema::RowLayout& layout, Bytes input, Bytes& row) {
  if (input.size() > limits::kRowBytesMax)
    return {DataError::kTooLarge, Status::too_large("row of {} bytes exceeds kRowBytesMax = {}",
                                                    input.size(), limits::kRowBytesMax)};
  const DataResult<size_t> end = find_row_end(layout, input);
  if (!end.ok()) return end.status();
  if (layout.fixed_size() && *end != input.size())
    return {DataError::kDecode,
            Status::invalid_argument("unexpected data length: Expected {}, given {}", *end,
                                     input.size())};
  row = input.first(*end);
  return {};
}

}  // namespace

Transaction::Transaction(Transaction&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)) {}

Transaction::~Transaction() {
  if (state_ != nullptr) rollback();
}

StateCore& Transaction::core() const {
  WL_CHECK(state_ != nullptr);
  return state_->core();
}

const ReadView& Transaction::view() const {
  return core().view();
}

DataResult<Bytes> Transaction::prepare_row(LiveTable& table, Bytes input) {
  Bytes row;
  WL_DATA_RETURN_IF_ERROR(check_row(table.schema().layout, input, row));
  WL_DATA_RETURN_IF_ERROR(core().charge(row.size()));
  StateCore::Scratch& scratch = core().scratch();
  scratch.generated.clear();
  if (table.sequences().empty()) return row;
  scratch.row.assign(row.begin(), row.end());
  WL_DATA_RETURN_IF_ERROR(core().fill_sequences(table, scratch.row, scratch.generated));
  return Bytes(scratch.row);
}

DataResult<InsertOutcome> Transaction::insert(TableId id, Bytes input) {
  LiveTable* table = core().find_table(id);
  if (table == nullptr) return no_such_table(id);
  const DataResult<Bytes> row = prepare_row(*table, input);
  if (!row.ok()) return row.status();
  const RowChange change = table->insert(*row);
  if (change.kind == RowChange::Kind::kClash)
    return unique_violation(*table, change.clash_index, *row);
  return InsertOutcome{change.ref, core().scratch().generated, table->record().row(change.ref),
                       change.kind == RowChange::Kind::kDone};
}

DataResult<InsertOutcome> Transaction::update(TableId id, TableIndexId index_id, Bytes input) {
  LiveTable* table = core().find_table(id);
  if (table == nullptr) return no_such_table(id);
  const DataResult<Bytes> row = prepare_row(*table, input);
  if (!row.ok()) return row.status();
  const StateCore::IndexPlace place = core().find_index(index_id);
  if (place.table != table) return no_such_index(index_id);
  if (!table->schema().indexes[place.index].is_unique)
    return {DataError::kNotUnique,
            Status::failed_precondition("Index was not unique: IndexId({})", index_id.value)};
  const RowChange change = table->update(place.index, *row);
  switch (change.kind) {
    case RowChange::Kind::kClash:
      return unique_violation(*table, change.clash_index, *row);
    case RowChange::Kind::kNoSuchRow: {
      const TableSchema& schema = table->schema();
      return {
          DataError::kNoSuchRow,
          Status::not_found("Key {} was not found in index {}",
                            key_text(schema, schema.indexes[place.index], *row), index_id.value)};
    }
    case RowChange::Kind::kDone:
    case RowChange::Kind::kUnchanged:
      break;
  }
  return InsertOutcome{change.ref, core().scratch().generated, table->record().row(change.ref),
                       change.kind == RowChange::Kind::kDone};
}

DataResult<uint32_t> Transaction::remove_all_of(LiveTable& table, IndexCursor cursor) {
  // Collected first: removal moves index entries under the cursor.
  auto& refs = core().scratch().refs;
  refs.clear();
  uint64_t bytes = 0;
  while (cursor.next()) {
    refs.push_back(cursor.ref());
    bytes += cursor.row().size();
  }
  WL_DATA_RETURN_IF_ERROR(core().charge(bytes));
  for (const RowRef ref : refs) table.remove(ref);
  return static_cast<uint32_t>(refs.size());
}

DataResult<uint32_t> Transaction::delete_point(TableIndexId index_id, Bytes bsatn) {
  const StateCore::IndexPlace place = core().find_index(index_id);
  if (place.table == nullptr) return no_such_index(index_id);
  const IndexView& index = place.table->view().indexes()[place.index];
  IndexKey& key = core().scratch().key;
  WL_DATA_RETURN_IF_ERROR(index.make_point_key(bsatn, key));
  if (!index.schema().is_unique) return remove_all_of(*place.table, index.point(key));
  const std::optional<RowRef> found = index.find_unique(key);
  if (!found) return 0u;
  WL_DATA_RETURN_IF_ERROR(core().charge(place.table->record().row(*found).size()));
  place.table->remove(*found);
  return 1u;
}

DataResult<uint32_t> Transaction::delete_range(TableIndexId index_id, const RangeArguments& range) {
  const StateCore::IndexPlace place = core().find_index(index_id);
  if (place.table == nullptr) return no_such_index(index_id);
  const DataResult<IndexCursor> cursor = place.table->view().indexes()[place.index].range(range);
  if (!cursor.ok()) return cursor.status();
  return remove_all_of(*place.table, *cursor);
}

DataResult<uint32_t> Transaction::delete_by_eq(TableId id, Bytes relation) {
  LiveTable* table = core().find_table(id);
  if (table == nullptr) return no_such_table(id);
  const schema::RowLayout& layout = table->schema().layout;
  schema::BsatnReader reader(relation);
  const Result<uint32_t> count = reader.read_length();
  if (!count.ok()) return {DataError::kDecode, count.status()};
  // Rows without bytes are all the same one.
  const uint32_t rows = layout.fixed_size() == 0u ? std::min(*count, 1u) : *count;
  const Bytes all = reader.rest();
  size_t at = 0;
  for (uint32_t i = 0; i < rows; ++i) {
    const DataResult<size_t> size = find_row_end(layout, all.subspan(at));
    if (!size.ok()) return size.status();
    at += *size;
  }
  WL_DATA_RETURN_IF_ERROR(core().charge(at));
  uint32_t deleted = 0;
  at = 0;
  for (uint32_t i = 0; i < rows; ++i) {
    const Bytes row = all.subspan(at, layout.row_size(all.subspan(at)));
    at += row.size();
    const std::optional<RowRef> found = table->record().find_row(row);
    if (!found) continue;
    table->remove(*found);
    ++deleted;
  }
  return deleted;
}

DataResult<uint64_t> Transaction::clear(TableId id) {
  LiveTable* table = core().find_table(id);
  if (table == nullptr) return no_such_table(id);
  WL_DATA_RETURN_IF_ERROR(core().charge(table->record().row_bytes));
  return table->clear();
}

DataStatus Transaction::delete_row(TableId id, RowRef ref) {
  LiveTable* table = core().find_table(id);
  if (table == nullptr) return no_such_table(id);
  if (!table->record().is_visible(ref))
    return {DataError::kNoSuchRow, Status::not_found("table `{}`: no row at page {} slot {}",
                                                     table->schema().name, ref.page, ref.slot)};
  WL_DATA_RETURN_IF_ERROR(core().charge(table->record().row(ref).size()));
  table->remove(ref);
  return {};
}

DataStatus Transaction::set_row_level_security(TableId, std::string_view) {
  return {DataError::kNotSupported, Status::not_supported("row-level security is not supported")};
}

CommitResult Transaction::commit() {
  CommitResult result = core().commit();
  state_ = nullptr;
  return result;
}

void Transaction::rollback() {
  core().rollback();
  state_ = nullptr;
}

}  // namespace worldline::storage
