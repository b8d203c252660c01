#include "schema/protocol/server_encoder.h"

#include "base/check.h"
#include "schema/protocol/server_tags.h"
#include "schema/protocol/wire_writer.h"

namespace worldline::protocol {
namespace {

WireWriter begin(ServerTag tag, ByteBuffer& out) {
  WireWriter writer(out);
  writer.u8(static_cast<uint8_t>(tag));
  return writer;
}

WireWriter begin_reducer_result(uint32_t request_id, Timestamp timestamp, OutcomeTag outcome,
                                ByteBuffer& out) {
  WireWriter writer = begin(ServerTag::kReducerResult, out);
  writer.u32(request_id).i64(timestamp.micros).u8(static_cast<uint8_t>(outcome));
  return writer;
}

}  // namespace

void encode_initial_connection(Bytes identity, Bytes connection_id, std::string_view token,
                               ByteBuffer& out) {
  WL_CHECK(identity.size() == 32);
  WL_CHECK(connection_id.size() == 16);
  begin(ServerTag::kInitialConnection, out).raw(identity).raw(connection_id).string(token);
}

void encode_subscribe_applied_head(uint32_t request_id, uint32_t query_set_id, uint32_t table_count,
                                   ByteBuffer& out) {
  begin(ServerTag::kSubscribeApplied, out).u32(request_id).u32(query_set_id).u32(table_count);
}

void encode_unsubscribe_applied_head(uint32_t request_id, uint32_t query_set_id,
                                     uint32_t table_count, ByteBuffer& out) {
  begin(ServerTag::kUnsubscribeApplied, out)
      .u32(request_id)
      .u32(query_set_id)
      .u8(kFirst)
      .u32(table_count);
}

void encode_unsubscribe_applied_without_rows(uint32_t request_id, uint32_t query_set_id,
                                             ByteBuffer& out) {
  begin(ServerTag::kUnsubscribeApplied, out).u32(request_id).u32(query_set_id).u8(kSecond);
}

void encode_subscription_error(std::optional<uint32_t> request_id, uint32_t query_set_id,
                               std::string_view error, ByteBuffer& out) {
  WireWriter writer = begin(ServerTag::kSubscriptionError, out);
  if (request_id)
    writer.u8(kFirst).u32(*request_id);
  else
    writer.u8(kSecond);
  writer.u32(query_set_id).string(error);
}

void encode_table_name(std::string_view table, ByteBuffer& out) {
  WireWriter(out).string(table);
}

void encode_transaction_update_head(uint32_t query_set_count, ByteBuffer& out) {
  begin(ServerTag::kTransactionUpdate, out).u32(query_set_count);
}

void encode_query_set_head(uint32_t query_set_id, uint32_t table_count, ByteBuffer& out) {
  WireWriter(out).u32(query_set_id).u32(table_count);
}

void encode_table_update_head(std::string_view table, uint32_t rows_count, ByteBuffer& out) {
  WireWriter(out).string(table).u32(rows_count);
}

void encode_persistent_rows(const RowListBuilder& inserts, const RowListBuilder& deletes,
                            ByteBuffer& out) {
  encode_persistent_tag(out);
  inserts.encode(out);
  deletes.encode(out);
}

void encode_persistent_tag(ByteBuffer& out) {
  WireWriter(out).u8(static_cast<uint8_t>(UpdateRowsTag::kPersistentTable));
}

void encode_event_tag(ByteBuffer& out) {
  WireWriter(out).u8(static_cast<uint8_t>(UpdateRowsTag::kEventTable));
}

void encode_one_off_ok_head(uint32_t request_id, ByteBuffer& out) {
  begin(ServerTag::kOneOffQueryResult, out).u32(request_id).u8(kFirst).u32(1);
}

void encode_one_off_error(uint32_t request_id, std::string_view error, ByteBuffer& out) {
  begin(ServerTag::kOneOffQueryResult, out).u32(request_id).u8(kSecond).string(error);
}

void encode_reducer_ok_head(uint32_t request_id, Timestamp timestamp, uint32_t query_set_count,
                            ByteBuffer& out) {
  begin_reducer_result(request_id, timestamp, OutcomeTag::kOk, out).u32(0).u32(query_set_count);
}

void encode_reducer_error(uint32_t request_id, Timestamp timestamp, std::string_view error,
                          ByteBuffer& out) {
  begin_reducer_result(request_id, timestamp, OutcomeTag::kErr, out)
      .u32(static_cast<uint32_t>(error.size() + sizeof(uint32_t)))
      .string(error);
}

void encode_reducer_internal_error(uint32_t request_id, Timestamp timestamp, std::string_view error,
                                   ByteBuffer& out) {
  begin_reducer_result(request_id, timestamp, OutcomeTag::kInternalError, out).string(error);
}

void encode_procedure_returned(uint32_t request_id, Timestamp timestamp, int64_t duration_micros,
                               Bytes value, ByteBuffer& out) {
  begin(ServerTag::kProcedureResult, out)
      .u8(kFirst)
      .bytes(value)
      .i64(timestamp.micros)
      .i64(duration_micros)
      .u32(request_id);
}

void encode_procedure_error(uint32_t request_id, std::string_view error, ByteBuffer& out) {
  begin(ServerTag::kProcedureResult, out).u8(kSecond).string(error).i64(0).i64(0).u32(request_id);
}

}  // namespace worldline::protocol
