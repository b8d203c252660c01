#include "query/row_block.h"

#include <memory>
#include <utility>

#include "schema/protocol/server_encoder.h"

namespace worldline::query {

Status RowListSink::add(Bytes row) {
  WL_RETURN_IF_ERROR(budget_.add_bytes(row.size() + sizeof(uint64_t)));  // With its offset.
  rows_.add(row);
  return {};
}

RowBlock make_row_block(std::string_view table_name, const protocol::RowListBuilder& rows) {
  ByteBuffer encoded;
  protocol::encode_table_name(table_name, encoded);
  RowBlock block;
  block.table_name = std::string(table_name);
  block.row_list_begin = static_cast<uint32_t>(encoded.size());
  block.row_count = rows.row_count();
  rows.encode(encoded);
  block.encoded = std::make_shared<const ByteBuffer>(std::move(encoded));
  return block;
}

DeltaBlockPtr make_delta_block(std::string_view table_name, DeltaBlock::Kind kind,
                               const protocol::RowListBuilder& inserts,
                               const protocol::RowListBuilder& deletes) {
  auto block = std::make_shared<DeltaBlock>();
  ByteBuffer encoded;
  protocol::encode_table_update_head(table_name, 1, encoded);
  block->table_name = std::string(table_name);
  block->kind = kind;
  block->rows_begin = static_cast<uint32_t>(encoded.size());
  block->inserts_count = inserts.row_count();
  block->deletes_count = deletes.row_count();
  if (kind == DeltaBlock::Kind::kEvent) {
    protocol::encode_event_tag(encoded);
    inserts.encode(encoded);
  } else {
    protocol::encode_persistent_rows(inserts, deletes, encoded);
  }
  block->encoded = std::make_shared<const ByteBuffer>(std::move(encoded));
  return block;
}

}  // namespace worldline::query
