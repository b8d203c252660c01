// storage/table_record.cc: construction and cloning of a table version, row look-up, row digests.
#include "storage/table_record.h"

#include <memory>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace worldline::storage {
namespace {

bool rows_are_fixed(const TableSchema& schema) {
  const auto size = schema.layout.fixed_size();
  return size.has_value() && *size <= kInlineRowBytesMax;
}

IndexForm form_of(const IndexSchema& index, KeyKind kind) {
  if (!index.is_unique) return IndexForm::kTree;
  if (index.algorithm == IndexAlgorithm::kHash) return IndexForm::kHash;
  const bool is_direct = index.algorithm == IndexAlgorithm::kDirect && kind == KeyKind::kWord;
  return is_direct ? IndexForm::kDirect : IndexForm::kTree;
}

}  // namespace

TableRecord::TableRecord(TableSchemaPtr table_schema)
    : schema(std::move(table_schema)),
      fixed_rows(rows_are_fixed(*schema)),
      fixed_row_bytes(fixed_rows ? *schema->layout.fixed_size() : 0) {
  indexes.reserve(schema->indexes.size());
  for (uint32_t i = 0; i < schema->indexes.size(); ++i) {
    const IndexSchema& index = schema->indexes[i];
    const KeyKind kind = key_kind_of(index.row_key);
    indexes.emplace_back(kind, index.is_unique ? Uniqueness::kUnique : Uniqueness::kDuplicates,
                         form_of(index, kind), i);
    if (!index.is_unique) continue;
    ++unique_count;
    if (first_unique == kNoIndex) first_unique = i;
  }
  view.bind(this);
}

TableRecord::TableRecord(const TableRecord& other, CloneTag)
    : schema(other.schema),
      fixed_rows(other.fixed_rows),
      fixed_row_bytes(other.fixed_row_bytes),
      first_unique(other.first_unique),
      unique_count(other.unique_count),
      row_count(other.row_count),
      row_bytes(other.row_bytes),
      digest(other.digest),
      pages(other.pages),
      rows(other.rows),
      indexes(other.indexes) {
  view.bind(this);
}

bool TableRecord::take_rows(const TableRecord& other) {
  row_count = other.row_count;
  row_bytes = other.row_bytes;
  digest = other.digest;
  pages.share(other.pages);
  bool complete = true;
  for (uint32_t i = 0; i < indexes.size(); ++i) {
    const IndexSchema& wanted = schema->indexes[i];
    bool found = false;
    for (uint32_t j = 0; j < other.indexes.size() && !found; ++j) {
      const IndexSchema& known = other.schema->indexes[j];
      found = known.id == wanted.id && known.columns == wanted.columns &&
              known.is_unique == wanted.is_unique && known.algorithm == wanted.algorithm;
      if (found) indexes[i].share(other.indexes[j]);
    }
    complete = complete && found;
  }
  if (first_unique != kNoIndex) return complete;
  if (other.first_unique != kNoIndex) return false;
  rows.share(other.rows);
  return complete;
}

void TableRecord::release() {
  if (refs.release()) const std::unique_ptr<TableRecord> owned(this);
}

bool TableRecord::is_visible(RowRef ref) const {
  const Page* page = pages.get(ref.page);
  return page != nullptr && ref.slot < page->slot_count() && page->is_visible(ref.slot);
}

void TableRecord::make_row_key(uint32_t index, Bytes row, IndexKey& key) const {
  const IndexSchema& index_schema = schema->indexes[index];
  if (index_schema.row_key.is_word()) {
    key.word_ = index_schema.row_key.word_of_row(schema->layout, row);
    return;
  }
  key.bytes_.clear();
  index_schema.row_key.append_row_key(schema->layout, row, key.bytes_);
}

bool TableRecord::has_key(uint32_t index, Bytes row_bytes_in, const IndexKey& key) const {
  const schema::KeyEncoder& encoder = schema->indexes[index].row_key;
  if (encoder.is_word()) return encoder.word_of_row(schema->layout, row_bytes_in) == key.word();
  return encoder.is_row_key(schema->layout, row_bytes_in, key.bytes());
}

uint64_t TableRecord::hash_row(Bytes row) {
  return XXH3_64bits(row.data(), row.size());
}

std::optional<RowRef> TableRecord::find_row(Bytes row_wanted) const {
  IndexKey key;
  if (first_unique != kNoIndex) {
    make_row_key(first_unique, row_wanted, key);
    const auto found = indexes[first_unique].find_unique(this, key);
    if (!found || !equal(row(*found), row_wanted)) return std::nullopt;
    return found;
  }
  key.word_ = hash_row(row_wanted);
  IndexCursor cursor = rows.point(this, key);
  while (cursor.next())
    if (equal(row(cursor.ref()), row_wanted)) return cursor.ref();
  return std::nullopt;
}

uint64_t digest_seed(GroupId group, TableId table) {
  const uint64_t words[2] = {group.value, table.value};
  return XXH3_64bits(words, sizeof words);
}

Digest128 digest_of_row(uint64_t seed, Bytes row) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(row.data(), row.size(), seed);
  return {hash.low64, hash.high64};
}

}  // namespace worldline::storage
