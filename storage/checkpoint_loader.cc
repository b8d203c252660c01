// storage/checkpoint_loader.cc: from pages back to a state.
#include "storage/checkpoint_loader.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/task_threads.h"
#include "storage/catalog_rows.h"
#include "storage/page_image.h"
#include "storage/state_core.h"
#include "storage/system_catalog.h"
#include "storage/system_tables.h"

namespace worldline::storage {
namespace {

// Pages are numbered densely; this bounds what a damaged manifest can make us allocate (4 TiB).
constexpr uint32_t kPageNumberMax = 1u << 26;

bool is_stored(const TableSchema& schema) {
  return !schema.is_event && !schema.is_ephemeral;
}

// Rebuilds the tables, all their indexes at once; `verdicts` gets the outcome of each.
void rebuild_tables(const std::vector<LiveTable*>& tables, size_t threads,
                    std::vector<Status>& verdicts) {
  struct Part {
    size_t table;
    size_t part;
  };
  std::vector<Part> parts;
  std::vector<std::vector<std::optional<RowRef>>> repeats(tables.size());
  for (size_t i = 0; i < tables.size(); ++i) {
    repeats[i].resize(tables[i]->begin_rebuild());
    for (size_t part = 0; part < repeats[i].size(); ++part) parts.push_back({i, part});
  }
  run_tasks(threads, parts.size(), [&parts, &repeats, &tables](size_t task) {
    const Part& one = parts[task];
    repeats[one.table][one.part] = tables[one.table]->rebuild_part(one.part);
  });
  for (size_t i = 0; i < tables.size(); ++i) verdicts.push_back(tables[i]->end_rebuild(repeats[i]));
}

}  // namespace

struct CheckpointLoader::Rep {
  CheckpointManifest manifest;
  std::map<TableId, std::map<uint32_t, PagePtr>> pages;

