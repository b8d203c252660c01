#include "tests/processes/kv_damage.h"

#include <utility>
#include <vector>

#include "storage/log/log_store.h"
#include "storage/log/row_codec.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/rocksdb_store.h"
#include "tests/processes/node_log.h"

namespace worldline::kv {
namespace {

using storage::Family;
using storage::KeyValueStore;

struct Row {
  ByteBuffer key;
  ByteBuffer value;
};

Result<std::vector<Row>> rows_of(const KeyValueStore& store, Family family) {
  std::vector<Row> rows;
  const ByteBuffer end(64, Byte{0xFF});
  const auto cursor = store.scan(family, {}, end);
  while (cursor->next()) {
    Row& row = rows.emplace_back();
    append(row.key, cursor->key());
    append(row.value, cursor->value());
  }
  WL_RETURN_IF_ERROR(cursor->status());
  return rows;
}

Status flip(KeyValueStore& store, Family family, const Row& row) {
  ByteBuffer value = row.value;
  value.at(value.size() / 2) ^= Byte{0x10};
  const auto batch = store.new_batch();
  batch->put(family, row.key, value);
  WL_RETURN_IF_ERROR(store.apply(*batch, storage::Sync::kNo));
  return store.sync();
}

Status flip_hard(KeyValueStore& store, storage::HardRow which) {
  const storage::LogKey key = storage::hard_key(kGroup, which);
  WL_ASSIGN_OR_RETURN(std::optional<ByteBuffer> value, store.get(Family::kHard, key.span()));
  if (!value) return Status::not_found("there is no such row");
  Row row;
  append(row.key, key.span());
  row.value = *std::move(value);
  return flip(store, Family::kHard, row);
}

Status flip_middle(KeyValueStore& store, Family family) {
  WL_ASSIGN_OR_RETURN(const std::vector<Row> rows, rows_of(store, family));
  if (rows.empty()) return Status::not_found("there is no such row");
  return flip(store, family, rows[rows.size() / 2]);
}

Status flip_all(KeyValueStore& store, Family family) {
  WL_ASSIGN_OR_RETURN(const std::vector<Row> rows, rows_of(store, family));
  if (rows.empty()) return Status::not_found("there is no such row");
  for (const Row& row : rows) WL_RETURN_IF_ERROR(flip(store, family, row));
  return {};
}

}  // namespace

Status damage_row(const std::filesystem::path& data, const std::string& what) {
  WL_ASSIGN_OR_RETURN(const auto directory, storage::DataDirectory::open(data));
  storage::RocksdbOptions options;
  const bool is_page = what == "page";
  options.role = is_page ? storage::DatabaseRole::kCheckpoint : storage::DatabaseRole::kLog;
  options.path = (is_page ? directory->checkpoints() : directory->log()).string();
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<KeyValueStore> store, storage::open_rocksdb(options));
  if (is_page) return flip_all(*store, Family::kPage);
  if (what == "entry") return flip_middle(*store, Family::kLog);
  if (what == "hard-state") return flip_hard(*store, storage::HardRow::kState);
  if (what == "boundary") return flip_hard(*store, storage::HardRow::kBoundary);
  if (what == "tail") return flip_hard(*store, storage::HardRow::kTail);
  return Status::invalid_argument("'{}' is no row", what);
}

}  // namespace worldline::kv
