// storage/catalog.h
//
// Catalog: who is called what: ids and names of tables and indexes, and where their records are.
// Rebuilt as a whole when the schema changes; frozen and shared by snapshots otherwise.
//
// Invariants: a table's position does not change while the table exists; canonical names win over
// accessors [S 05/1.16]. Ownership: keeps the schemas its keys point into. Thread: frozen, any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/id_map.h"
#include "storage/storage_types.h"
#include "storage/table_schema.h"

namespace worldline::storage {

class Catalog {
 public:
  struct Table {
    uint32_t position;
    TableSchemaPtr schema;
  };
  struct IndexPlace {
    uint32_t table = 0;  // Position of the table.
    uint32_t index = 0;  // Position in its schema.
  };

  explicit Catalog(std::vector<Table> tables);
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  std::optional<uint32_t> find_table(TableId id) const;
  std::optional<uint32_t> find_table(std::string_view name) const;
  std::optional<IndexPlace> find_index(TableIndexId id) const;
  std::optional<IndexPlace> find_index(std::string_view name) const;
  std::vector<TableId> table_ids() const;
  const std::vector<Table>& tables() const { return tables_; }  // Ascending by id.

 private:
  std::vector<Table> tables_;
  IdMap<TableId, uint32_t> by_id_;
  IdMap<TableIndexId, IndexPlace> index_by_id_;
  std::unordered_map<std::string_view, uint32_t> by_name_;
  std::unordered_map<std::string_view, IndexPlace> index_by_name_;
};

}  // namespace worldline::storage