  const CheckpointTable* find(TableId id) const {
    for (const CheckpointTable& table : manifest.tables)
      if (table.table == id) return &table;
    return nullptr;
  }
  Status check_complete() const;
  Status fill(StateCore& core, TableId id);
  Status place_pages(LiveTable& table);
  Status place_user_tables(StateCore& core, std::vector<LiveTable*>& placed);
  Status check_sums(const LiveTable& table) const;
  uint64_t row_count(const std::vector<LiveTable*>& tables) const;
};

CheckpointLoader::CheckpointLoader(CheckpointManifest manifest) : rep_(std::make_unique<Rep>()) {
  rep_->manifest = std::move(manifest);
}
CheckpointLoader::~CheckpointLoader() = default;

Status CheckpointLoader::add_page(TableId id, uint32_t number, Bytes image) {
  const CheckpointTable* table = rep_->find(id);
  const CheckpointPage* listed = nullptr;
  if (table != nullptr) {
    const auto found = std::lower_bound(
        table->pages.begin(), table->pages.end(), number,
        [](const CheckpointPage& page, uint32_t wanted) { return page.number < wanted; });
    if (found != table->pages.end() && found->number == number) listed = &*found;
  }
  if (listed == nullptr || number > kPageNumberMax || listed->version > rep_->manifest.version)
    return Status::corruption("checkpoint: table {} page {} is not expected", id.value, number);
  Result<PagePtr> page = decode_page(image, listed->version);
  if (!page.ok())
    return Status::corruption("checkpoint: table {} page {}: {}", id.value, number,
                              page.status().message());
  const bool is_new = rep_->pages[id].emplace(number, std::move(page).value()).second;
  if (!is_new) return Status::corruption("checkpoint: table {} page {} twice", id.value, number);
  return {};
}

Status CheckpointLoader::Rep::check_complete() const {
  for (const CheckpointTable& table : manifest.tables) {
    const auto found = pages.find(table.table);
    const size_t count = found == pages.end() ? 0 : found->second.size();
    if (count != table.pages.size())
      return Status::corruption("checkpoint: table {} has {} of {} pages", table.table.value, count,
                                table.pages.size());
  }
  return {};
}

// Moves the pages of a table into its live form; nothing is derived from them yet.
Status CheckpointLoader::Rep::place_pages(LiveTable& table) {
  const TableSchema& schema = table.schema();
  if (find(schema.id) == nullptr)
    return Status::corruption("checkpoint: table `{}` is not in the manifest", schema.name);
  const TableRecord& record = table.record();
  for (auto& [number, page] : pages[schema.id]) {
    const bool fits = page->row_class() == kFixedClass
                          ? record.fixed_rows && page->fixed_row_bytes() == record.fixed_row_bytes
                          : !record.fixed_rows;
    if (!fits)
      return Status::corruption("checkpoint: table `{}` page {}: row class", schema.name, number);
    for (uint32_t slot = 0; slot < page->slot_count(); ++slot) {
      if (!page->is_visible(slot)) continue;
      const auto end = schema.layout.find_row_end(page->row(slot));
      if (!end || *end != page->row(slot).size())
        return Status::corruption("checkpoint: table `{}` page {} slot {}: malformed row",
                                  schema.name, number, slot);
    }
    table.add_loaded_page(number, page.release());
  }
  return {};
}

// REQUIRES: place_pages() found the table in the manifest.
Status CheckpointLoader::Rep::check_sums(const LiveTable& table) const {
  const TableRecord& record = table.record();
  const CheckpointTable& expected = *find(table.schema().id);
  if (record.row_count != expected.row_count || !(record.digest == expected.digest))
    return Status::corruption("checkpoint: table `{}` differs from its digest",
                              table.schema().name);
  return {};
}

uint64_t CheckpointLoader::Rep::row_count(const std::vector<LiveTable*>& tables) const {
  uint64_t count = 0;
  for (const LiveTable* table : tables) count += find(table->schema().id)->row_count;
  return count;
}

// A system table: the catalog needs it before there is anything to do beside.
Status CheckpointLoader::Rep::fill(StateCore& core, TableId id) {
  LiveTable& table = *core.find_table(id);
  if (!is_stored(table.schema())) return {};
  WL_RETURN_IF_ERROR(place_pages(table));
  WL_RETURN_IF_ERROR(table.rebuild());
  return check_sums(table);
}

// Up to the first table that is damaged; `placed` are those before it.
Status CheckpointLoader::Rep::place_user_tables(StateCore& core, std::vector<LiveTable*>& placed) {
  WL_ASSIGN_OR_RETURN(const CatalogContent content,
                      CatalogContent::read(core.view(), std::nullopt));
  for (const TableId id : content.table_ids()) {
    if (id < kFirstUserTable) continue;
    WL_RETURN_IF_ERROR(core.reconcile(id, content));
    LiveTable& table = *core.find_table(id);
    if (!is_stored(table.schema())) continue;
    WL_RETURN_IF_ERROR(place_pages(table));
    placed.push_back(&table);
  }
  return {};
}

Result<std::unique_ptr<DatabaseState>> CheckpointLoader::finish(size_t threads_max) {
  WL_CHECK(threads_max >= 1);
  WL_RETURN_IF_ERROR(rep_->check_complete());
  const CheckpointManifest& manifest = rep_->manifest;
  auto core = std::make_unique<StateCore>(manifest.group, manifest.version + 1);
  for (const TableSchemaPtr& schema : system_table_schemas()) {
    core->install_table(schema);
    WL_RETURN_IF_ERROR(rep_->fill(*core, schema->id));
  }
  // The first damaged table in order of ids is told, so those before `stop` are judged first.
  std::vector<LiveTable*> placed;
  const Status stop = rep_->place_user_tables(*core, placed);
  const uint64_t worth = 1 + rep_->row_count(placed) / kRowsPerThreadMin;
  std::vector<Status> rebuilt;
  rebuild_tables(placed, std::min<uint64_t>(threads_max, worth), rebuilt);
  for (size_t i = 0; i < placed.size(); ++i) {
    WL_RETURN_IF_ERROR(rebuilt[i]);
    WL_RETURN_IF_ERROR(rep_->check_sums(*placed[i]));
  }
  WL_RETURN_IF_ERROR(stop);
  for (const CheckpointTable& table : manifest.tables)
    if (core->find_table(table.table) == nullptr)
      return Status::corruption("checkpoint: table {} is not in st_table", table.table.value);
  core->set_next_offset(manifest.next_offset);
  WL_RETURN_IF_ERROR(core->restart_sequences());
  if (!(core->digest() == manifest.digest))
    return Status::corruption("checkpoint: the state differs from its digest");
  return std::unique_ptr<DatabaseState>(new DatabaseState(std::move(core)));
}

}  // namespace worldline::storage
