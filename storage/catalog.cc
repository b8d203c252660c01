// storage/catalog.cc: the look-up tables of a catalog.
#include "storage/catalog.h"

#include <algorithm>

namespace worldline::storage {
namespace {

template <typename Id, typename Value>
std::optional<Value> look_up(const IdMap<Id, Value>& map, Id id) {
  const Value* const found = map.find(id);
  return found == nullptr ? std::nullopt : std::optional<Value>(*found);
}

template <typename Value>
std::optional<Value> look_up(const std::unordered_map<std::string_view, Value>& map,
                             std::string_view key) {
  const auto found = map.find(key);
  if (found == map.end()) return std::nullopt;
  return found->second;
}

}  // namespace

Catalog::Catalog(std::vector<Table> tables) : tables_(std::move(tables)) {
  std::sort(tables_.begin(), tables_.end(),
            [](const Table& a, const Table& b) { return a.schema->id < b.schema->id; });
  // Canonical names first; emplace keeps what is there, so an accessor never hides one.
  for (const Table& table : tables_) {
    by_id_.set(table.schema->id, table.position);
    by_name_.emplace(table.schema->name, table.position);
    for (uint32_t i = 0; i < table.schema->indexes.size(); ++i) {
      index_by_id_.set(table.schema->indexes[i].id, {table.position, i});
      index_by_name_.emplace(table.schema->indexes[i].name, IndexPlace{table.position, i});
    }
  }
  for (const Table& table : tables_) {
    by_name_.emplace(table.schema->accessor, table.position);
    for (uint32_t i = 0; i < table.schema->indexes.size(); ++i)
      index_by_name_.emplace(table.schema->indexes[i].accessor, IndexPlace{table.position, i});
  }
}

std::optional<uint32_t> Catalog::find_table(TableId id) const {
  return look_up(by_id_, id);
}
std::optional<uint32_t> Catalog::find_table(std::string_view name) const {
  return look_up(by_name_, name);
}
std::optional<Catalog::IndexPlace> Catalog::find_index(TableIndexId id) const {
  return look_up(index_by_id_, id);
}
std::optional<Catalog::IndexPlace> Catalog::find_index(std::string_view name) const {
  return look_up(index_by_name_, name);
}

std::vector<TableId> Catalog::table_ids() const {
  std::vector<TableId> ids;
  ids.reserve(tables_.size());
  for (const Table& table : tables_) ids.push_back(table.schema->id);
  return ids;
}

}  // namespace worldline::storage
