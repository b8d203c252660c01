// schema/protocol/server_encoder.h
//
// Appends server messages of v2 and v3 [S 02/7.2] to a buffer, piece by piece. A message that holds
// rows is a head, written per session, followed by parts that depend on the query alone: those are
// encoded once, frozen as SharedBytes and spliced into the outbound batch of every subscriber.
//
//   TransactionUpdate   = head(sets) { query_set_head(id, tables) TableUpdate* }*
//   TableUpdate         = table_update_head(name, rows) TableUpdateRows*      (shareable)
//   TableUpdateRows     = persistent(inserts, deletes) | event_tag BsatnRowList   (shareable)
//   SubscribeApplied    = head(tables) SingleTableRows*
//   SingleTableRows     = table name, BsatnRowList                            (shareable)
//   ReducerResult.Ok    = reducer_ok_head, then the body of a TransactionUpdate without its tag
//
// The caller keeps the announced counts; decode_server_message() is the pair that checks them.
// Ownership: buffers are the caller's. Thread: pure functions. Units: timestamps in microseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "schema/protocol/row_list.h"

namespace worldline::protocol {

// REQUIRES: identity of 32 B and connection_id of 16 B, little-endian.
void encode_initial_connection(Bytes identity, Bytes connection_id, std::string_view token,
                               ByteBuffer& out);

void encode_subscribe_applied_head(uint32_t request_id, uint32_t query_set_id, uint32_t table_count,
                                   ByteBuffer& out);
void encode_unsubscribe_applied_head(uint32_t request_id, uint32_t query_set_id,
                                     uint32_t table_count, ByteBuffer& out);  // With rows.
void encode_unsubscribe_applied_without_rows(uint32_t request_id, uint32_t query_set_id,
                                             ByteBuffer& out);
void encode_subscription_error(std::optional<uint32_t> request_id, uint32_t query_set_id,
                               std::string_view error, ByteBuffer& out);

// One SingleTableRows is this and a BsatnRowList.
void encode_table_name(std::string_view table, ByteBuffer& out);

void encode_transaction_update_head(uint32_t query_set_count, ByteBuffer& out);
void encode_query_set_head(uint32_t query_set_id, uint32_t table_count, ByteBuffer& out);
void encode_table_update_head(std::string_view table, uint32_t rows_count, ByteBuffer& out);
void encode_persistent_rows(const RowListBuilder& inserts, const RowListBuilder& deletes,
                            ByteBuffer& out);
void encode_persistent_tag(ByteBuffer& out);  // Inserts, then deletes as BsatnRowLists follow.
void encode_event_tag(ByteBuffer& out);       // One BsatnRowList follows.

// The success arm of a OneOffQueryResult; exactly one SingleTableRows follows [S 02/10.6].
void encode_one_off_ok_head(uint32_t request_id, ByteBuffer& out);
void encode_one_off_error(uint32_t request_id, std::string_view error, ByteBuffer& out);

// ReducerResult.Ok with an empty ret_value. `query_set_count` QuerySetUpdates follow.
void encode_reducer_ok_head(uint32_t request_id, Timestamp timestamp, uint32_t query_set_count,
                            ByteBuffer& out);
// The module's own error text: BSATN string inside the bytes of `Err`.
void encode_reducer_error(uint32_t request_id, Timestamp timestamp, std::string_view error,
                          ByteBuffer& out);
void encode_reducer_internal_error(uint32_t request_id, Timestamp timestamp, std::string_view error,
                                   ByteBuffer& out);

void encode_procedure_returned(uint32_t request_id, Timestamp timestamp, int64_t duration_micros,
                               Bytes value, ByteBuffer& out);
// Timestamp and duration are 0 on failure [S 02/7.2].
void encode_procedure_error(uint32_t request_id, std::string_view error, ByteBuffer& out);

}  // namespace worldline::protocol
