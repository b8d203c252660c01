// storage/tx_data.cc: collecting and packing the net change of a transaction.
#include "storage/tx_data.h"

#include <algorithm>

#include "base/check.h"
#include "storage/tx_data_pool.h"

namespace worldline::storage {

const TableDelta* TxData::find_table(TableId id) const {
  const auto found = std::lower_bound(
      tables.begin(), tables.end(), id,
      [](const TableDelta& delta, TableId wanted) { return delta.table < wanted; });
  return found != tables.end() && found->table == id ? &*found : nullptr;
}

size_t TxData::row_count() const {
  size_t count = 0;
  for (const TableDelta& delta : tables) count += delta.inserts.size() + delta.deletes.size();
  return count;
}

Byte* TxData::make_block(size_t bytes) {
  if (bytes > block_bytes_) {
    block_.reset(new Byte[bytes]);
    block_bytes_ = bytes;
  }
  return block_.get();
}

void TxData::recycle(size_t block_bytes_max, size_t tables_max) {
  tables.clear();
  if (tables.capacity() > tables_max) tables.shrink_to_fit();
  if (block_bytes_ > block_bytes_max) {
    block_ = nullptr;
    block_bytes_ = 0;
  }
  reducer = {};
  args = {};
}

void TxDataBuilder::Rows::clear() {
  bytes.clear();
  ends.clear();
  refs.clear();
}

void TxDataBuilder::begin_table(TableId id, TableSchemaPtr schema) {
  WL_CHECK(tables_.empty() || tables_.back().id < id);
  PendingTable& table = tables_.emplace_back();
  table.id = id;
  table.schema = std::move(schema);
  table.inserts.first_row = inserts_.ends.size();
  table.inserts.first_byte = inserts_.bytes.size();
  table.deletes.first_row = deletes_.ends.size();
  table.deletes.first_byte = deletes_.bytes.size();
}

void TxDataBuilder::add(Rows& rows, Range& range, RowRef ref, Bytes row) {
  append(rows.bytes, row);
  range.byte_count += row.size();
  ++range.row_count;
  WL_CHECK(range.byte_count <= UINT32_MAX);  // Callers limit a transaction to 1 GiB.
  rows.ends.push_back(static_cast<uint32_t>(range.byte_count));
  rows.refs.push_back(ref);
}

void TxDataBuilder::add_insert(RowRef ref, Bytes row) {
  add(inserts_, tables_.back().inserts, ref, row);
}
void TxDataBuilder::add_delete(RowRef ref, Bytes row) {
  add(deletes_, tables_.back().deletes, ref, row);
}
void TxDataBuilder::set_truncated(bool truncated) {
  tables_.back().truncated = truncated;
}
void TxDataBuilder::set_ephemeral(bool is_ephemeral) {
  tables_.back().is_ephemeral = is_ephemeral;
}

bool TxDataBuilder::current_table_is_empty() const {
  const PendingTable& table = tables_.back();
  return table.inserts.row_count == 0 && table.deletes.row_count == 0 && !table.truncated;
}

void TxDataBuilder::drop_current_table() {
  WL_CHECK(current_table_is_empty());
  tables_.pop_back();
}

std::shared_ptr<TxData> TxDataBuilder::finish(const TxInfo& info, TxOffset offset,
                                              bool consumed_offset) {
  auto data = pool_ != nullptr ? pool_->take() : std::make_shared<TxData>();
  data->offset = offset;
  data->consumed_offset = consumed_offset;
  data->timestamp = info.timestamp;
  data->caller = info.caller;
  data->connection_id = info.connection_id;

  // One block: refs and ends of both lists (aligned), then row bytes, reducer name, arguments.
  const size_t rows = inserts_.ends.size() + deletes_.ends.size();
  static_assert(sizeof(RowRef) == 8 && alignof(RowRef) == 4);
  const size_t bytes = inserts_.bytes.size() + deletes_.bytes.size();
  const size_t total =
      rows * (sizeof(RowRef) + sizeof(uint32_t)) + bytes + info.reducer.size() + info.args.size();
  Byte* at = data->make_block(total);
  const auto put = [&at](const void* from, size_t count) {
    Byte* begin = at;
    if (count != 0) std::memcpy(at, from, count);
    at += count;
    return begin;
  };
  const auto* insert_refs = reinterpret_cast<const RowRef*>(
      put(inserts_.refs.data(), inserts_.refs.size() * sizeof(RowRef)));
  const auto* delete_refs = reinterpret_cast<const RowRef*>(
      put(deletes_.refs.data(), deletes_.refs.size() * sizeof(RowRef)));
  const auto* insert_ends = reinterpret_cast<const uint32_t*>(
      put(inserts_.ends.data(), inserts_.ends.size() * sizeof(uint32_t)));
  const auto* delete_ends = reinterpret_cast<const uint32_t*>(
      put(deletes_.ends.data(), deletes_.ends.size() * sizeof(uint32_t)));
  const Byte* insert_bytes = put(inserts_.bytes.data(), inserts_.bytes.size());
  const Byte* delete_bytes = put(deletes_.bytes.data(), deletes_.bytes.size());
  data->reducer = as_text({put(info.reducer.data(), info.reducer.size()), info.reducer.size()});
  data->args = {put(info.args.data(), info.args.size()), info.args.size()};

  const auto list = [](const Range& range, const Byte* all, const uint32_t* ends,
                       const RowRef* refs) {
    return RowList{{all + range.first_byte, range.byte_count},
                   {ends + range.first_row, range.row_count},
                   {refs + range.first_row, range.row_count}};
  };
  data->tables.reserve(tables_.size());
  for (PendingTable& table : tables_)
    data->tables.push_back({table.id, std::move(table.schema),
                            list(table.inserts, insert_bytes, insert_ends, insert_refs),
                            list(table.deletes, delete_bytes, delete_ends, delete_refs),
                            table.truncated, table.is_ephemeral});
  tables_.clear();
  inserts_.clear();
  deletes_.clear();
  return data;
}

}  // namespace worldline::storage
