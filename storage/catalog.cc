// storage/catalog.cc: the look-up tables of a catalog.
#include "storage/catalog.h"

#include <algorithm>

namespace worldline::storage {
namespace {

template <typename Map, typename Key>
std::optional<typename Map::mapped_type> look_up(const Map& map, const Key& key) {
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
    by_id_.emplace(table.schema->id, table.position);
    by_name_.emplace(table.schema->name, table.position);
    for (uint32_t i = 0; i < table.schema->indexes.size(); ++i) {
      index_by_id_.emplace(table.schema->indexes[i].id, IndexPlace{table.position, i});
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
