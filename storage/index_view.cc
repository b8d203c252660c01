// storage/index_view.cc: turning module and query arguments into index keys and ranges [S 05/1.8].
#include <algorithm>

#include "schema/bsatn.h"
#include "storage/table_record.h"

namespace worldline::storage {
namespace {

DataStatus decode_error(const Status& cause) {
  return {DataError::kDecode, cause.with_context("Could not decode arguments to index scan")};
}

// A packed key is one of several fixed-size parts; only those refuse trailing bytes [S 05/1.8].
DataStatus refuse_rest(const schema::RowLayout& layout, size_t rest) {
  if (rest == 0 || layout.column_count() < 2 || !layout.fixed_size()) return {};
  return decode_error(Status::invalid_argument("after decoding, there are {} extra bytes", rest));
}

enum class BoundTag : uint8_t { kIncluded = 0, kExcluded = 1, kUnbounded = 2 };
struct ParsedBound {
  BoundTag tag = BoundTag::kUnbounded;
  Bytes value;
};

DataResult<ParsedBound> parse_bound(const schema::AlgebraicType& type, Bytes bytes) {
  schema::BsatnReader reader(bytes);
  const Result<uint8_t> tag = reader.read_tag(3, "Bound");
  if (!tag.ok()) return decode_error(tag.status());
  ParsedBound bound;
  bound.tag = static_cast<BoundTag>(*tag);
  if (bound.tag == BoundTag::kUnbounded) return bound;
  const Bytes rest = reader.rest();
  const Status skipped = schema::skip_value(type, schema::Typespace::empty(), reader);
  if (!skipped.ok()) return decode_error(skipped);
  bound.value = rest.first(rest.size() - reader.remaining());
  return bound;
}

// Turns a key into the smallest one above every key that begins with it. False if there is none.
bool make_successor(ByteBuffer& key) {
  while (!key.empty() && key.back() == 0xff) key.pop_back();
  if (key.empty()) return false;
  ++key.back();
  return true;
}

DataStatus check_prefix_length(const IndexSchema& schema, const RangeArguments& arguments) {
  const size_t parts = schema.element_layout.column_count();
  const bool is_single =
      schema.columns.size() == 1 && !schema.key_layout.column_type(ColumnId(0)).is_product();
  const char* text = nullptr;
  if (arguments.prefix_elements == 0) {
    if (!arguments.prefix.empty()) text = "a prefix was provided but `prefix_elems = 0`";
  } else if (is_single) {
    text = "a single column index cannot be prefix scanned";
  } else if (arguments.prefix_elements > parts) {
    text = "index key type has too few fields compared to prefix";
  }
  if (text == nullptr && arguments.prefix_elements >= parts)
    text = "prefix length leaves no room for a range in ranged index scan";
  if (text == nullptr) return {};
  return decode_error(Status::invalid_argument("{}", text));
}

// Appends the normal form of the prefix to `out`.
DataStatus append_prefix(const IndexSchema& schema, const RangeArguments& arguments,
                         ByteBuffer& out) {
  schema::BsatnReader reader(arguments.prefix);
  for (uint16_t i = 0; i < arguments.prefix_elements; ++i) {
    const Bytes value = reader.rest();
    const auto& type = schema.element_layout.column_type(ColumnId(i));
    const Status skipped = schema::skip_value(type, schema::Typespace::empty(), reader);
    if (!skipped.ok()) return decode_error(skipped);
    schema.element_key.append_part(i, value, out);
  }
  return refuse_rest(schema.element_layout, reader.remaining());
}

}  // namespace

const IndexSchema& IndexView::schema() const {
  return table_->schema().indexes[position_];
}

bool IndexView::supports_range() const {
  return schema().algorithm != IndexAlgorithm::kHash;
}

DataStatus IndexView::make_point_key(Bytes bsatn, IndexKey& key) const {
  const IndexSchema& index = schema();
  const std::optional<size_t> size = index.key_layout.find_row_end(bsatn);
  if (!size) {
    schema::BsatnReader reader(bsatn);  // The slow walk names the fault.
    return decode_error(
        schema::skip_value(index.key_layout.type(), schema::Typespace::empty(), reader));
  }
  WL_DATA_RETURN_IF_ERROR(refuse_rest(index.key_layout, bsatn.size() - *size));
  if (index.column_key.is_word()) {
    key.word_ = index.column_key.word_of_value(bsatn);
    return {};
  }
  key.bytes_.clear();
  index.column_key.append_row_key(index.key_layout, bsatn.first(*size), key.bytes_);
  return {};
}

DataResult<IndexKey> IndexView::point_key(Bytes bsatn) const {
  IndexKey key;
  DataStatus status = make_point_key(bsatn, key);
  if (!status.ok()) return status;
  return key;
}

void IndexView::make_row_key(Bytes row, IndexKey& key) const {
  table_->record().make_row_key(position_, row, key);
}

void IndexView::make_values_key(std::span<const Bytes> values, IndexKey& key) const {
  const IndexSchema& index = schema();
  WL_CHECK(values.size() == index.columns.size());
  if (index.column_key.is_word()) {
    key.word_ = index.column_key.word_of_value(values[0]);
    return;
  }
  key.bytes_.clear();
  for (size_t i = 0; i < values.size(); ++i) index.column_key.append_part(i, values[i], key.bytes_);
}

std::optional<RowRef> IndexView::find_unique(const IndexKey& key) const {
  WL_DCHECK(schema().is_unique);
  const TableRecord& record = table_->record();
  const IndexTree& tree = record.indexes[position_];
  RecentKeys* const recent = table_->recent(position_);
  if (recent == nullptr || tree.kind() != KeyKind::kWord || tree.is_direct())
    return tree.find_unique(&record, key);
  if (const auto found = recent->find(key.word())) return found;
  const std::optional<RowRef> found = tree.find_unique(&record, key);
  if (found && tree.entries() >= RecentKeys::kEntriesMin) recent->remember(key.word(), *found);
  return found;
}

bool IndexView::contains(const IndexKey& key) const {
  const TableRecord& record = table_->record();
  return record.indexes[position_].contains(&record, key);
}

IndexCursor IndexView::point(const IndexKey& key) const {
  const TableRecord& record = table_->record();
  return record.indexes[position_].point(&record, key);
}

IndexCursor IndexView::all() const {
  WL_CHECK(supports_range());
  const TableRecord& record = table_->record();
  return record.indexes[position_].all(&record);
}

uint64_t IndexView::distinct_keys() const {
  return table_->record().indexes[position_].distinct();
}

IndexCursor IndexView::between_words(const WordRange& range) const {
  const TableRecord& record = table_->record();
  if (range.is_empty || (range.from && range.to && *range.from >= *range.to)) return {};
  IndexKey from, to;
  from.word_ = range.from.value_or(0);
  to.word_ = range.to.value_or(0);
  return record.indexes[position_].between(&record, range.from ? &from : nullptr,
                                           range.to ? &to : nullptr);
}

IndexCursor IndexView::between_bytes(const ByteRange& range) const {
  const TableRecord& record = table_->record();
  if (range.is_empty) return {};
  if (range.from && range.to &&
      !std::lexicographical_compare(range.from->begin(), range.from->end(), range.to->begin(),
                                    range.to->end()))
    return {};
  IndexKey from, to;
  if (range.from) from.bytes_ = *range.from;
  if (range.to) to.bytes_ = *range.to;
  return record.indexes[position_].between(&record, range.from ? &from : nullptr,
                                           range.to ? &to : nullptr);
}

void IndexView::WordRange::begin(uint64_t word, bool inclusive) {
  if (!inclusive && word == UINT64_MAX) is_empty = true;
  from = inclusive ? word : word + 1;
}

void IndexView::WordRange::finish(uint64_t word, bool inclusive) {
  if (inclusive && word == UINT64_MAX) return;  // Everything from `from` on.
  to = inclusive ? word + 1 : word;
}

void IndexView::ByteRange::begin(ByteBuffer key, bool inclusive) {
  if (!inclusive && !make_successor(key)) is_empty = true;
  from = std::move(key);
}

void IndexView::ByteRange::finish(ByteBuffer key, bool inclusive) {
  if (inclusive && !make_successor(key)) return;
  to = std::move(key);
}

DataResult<IndexCursor> IndexView::range(const RangeArguments& arguments) const {
  const IndexSchema& index = schema();
  if (!supports_range())
    return {DataError::kWrongIndexAlgo,
            Status::failed_precondition("IndexId {} does not support seeking for a range",
                                        index.id.value)};
  WL_DATA_RETURN_IF_ERROR(check_prefix_length(index, arguments));
  ByteBuffer prefix;
  WL_DATA_RETURN_IF_ERROR(append_prefix(index, arguments, prefix));
  const uint16_t part = arguments.prefix_elements;
  const auto& type = index.element_layout.column_type(ColumnId(part));
  DataResult<ParsedBound> start = parse_bound(type, arguments.start);
  if (!start.ok()) return start.status();
  DataResult<ParsedBound> end = parse_bound(type, arguments.end);
  if (!end.ok()) return end.status();

  const bool from_inclusive = start->tag == BoundTag::kIncluded;
  const bool to_inclusive = end->tag == BoundTag::kIncluded;
  if (index.row_key.is_word()) {
    WordRange range;
    if (start->tag != BoundTag::kUnbounded)
      range.begin(index.element_key.word_of_value(start->value), from_inclusive);
    if (end->tag != BoundTag::kUnbounded)
      range.finish(index.element_key.word_of_value(end->value), to_inclusive);
    return between_words(range);
  }
  ByteRange range;
  ByteBuffer from = prefix;
  if (start->tag != BoundTag::kUnbounded) index.element_key.append_part(part, start->value, from);
  range.begin(std::move(from), start->tag != BoundTag::kExcluded);
  ByteBuffer to = std::move(prefix);
  if (end->tag != BoundTag::kUnbounded) index.element_key.append_part(part, end->value, to);
  range.finish(std::move(to), end->tag != BoundTag::kExcluded);
  return between_bytes(range);
}

IndexCursor IndexView::range_of_values(std::optional<ValueBound> from,
                                       std::optional<ValueBound> to) const {
  const IndexSchema& index = schema();
  WL_CHECK(supports_range());
  if (index.row_key.is_word()) {
    WordRange range;
    if (from && !from->values.empty())
      range.begin(index.column_key.word_of_value(from->values[0]), from->inclusive);
    if (to && !to->values.empty())
      range.finish(index.column_key.word_of_value(to->values[0]), to->inclusive);
    return between_words(range);
  }
  const auto key_of = [&index](std::span<const Bytes> values) {
    ByteBuffer key;
    for (size_t i = 0; i < values.size(); ++i) index.column_key.append_part(i, values[i], key);
    return key;
  };
  ByteRange range;
  if (from) range.begin(key_of(from->values), from->inclusive);
  if (to) range.finish(key_of(to->values), to->inclusive);
  return between_bytes(range);
}

}  // namespace worldline::storage
