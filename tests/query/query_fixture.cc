#include "tests/query/query_fixture.h"

#include <algorithm>

#include "base/check.h"
#include "query/first_rows.h"
#include "schema/bsatn.h"
#include "schema/row_layout.h"
#include "storage/transaction.h"

namespace worldline::query::testing {

using schema::AlgebraicType;
using schema::TypeKind;

namespace {

std::string_view inside(std::string_view text) {
  const size_t open = text.find('<');
  return text.substr(open + 1, text.size() - open - 2);
}

AlgebraicType parse_enum(std::string_view names) {
  schema::SumType sum;
  while (!names.empty()) {
    const size_t comma = std::min(names.find(','), names.size());
    sum.variants.push_back({std::string(names.substr(0, comma)), AlgebraicType::unit()});
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return AlgebraicType::sum(std::move(sum));
}

template <typename T>
void put(const Json& cell, ByteBuffer& out) {
  append_le(out, cell.get<T>());
}

// Wide integers of the vectors fit 64 bits; the sign is extended.
void put_wide(const Json& cell, size_t bytes, ByteBuffer& out) {
  const bool negative =
      cell.is_number_integer() && !cell.is_number_unsigned() && cell.get<int64_t>() < 0;
  const uint64_t low = negative ? static_cast<uint64_t>(cell.get<int64_t>()) : cell.get<uint64_t>();
  append_le(out, low);
  out.insert(out.end(), bytes - 8, negative ? 0xff : 0);
}

void put_reversed_hex(std::string text, ByteBuffer& out) {
  std::erase(text, '-');
  ByteBuffer bytes;
  WL_CHECK(parse_hex(text, bytes));
  out.insert(out.end(), bytes.rbegin(), bytes.rend());
}

void encode_number(const Json& cell, TypeKind kind, ByteBuffer& out) {
  switch (kind) {
    case TypeKind::kI8:
      return put<int8_t>(cell, out);
    case TypeKind::kU8:
      return put<uint8_t>(cell, out);
    case TypeKind::kI16:
      return put<int16_t>(cell, out);
    case TypeKind::kU16:
      return put<uint16_t>(cell, out);
    case TypeKind::kI32:
      return put<int32_t>(cell, out);
    case TypeKind::kU32:
      return put<uint32_t>(cell, out);
    case TypeKind::kI64:
      return put<int64_t>(cell, out);
    case TypeKind::kU64:
      return put<uint64_t>(cell, out);
    case TypeKind::kF32:
      return put<float>(cell, out);
    case TypeKind::kF64:
      return put<double>(cell, out);
    case TypeKind::kI128:
    case TypeKind::kU128:
      return put_wide(cell, 16, out);
    case TypeKind::kI256:
    case TypeKind::kU256:
      return put_wide(cell, 32, out);
    case TypeKind::kRef:
    case TypeKind::kSum:
    case TypeKind::kProduct:
    case TypeKind::kArray:
    case TypeKind::kString:
    case TypeKind::kBool:
      break;
  }
  WL_CHECK(false);
}

}  // namespace

AlgebraicType parse_type(std::string_view text) {
  if (text == "Bytes") return AlgebraicType::bytes();
  if (text == "Identity") return AlgebraicType::identity();
  if (text == "ConnectionId") return AlgebraicType::connection_id();
  if (text == "Timestamp") return AlgebraicType::timestamp();
  if (text == "TimeDuration") return AlgebraicType::time_duration();
  if (text == "Uuid") return AlgebraicType::uuid();
  if (text.substr(0, 7) == "Option<") return AlgebraicType::option(parse_type(inside(text)));
  if (text.substr(0, 6) == "Array<") return AlgebraicType::array(parse_type(inside(text)));
  if (text.substr(0, 5) == "Enum<") return parse_enum(inside(text));
  const auto kind = schema::find_type_kind(text);
  WL_CHECK(kind.has_value());
  return AlgebraicType::primitive(*kind);
}

void encode_cell(const Json& cell, const AlgebraicType& type, ByteBuffer& out) {
  schema::BsatnWriter writer(out);
  if (type.is_string()) return writer.write_string(cell.get<std::string>());
  if (type.is_bytes()) {
    ByteBuffer bytes;
    WL_CHECK(parse_hex(cell.get<std::string>(), bytes));
    return writer.write_byte_array(bytes);
  }
  if (type.is_identity() || type.is_connection_id() || type.is_uuid())
    return put_reversed_hex(cell.get<std::string>(), out);
  if (type.is_timestamp() || type.is_time_duration()) return put<int64_t>(cell, out);
  if (type.kind() == TypeKind::kBool) return writer.write_bool(cell.get<bool>());
  if (type.is_array()) {
    writer.write_length(cell.size());
    for (const Json& item : cell) encode_cell(item, type.element(), out);
    return;
  }
  if (type.is_sum()) {
    const auto tag = cell[0].get<uint8_t>();
    writer.write_tag(tag);
    return encode_cell(cell[1], type.as_sum().variants[tag].type, out);
  }
  if (type.is_product()) {
    const auto& elements = type.as_product().elements;
    for (size_t i = 0; i < elements.size(); ++i) encode_cell(cell[i], elements[i].type, out);
    return;
  }
  encode_number(cell, type.kind(), out);
}

ByteBuffer encode_row(const Json& row, const schema::ProductType& type) {
  ByteBuffer out;
  WL_CHECK(row.size() == type.elements.size());
  for (size_t i = 0; i < row.size(); ++i) encode_cell(row[i], type.elements[i].type, out);
  return out;
}

Rows encode_rows(const Json& rows, const schema::ProductType& type) {
  Rows out;
  for (const Json& row : rows) out.emplace(as_text(encode_row(row, type)));
  return out;
}

Rows split_rows(Bytes rows, const schema::ProductType& type) {
  auto layout = schema::RowLayout::compile(type);
  WL_CHECK(layout.ok());
  Rows out;
  while (!rows.empty()) {
    const size_t size = layout->row_size(rows);
    out.emplace(as_text(rows.first(size)));
    rows = rows.subspan(size);
  }
  return out;
}

Caller caller_of(Byte last, CallerClass caller_class) {
  Caller caller;
  caller.identity.le[31] = 0xc2;
  caller.identity.le[0] = last;
  caller.caller_class = caller_class;
  return caller;
}

Result<std::vector<RowBlock>> subscribe(SubscriptionSet& set, const SubscribeRequest& request,
                                        const storage::ReadView& view) {
  WL_ASSIGN_OR_RETURN(const std::vector<QueryPtr> queries, set.subscribe(request, view));
  ReadBudget budget;
  auto rows = first_rows(queries, view, budget);
  if (rows.ok()) return rows;
  EXPECT_TRUE(set.unsubscribe(request.client, request.query_set_id).ok());
  return rows;
}

Caller owner() {
  return caller_of(1, CallerClass::kOwner);
}

Caller stranger() {
  return caller_of(2, CallerClass::kOther);
}

TestDatabase::TestDatabase() : state_(storage::DatabaseState::bootstrap({GroupId(7)})) {}

void TestDatabase::create_table(const TableSpec& spec) {
  storage::TableDefinition definition;
  definition.name = spec.name;
  definition.accessor = spec.accessor;
  definition.is_public = spec.is_public;
  definition.is_event = spec.is_event;
  const auto column_id = [&](const std::string& name) {
    for (size_t i = 0; i < spec.columns.size(); ++i)
      if (spec.columns[i].first == name) return ColumnId(static_cast<uint16_t>(i));
    WL_CHECK(false);
    return ColumnId(0);
  };
  for (const auto& [name, type] : spec.columns) {
    storage::ColumnDefinition column{name, "", parse_type(type)};
    for (const auto& [accessor, canonical] : spec.column_accessors)
      if (canonical == name) column.accessor = accessor;
    definition.columns.push_back(std::move(column));
  }
  const auto add_index = [&](const std::vector<std::string>& names,
                             storage::IndexAlgorithm algorithm, std::string suffix) {
    storage::IndexDefinition index;
    index.name = spec.name;
    for (const std::string& name : names) {
      index.name += "_" + name;
      index.columns.push_back(column_id(name));
    }
    index.name += suffix;
    index.algorithm = algorithm;
    definition.indexes.push_back(std::move(index));
  };
  for (const auto& names : spec.indexes)
    add_index(names, storage::IndexAlgorithm::kBTree, "_idx_btree");
  for (const auto& names : spec.hash_indexes)
    add_index(names, storage::IndexAlgorithm::kHash, "_idx_hash");
  if (!spec.primary_key.empty()) {
    definition.primary_key = column_id(spec.primary_key);
    definition.constraints.push_back(
        {spec.name + "_" + spec.primary_key + "_key", {*definition.primary_key}});
  }
  storage::Transaction transaction = begin();
  const auto created = transaction.create_table(definition);
  ASSERT_TRUE(created.ok()) << created.status().message();
  transaction.commit();
}

const storage::TableSchema& TestDatabase::schema(std::string_view table) const {
  const storage::TableView* found = view().find_table(table);
  WL_CHECK(found != nullptr);
  return found->schema();
}

storage::TxDataPtr TestDatabase::change(const std::map<std::string, Json>& deletes,
                                        const std::map<std::string, Json>& inserts) {
  storage::Transaction transaction = begin();
  for (const auto& [table, rows] : deletes) {
    const storage::TableSchema& table_schema = schema(table);
    for (const Json& row : rows) {
      const ByteBuffer bytes = encode_row(row, table_schema.row_type);
      const auto ref = transaction.view().find_table(table_schema.id)->find_row(bytes);
      EXPECT_TRUE(ref.has_value()) << "no such row in " << table << ": " << row.dump();
      if (!ref) continue;
      EXPECT_TRUE(transaction.delete_row(table_schema.id, *ref).ok());
    }
  }
  for (const auto& [table, rows] : inserts) {
    const storage::TableSchema& table_schema = schema(table);
    for (const Json& row : rows) {
      const auto outcome =
          transaction.insert(table_schema.id, encode_row(row, table_schema.row_type));
      EXPECT_TRUE(outcome.ok()) << outcome.status().message();
    }
  }
  return transaction.commit().tx_data;
}

Rows TestDatabase::rows(std::string_view table) const {
  Rows out;
  for (storage::RowCursor cursor = view().find_table(table)->scan(); cursor.next();)
    out.emplace(as_text(cursor.row()));
  return out;
}

}  // namespace worldline::query::testing
