// storage/checkpoint_source.cc: manifests and page images, written and read.
#include "storage/checkpoint_source.h"

#include <algorithm>

#include "schema/bsatn.h"
#include "storage/database_root.h"
#include "storage/page_image.h"

namespace worldline::storage {
namespace {

constexpr uint32_t kManifestFormat = 1;
constexpr uint8_t kImageFormat = 1;
constexpr size_t kDigestBytes = 16;

void write_digest(schema::BsatnWriter& writer, const Digest128& digest) {
  writer.write_u64(digest.low);
  writer.write_u64(digest.high);
}

Result<Digest128> read_digest(schema::BsatnReader& reader) {
  Digest128 digest;
  WL_ASSIGN_OR_RETURN(digest.low, reader.read_u64());
  WL_ASSIGN_OR_RETURN(digest.high, reader.read_u64());
  return digest;
}

Result<CheckpointTable> read_table(schema::BsatnReader& reader) {
  CheckpointTable table;
  WL_ASSIGN_OR_RETURN(table.table.value, reader.read_u32());
  WL_ASSIGN_OR_RETURN(table.row_count, reader.read_u64());
  WL_ASSIGN_OR_RETURN(table.digest, read_digest(reader));
  WL_ASSIGN_OR_RETURN(const uint32_t count, reader.read_length());
  constexpr size_t kPageEntryBytes = 12;
  if (count > reader.remaining() / kPageEntryBytes)
    return Status::corruption("manifest: {} pages in {} bytes", count, reader.remaining());
  table.pages.resize(count);
  for (CheckpointPage& page : table.pages) {
    WL_ASSIGN_OR_RETURN(page.number, reader.read_u32());
    WL_ASSIGN_OR_RETURN(page.version, reader.read_u64());
  }
  return table;
}

Result<CheckpointManifest> read_manifest(schema::BsatnReader& reader) {
  CheckpointManifest manifest;
  WL_ASSIGN_OR_RETURN(const uint32_t format, reader.read_u32());
  if (format != kManifestFormat) return Status::corruption("manifest: format {}", format);
  WL_ASSIGN_OR_RETURN(manifest.group.value, reader.read_u64());
  WL_ASSIGN_OR_RETURN(manifest.next_offset.value, reader.read_u64());
  WL_ASSIGN_OR_RETURN(manifest.version, reader.read_u64());
  WL_ASSIGN_OR_RETURN(manifest.digest, read_digest(reader));
  WL_ASSIGN_OR_RETURN(const uint32_t count, reader.read_length());
  if (count > reader.remaining() / kDigestBytes)
    return Status::corruption("manifest: {} tables in {} bytes", count, reader.remaining());
  for (uint32_t i = 0; i < count; ++i) {
    WL_ASSIGN_OR_RETURN(CheckpointTable table, read_table(reader));
    if (!manifest.tables.empty() && !(manifest.tables.back().table < table.table))
      return Status::corruption("manifest: table {} is out of order", table.table.value);
    manifest.tables.push_back(std::move(table));
  }
  if (!reader.at_end()) return Status::corruption("manifest: {} extra bytes", reader.remaining());
  return manifest;
}

}  // namespace

CheckpointManifest checkpoint_manifest(const Snapshot& snapshot) {
  const DatabaseRoot& root = snapshot.root();
  CheckpointManifest manifest;
  manifest.group = root.group;
  manifest.next_offset = root.next_offset;
  manifest.version = root.version;
  manifest.digest = snapshot.digest();
  for (const Catalog::Table& table : root.catalog->tables()) {
    if (table.schema->is_event || table.schema->is_ephemeral) continue;
    const TableRecord* record = root.tables.get(table.position);
    CheckpointTable entry{table.schema->id, record->row_count, record->digest, {}};
    for (uint32_t number = 0; number < record->pages.size(); ++number)
      if (const Page* page = record->pages.get(number))
        entry.pages.push_back({number, page->version()});
    manifest.tables.push_back(std::move(entry));
  }
  return manifest;
}

CheckpointManifest checkpoint_manifest_for(const Snapshot& snapshot, GroupId group) {
  CheckpointManifest manifest = checkpoint_manifest(snapshot);
  manifest.group = group;
  std::vector<TableDigest> digests;
  for (CheckpointTable& table : manifest.tables) {
    const uint64_t seed = digest_seed(group, table.table);
    table.digest = {};
    for (RowCursor rows = snapshot.find_table(table.table)->scan(); rows.next();)
      table.digest.add(digest_of_row(seed, rows.row()));
    digests.push_back({table.table.value, table.digest});
  }
  manifest.digest = digest_of_tables(group, digests);
  return manifest;
}

void write_page_image(const Snapshot& snapshot, TableId table, uint32_t page, ByteBuffer& out) {
  const TableView* view = snapshot.find_table(table);
  WL_CHECK(view != nullptr);
  const Page* found = view->record().find_page(page);
  WL_CHECK(found != nullptr);
  out.clear();
  encode_page(*found, out);
}

// Image: format, class, row size, visible count, bitmap, then rows by ascending slot; a row of
// variable size is preceded by its length.
void encode_page(const Page& page, ByteBuffer& out) {
  schema::BsatnWriter writer(out);
  writer.write_u8(kImageFormat);
  writer.write_u8(page.row_class());
  writer.write_u32(page.fixed_row_bytes());
  writer.write_u32(page.visible_count());
  for (uint32_t word = 0; word < page.word_count(); ++word)
    writer.write_u64(page.visible_word(word));
  for (uint32_t slot = 0; slot < page.slot_count(); ++slot) {
    if (!page.is_visible(slot)) continue;
    const Bytes row = page.row(slot);
    if (page.row_class() == kFixedClass) {
      writer.write_raw(row);
    } else {
      writer.write_byte_array(row);
    }
  }
}

namespace {

Status read_rows(schema::BsatnReader& reader, const std::vector<uint64_t>& bitmap, Page& page) {
  for (uint32_t slot = 0; slot < page.slot_count(); ++slot) {
    if ((bitmap[slot / 64] >> (slot % 64) & 1) == 0) continue;
    const bool fixed = page.row_class() == kFixedClass;
    WL_ASSIGN_OR_RETURN(const Bytes row,
                        fixed ? reader.read_raw(page.fixed_row_bytes()) : reader.read_byte_array());
    if (row_class_of(row.size(), fixed) != page.row_class())
      return Status::corruption("page image: a row of {} bytes in class {}", row.size(),
                                page.row_class());
    page.place(slot, row);
  }
  return {};
}

}  // namespace

Result<PagePtr> decode_page(Bytes image, uint64_t version) {
  schema::BsatnReader reader(image);
  WL_ASSIGN_OR_RETURN(const uint8_t format_number, reader.read_u8());
  if (format_number != kImageFormat)
    return Status::corruption("page image: format {}", format_number);
  WL_ASSIGN_OR_RETURN(const uint8_t row_class, reader.read_u8());
  WL_ASSIGN_OR_RETURN(const uint32_t row_bytes, reader.read_u32());
  WL_ASSIGN_OR_RETURN(const uint32_t count, reader.read_u32());
  const bool is_fixed = row_class == kFixedClass;
  if (!is_known_row_class(row_class) ||
      (is_fixed ? row_bytes > kInlineRowBytesMax : row_bytes != 0))
    return Status::corruption("page image: class {} with rows of {} bytes", row_class, row_bytes);
  const PageFormat format = PageFormat::of_class(row_class, row_bytes);
  PagePtr page(Page::create(format, version));
  std::vector<uint64_t> bitmap(page->word_count());
  for (uint64_t& word : bitmap) {
    WL_ASSIGN_OR_RETURN(word, reader.read_u64());
  }
  WL_RETURN_IF_ERROR(read_rows(reader, bitmap, *page));
  if (page->visible_count() != count || count == 0 || !reader.at_end())
    return Status::corruption("page image: {} rows where {} were announced", page->visible_count(),
                              count);
  return page;
}

std::vector<PageAddress> changed_pages(const CheckpointManifest& before,
                                       const CheckpointManifest& now) {
  std::vector<PageAddress> changed;
  auto old_table = before.tables.begin();
  for (const CheckpointTable& table : now.tables) {
    while (old_table != before.tables.end() && old_table->table < table.table) ++old_table;
    const bool known = old_table != before.tables.end() && old_table->table == table.table;
    const std::vector<CheckpointPage> none;
    const auto& old_pages = known ? old_table->pages : none;
    auto old_page = old_pages.begin();
    for (const CheckpointPage& page : table.pages) {
      while (old_page != old_pages.end() && old_page->number < page.number) ++old_page;
      const bool same = old_page != old_pages.end() && *old_page == page;
      if (!same) changed.push_back({table.table, page});
    }
  }
  return changed;
}

void encode_manifest(const CheckpointManifest& manifest, ByteBuffer& out) {
  schema::BsatnWriter writer(out);
  writer.write_u32(kManifestFormat);
  writer.write_u64(manifest.group.value);
  writer.write_u64(manifest.next_offset.value);
  writer.write_u64(manifest.version);
  write_digest(writer, manifest.digest);
  writer.write_length(manifest.tables.size());
  for (const CheckpointTable& table : manifest.tables) {
    writer.write_u32(table.table.value);
    writer.write_u64(table.row_count);
    write_digest(writer, table.digest);
    writer.write_length(table.pages.size());
    for (const CheckpointPage& page : table.pages) {
      writer.write_u32(page.number);
      writer.write_u64(page.version);
    }
  }
}

Result<CheckpointManifest> decode_manifest(Bytes bytes) {
  schema::BsatnReader reader(bytes);
  Result<CheckpointManifest> manifest = read_manifest(reader);
  if (manifest.ok() || manifest.status().code() == StatusCode::kCorruption) return manifest;
  return Status::corruption("manifest: {}", manifest.status().message());
}

}  // namespace worldline::storage
