// tests/storage/storage_fixture.h
//
// Builders for tests of the storage room: rows as BSATN, table definitions, and a database with a
// few habits of its own (commit in one line, contents as plain containers).
//
// Thread: one. Ownership: values.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "schema/bsatn.h"
#include "storage/database_state.h"
#include "storage/system_tables.h"

namespace worldline::storage {

using schema::AlgebraicType;
using schema::TypeKind;

inline AlgebraicType number_type(TypeKind kind) {
  return AlgebraicType::primitive(kind);
}

// One BSATN row or value, part by part.
class Row {
 public:
  Row& u8(uint8_t value) { return add(value); }
  Row& u16(uint16_t value) { return add(value); }
  Row& u32(uint32_t value) { return add(value); }
  Row& u64(uint64_t value) { return add(value); }
  Row& i32(int32_t value) { return add(value); }
  Row& i64(int64_t value) { return add(value); }
  Row& f64(double value) { return add(value); }
  Row& text(std::string_view value) {
    schema::BsatnWriter(bytes_).write_string(value);
    return *this;
  }
  Row& raw(Bytes bytes) {
    append(bytes_, bytes);
    return *this;
  }
  operator Bytes() const { return bytes_; }  // NOLINT(google-explicit-constructor): reads as a row.
  const ByteBuffer& bytes() const { return bytes_; }
  std::string str() const { return std::string(as_text(bytes_)); }

 private:
  template <typename T>
  Row& add(T value) {
    append_le(bytes_, value);
    return *this;
  }
  ByteBuffer bytes_;
};

inline ByteBuffer relation(const std::vector<Row>& rows) {
  ByteBuffer bytes;
  append_le(bytes, static_cast<uint32_t>(rows.size()));
  for (const Row& row : rows) append(bytes, row);
  return bytes;
}

// A definition in a chain of calls.
class Define {
 public:
  explicit Define(std::string name) {
    definition_.name = std::move(name);
    definition_.is_public = true;
  }
  Define& column(std::string name, AlgebraicType type) {
    definition_.columns.push_back({std::move(name), "", std::move(type)});
    return *this;
  }
  Define& index(std::vector<uint16_t> columns, IndexAlgorithm algorithm = IndexAlgorithm::kBTree) {
    IndexDefinition index;
    index.algorithm = algorithm;
    for (const uint16_t c : columns) index.columns.emplace_back(c);
    constexpr const char* kNames[] = {"", "btree", "direct", "hash"};
    index.name = joined(columns) + "_idx_" + kNames[static_cast<size_t>(algorithm)];
    definition_.indexes.push_back(std::move(index));
    return *this;
  }
  Define& unique(std::vector<uint16_t> columns, IndexAlgorithm algorithm = IndexAlgorithm::kBTree) {
    index(columns, algorithm);
    ConstraintDefinition constraint{joined(columns) + "_key", {}};
    for (const uint16_t c : columns) constraint.columns.emplace_back(c);
    definition_.constraints.push_back(std::move(constraint));
    return *this;
  }
  Define& primary_key(uint16_t column) {
    definition_.primary_key = ColumnId(column);
    return unique({column});
  }
  Define& auto_inc(uint16_t column) {
    SequenceDefinition sequence;
    sequence.name = joined({column}) + "_seq";
    sequence.column = ColumnId(column);
    definition_.sequences.push_back(std::move(sequence));
    return *this;
  }
  Define& event() {
    definition_.is_event = true;
    return *this;
  }
  TableDefinition& get() { return definition_; }
  operator const TableDefinition&() const {  // NOLINT(google-explicit-constructor): a builder.
    return definition_;
  }

 private:
  std::string joined(const std::vector<uint16_t>& columns) const {
    std::string name = definition_.name;
    for (const uint16_t c : columns) name += "_" + definition_.columns[c].name;
    return name;
  }
  TableDefinition definition_;
};

// Every row of a table with its place, in physical order.
using Placed = std::vector<std::pair<RowRef, std::string>>;
inline Placed placed_rows(const TableView& table) {
  Placed rows;
  RowCursor cursor = table.scan();
  while (cursor.next()) rows.emplace_back(cursor.ref(), as_text(cursor.row()));
  return rows;
}
using Contents = std::map<uint32_t, Placed>;  // By table id.
inline Contents contents(const ReadView& view) {
  Contents all;
  for (const TableId id : view.table_ids()) all[id.value] = placed_rows(*view.find_table(id));
  return all;
}

inline std::vector<std::string> texts(const RowList& rows) {
  std::vector<std::string> all;
  for (size_t i = 0; i < rows.size(); ++i) all.emplace_back(as_text(rows[i]));
  return all;
}

// The same change set as a decoded log record would be: no schemas, and no deletes of a truncation.
enum class Deletes : uint8_t { kKept, kLeftOutIfTruncated };
inline std::shared_ptr<TxData> as_decoded(const TxData& data, Deletes deletes) {
  TxDataBuilder builder;
  for (const TableDelta& delta : data.tables) {
    builder.begin_table(delta.table, nullptr);
    for (size_t i = 0; i < delta.inserts.size(); ++i)
      builder.add_insert(delta.inserts.refs[i], delta.inserts[i]);
    const bool keep = deletes == Deletes::kKept || !delta.truncated;
    for (size_t i = 0; keep && i < delta.deletes.size(); ++i)
      builder.add_delete(delta.deletes.refs[i], delta.deletes[i]);
    builder.set_truncated(delta.truncated);
  }
  return builder.finish(TxInfo{}, data.offset, data.consumed_offset);
}

class StorageTest : public testing::Test {
 protected:
  StorageTest() : db(DatabaseState::bootstrap({GroupId(7)})) {}

  Transaction begin(std::string_view reducer = "r") {
    TxInfo info;
    info.reducer = reducer;
    return db->begin(info);
  }
  TableId create(const TableDefinition& definition) {
    Transaction tx = begin();
    const DataResult<TableId> id = tx.create_table(definition);
    EXPECT_TRUE(id.ok()) << id.status().message();
    tx.commit();
    return *id;
  }
  // Inserts in a transaction of their own.
  TxDataPtr insert_all(TableId table, const std::vector<Row>& rows) {
    Transaction tx = begin();
    for (const Row& row : rows) {
      const DataResult<InsertOutcome> outcome = tx.insert(table, row);
      EXPECT_TRUE(outcome.ok()) << outcome.status().message();
    }
    return tx.commit().tx_data;
  }
  const TableView& table(TableId id) const { return *db->view().find_table(id); }
  const IndexView& index(TableId id, size_t position = 0) const {
    return table(id).indexes()[position];
  }
  TableIndexId index_id(TableId id, size_t position = 0) const {
    return index(id, position).schema().id;
  }
  uint64_t count(TableId id) const { return table(id).row_count(); }
  void check() {
    const Status status = db->check_invariants();
    EXPECT_TRUE(status.ok()) << status.message();
  }

  std::unique_ptr<DatabaseState> db;
};

}  // namespace worldline::storage
