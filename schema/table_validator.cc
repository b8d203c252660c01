#include "schema/table_validator.h"

#include <algorithm>

#include <fmt/format.h>

#include "schema/bsatn.h"
#include "schema/number_text.h"

namespace worldline::schema {
namespace {

constexpr size_t kColumnsMax = UINT16_MAX;  // A column id is a U16.

template <typename List>
std::string print_columns_debug(const List& columns) {
  std::string out = "[";
  for (size_t i = 0; i < columns.size(); ++i)
    out += fmt::format("{}ColId({})", i == 0 ? "" : ", ", columns[i]);
  return out + "]";
}

std::vector<uint16_t> numbers_of(const std::vector<ColumnId>& columns) {
  std::vector<uint16_t> out;
  for (const ColumnId column : columns) out.push_back(column.value);
  return out;
}

std::string print_optional(const OptionalInt128& value) {
  if (!value) return "None";
  std::string out = "Some(";
  append_decimal(*value, out);
  return out + ")";
}

std::vector<ColumnId> sorted_set(std::vector<ColumnId> columns) {
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

const char* algorithm_suffix(IndexAlgorithm algorithm) {
  switch (algorithm) {
    case IndexAlgorithm::kBTree:
      return "idx_btree";
    case IndexAlgorithm::kHash:
      return "idx_hash";
    case IndexAlgorithm::kDirect:
      return "idx_direct";
  }
  return "idx";
}

}  // namespace

void NameSpace::take(const std::string& name) {
  if (!taken_.insert(name).second)
    errors_.add(DefinitionError::kDuplicateName, "name `{}` is used for multiple entities", name);
}

void NameSpace::take(const std::string& source, const std::string& canonical) {
  take(canonical);
  if (source != canonical) take(source);
}

std::string print_column(const TableDef& table, ColumnId column) {
  return fmt::format("table `{}` column `{}`", table.name, table.columns[column.value].name);
}

TableValidator::TableValidator(const ValidationContext& context, const InputTable& input)
    : context_(context), input_(input), errors_(context.errors) {
  table_.name = input.name.canonical;
  table_.accessor_name = input.name.source;
  table_.full_name = context.prefix + table_.name;
  table_.full_accessor_name = context.prefix + table_.accessor_name;
  table_.product_type_ref = input.product_type_ref;
  table_.kind = input.kind;
  table_.access = input.access;
  table_.is_event = input.is_event;
}

TableDef TableValidator::build() {
  errors_.check_identifier(table_.name);
  context_.names.take(input_.name.source, input_.name.canonical);
  if (table_.name.starts_with("st_") && table_.kind != TableKind::kSystem)
    errors_.add(DefinitionError::kReservedTableName, "Table name is reserved for system use: {}",
                table_.name);
  if (!build_columns()) return std::move(table_);
  build_indexes();
  build_constraints();
  build_primary_key();
  build_sequences();
  build_defaults();
  auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(table_.indexes.begin(), table_.indexes.end(), by_name);
  std::sort(table_.constraints.begin(), table_.constraints.end(), by_name);
  std::sort(table_.sequences.begin(), table_.sequences.end(), by_name);
  return std::move(table_);
}

bool TableValidator::build_columns() {
  const AlgebraicType* source = context_.input.source_types.find(input_.product_type_ref);
  if (source == nullptr || !source->is_product()) {
    errors_.add(DefinitionError::kBadRowProduct, "Table {} has invalid product_type_ref &{}",
                table_.name, input_.product_type_ref);
    return false;
  }
  const auto& elements = source->as_product().elements;
  if (elements.size() > kColumnsMax) {
    errors_.add(DefinitionError::kTooManyColumns, "table `{}` has {} columns, the limit is {}",
                table_.name, elements.size(), kColumnsMax);
    return false;
  }
  const auto& converted = context_.input.types.types[input_.product_type_ref].as_product().elements;
  for (size_t i = 0; i < elements.size(); ++i) build_column(i, elements[i], converted[i]);
  std::set<std::string> seen;
  for (const auto& column : table_.columns)
    if (!seen.insert(column.name).second)
      errors_.add(DefinitionError::kDuplicateColumn,
                  "table `{}` has more than one column named `{}`", table_.name, column.name);
  return true;
}

void TableValidator::build_column(size_t position, const ProductElement& source,
                                  const ProductElement& converted) {
  ColumnDef column;
  column.name = converted.name.value_or(fmt::format("col_{}", position));
  column.accessor_name = source.name.value_or(column.name);
  if (!source.name) {
    errors_.add(DefinitionError::kUnnamedColumn,
                "table `{}` has unnamed column `{}`, which is forbidden.", table_.name, position);
  } else {
    errors_.check_identifier(column.name);
  }
  const TypeLocation location{TypeUse::kTypespaceRef, {}, input_.product_type_ref};
  if (const auto problem = context_.checker.find_use_problem(source.type)) {
    errors_.add_type_shape(location, *problem);
  } else {
    auto resolved = context_.checker.resolve_column(converted.type, context_.input.types);
    if (!resolved.ok()) {
      errors_.add_type_shape(location, resolved.status().message());
    } else {
      column.type = std::move(resolved).value();
    }
  }
  table_.row_type.elements.push_back({column.name, column.type});
  table_.columns.push_back(std::move(column));
}

std::string TableValidator::joined_names(const ColumnList& list) const {
  std::string out;
  for (const uint16_t column : list) {
    if (!out.empty()) out += '_';
    out += column < table_.columns.size() ? table_.columns[column].name
                                          : fmt::format("col_{}", column);
  }
  return out;
}

std::string TableValidator::print_column(ColumnId column) const {
  return schema::print_column(table_, column);
}

std::vector<ColumnId> TableValidator::columns_of(const ColumnList& list, const std::string& def) {
  std::vector<ColumnId> out;
  for (const uint16_t column : list) {
    if (column < table_.columns.size()) {
      out.emplace_back(column);
      continue;
    }
    errors_.add(DefinitionError::kUnknownColumn,
                "column `{}` referenced by def {} not found in table `{}`", column, def,
                table_.name);
  }
  if (list.empty())
    errors_.add(DefinitionError::kNoColumns, "def `{}` of table `{}` has no columns", def,
                table_.name);
  if (sorted_set(out).size() != out.size())
    errors_.add(DefinitionError::kRepeatedColumns, "def `{}` has duplicate columns: {}", def,
                print_columns_debug(list));
  return out;
}

void TableValidator::build_indexes() {
  for (const auto& index : input_.indexes) table_.indexes.push_back(build_index(index));
}

IndexDef TableValidator::build_index(const InputIndex& index) {
  IndexDef def;
  def.algorithm = index.algorithm.kind;
  def.name = index.given_name.value_or(fmt::format("{}_{}_{}", table_.name,
                                                   joined_names(index.algorithm.columns),
                                                   algorithm_suffix(def.algorithm)));
  def.source_name = index.source_name.value_or(def.name);
  def.full_name = context_.prefix + def.name;
  def.full_source_name = context_.prefix + def.source_name;
  def.accessor_name = index.accessor_name;
  const bool is_v10 = context_.input.version == 10;
  if (is_v10 && !index.source_name)
    errors_.add(DefinitionError::kIndexWithoutName, "index `{}` of table `{}` has no source name",
                def.name, table_.name);
  if (is_v10) errors_.check_identifier(def.name);
  if (def.accessor_name) errors_.check_identifier(*def.accessor_name);
  context_.names.take(def.source_name, def.name);
  def.columns = columns_of(index.algorithm.columns, def.name);
  check_direct(def);
  return def;
}

void TableValidator::check_direct(const IndexDef& index) {
  if (index.algorithm != IndexAlgorithm::kDirect || index.columns.empty()) return;
  const AlgebraicType& type = table_.columns[index.columns[0].value].type;
  const bool is_small_unsigned =
      type.is_integer() && !type.is_signed_integer() && type.primitive_bytes() <= 8;
  if (is_small_unsigned || type.is_plain_enum()) return;
  errors_.add(DefinitionError::kDirectIndexType,
              "Direct index does not support type `{}` in column `{}` in index `{}`", print(type),
              print_column(index.columns[0]), index.name);
}

void TableValidator::build_constraints() {
  for (const auto& constraint : input_.constraints) {
    ConstraintDef def;
    def.name = constraint.given_name.value_or(
        fmt::format("{}_{}_key", table_.name, joined_names(constraint.columns)));
    def.full_name = context_.prefix + def.name;
    context_.names.take(def.name);
    def.columns = sorted_set(columns_of(constraint.columns, def.name));
    const bool has_index = std::any_of(
        table_.indexes.begin(), table_.indexes.end(),
        [&def](const IndexDef& index) { return sorted_set(index.columns) == def.columns; });
    if (!has_index)
      errors_.add(DefinitionError::kUniqueWithoutIndex,
                  "No index found to support unique constraint `{}` for columns `{}`", def.name,
                  print_columns_debug(numbers_of(def.columns)));
    table_.constraints.push_back(std::move(def));
  }
}

void TableValidator::build_primary_key() {
  if (input_.primary_key.empty()) return;
  if (input_.primary_key.size() > 1) {
    errors_.add(DefinitionError::kMultiplePrimaryKeys,
                "table `{}` has multiple primary key annotations", table_.name);
    return;
  }
  const std::vector<ColumnId> columns = columns_of(input_.primary_key, table_.name);
  if (columns.empty()) return;
  table_.primary_key = columns[0];
  const bool is_unique =
      std::any_of(table_.constraints.begin(), table_.constraints.end(),
                  [&columns](const ConstraintDef& def) { return def.columns == columns; });
  if (!is_unique)
    errors_.add(DefinitionError::kPrimaryKeyWithoutUnique,
                "{} is primary key but has no unique constraint", print_column(columns[0]));
}

void TableValidator::build_sequences() {
  std::set<ColumnId> seen;
  for (const auto& sequence : input_.sequences) {
    SequenceDef def;
    def.name = sequence.given_name.value_or(
        fmt::format("{}_{}_seq", table_.name, joined_names({sequence.column})));
    def.full_name = context_.prefix + def.name;
    def.start = sequence.start;
    def.min_value = sequence.min_value;
    def.max_value = sequence.max_value;
    def.increment = sequence.increment;
    context_.names.take(def.name);
    const std::vector<ColumnId> columns = columns_of({sequence.column}, def.name);
    if (columns.empty()) continue;
    def.column = columns[0];
    if (!seen.insert(def.column).second)
      errors_.add(DefinitionError::kSecondSequence,
                  "Attempt to define {} with more than 1 auto_inc sequence",
                  print_column(def.column));
    check_sequence(def);
    table_.sequences.push_back(std::move(def));
  }
}

void TableValidator::check_sequence(const SequenceDef& sequence) {
  const AlgebraicType& type = table_.columns[sequence.column.value].type;
  if (!type.is_integer())
    errors_.add(DefinitionError::kSequenceType,
                "invalid sequence column type: {} with type `{}` in sequence `{}`",
                print_column(sequence.column), print(type), sequence.name);
  // As far as given: min <= start <= max, and min <= max without a start.
  const bool start_too_low =
      sequence.min_value && sequence.start && *sequence.start < *sequence.min_value;
  const bool start_too_high =
      sequence.max_value && sequence.start && *sequence.start > *sequence.max_value;
  const bool no_range =
      sequence.min_value && sequence.max_value && *sequence.min_value > *sequence.max_value;
  if (start_too_low || start_too_high || no_range)
    errors_.add(DefinitionError::kSequenceRange,
                "invalid sequence range information: expected {} <= {} <= {} in sequence `{}`",
                print_optional(sequence.min_value), print_optional(sequence.start),
                print_optional(sequence.max_value), sequence.name);
}

void TableValidator::build_defaults() {
  std::set<uint16_t> seen;
  for (const auto& value : input_.defaults) {
    if (value.column >= table_.columns.size()) {
      errors_.add(DefinitionError::kUnknownColumn,
                  "column `{}` referenced by def {} not found in table `{}`", value.column,
                  table_.name, table_.name);
      continue;
    }
    if (!seen.insert(value.column).second && context_.input.version == 9)
      errors_.add(DefinitionError::kTwoDefaults, "Multiple default values for table {} column {}",
                  table_.name, value.column);
    ColumnDef& column = table_.columns[value.column];
    BsatnReader reader(value.value);
    const Status status = skip_value(column.type, Typespace::empty(), reader);
    if (!status.ok()) {
      errors_.add(DefinitionError::kBadDefault,
                  "Failed to deserialize default value for table {} column {}: {}", table_.name,
                  value.column, status.message());
      continue;
    }
    const Bytes used = Bytes(value.value).first(reader.consumed());
    column.default_value = ByteBuffer(used.begin(), used.end());  // V10: the last one wins.
  }
}

}  // namespace worldline::schema
