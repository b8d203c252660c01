#include "schema/protocol/server_message.h"

#include "schema/protocol/server_encoder.h"
#include "schema/protocol/server_tags.h"
#include "schema/protocol/wire_reader.h"
#include "schema/protocol/wire_writer.h"

namespace worldline::protocol {
namespace {

// Smallest encodings, so that announced counts cannot make us reserve more than the input holds.
constexpr size_t kRowListBytesMin = 7;                        // FixedSize, u16, empty data.
constexpr size_t kTableRowsBytesMin = 4 + kRowListBytesMin;   // Empty name.
constexpr size_t kUpdateRowsBytesMin = 1 + kRowListBytesMin;  // One event list.
constexpr size_t kTableUpdateBytesMin = 8;                    // Empty name, no rows.
constexpr size_t kQuerySetBytesMin = 8;                       // Id, no tables.

QueryRows read_query_rows(WireReader& reader) {
  QueryRows tables;
  const uint32_t count = reader.read_count(kTableRowsBytesMin);
  tables.reserve(count);
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    SingleTableRows table;
    table.table = reader.read_string();
    table.rows = RowListView::read(reader);
    tables.push_back(table);
  }
  return tables;
}

TableUpdateRows read_update_rows(WireReader& reader) {
  TableUpdateRows rows;
  rows.is_event = reader.read_tag(kUpdateRowsTagCount, "TableUpdateRows") ==
                  static_cast<uint8_t>(UpdateRowsTag::kEventTable);
  rows.inserts = RowListView::read(reader);
  if (!rows.is_event) rows.deletes = RowListView::read(reader);
  return rows;
}

TableUpdate read_table_update(WireReader& reader) {
  TableUpdate update;
  update.table = reader.read_string();
  const uint32_t count = reader.read_count(kUpdateRowsBytesMin);
  update.rows.reserve(count);
  for (uint32_t i = 0; i < count && reader.ok(); ++i)
    update.rows.push_back(read_update_rows(reader));
  return update;
}

TransactionUpdate read_transaction_update(WireReader& reader) {
  TransactionUpdate update;
  const uint32_t set_count = reader.read_count(kQuerySetBytesMin);
  update.query_sets.reserve(set_count);
  for (uint32_t i = 0; i < set_count && reader.ok(); ++i) {
    QuerySetUpdate& set = update.query_sets.emplace_back();
    set.query_set_id = reader.read_u32();
    const uint32_t table_count = reader.read_count(kTableUpdateBytesMin);
    set.tables.reserve(table_count);
    for (uint32_t j = 0; j < table_count && reader.ok(); ++j)
      set.tables.push_back(read_table_update(reader));
  }
  return update;
}

InitialConnection read_initial_connection(WireReader& reader) {
  InitialConnection message;
  message.identity = reader.read_raw(32);
  message.connection_id = reader.read_raw(16);
  message.token = reader.read_string();
  return message;
}

SubscribeApplied read_subscribe_applied(WireReader& reader) {
  SubscribeApplied message;
  message.request_id = reader.read_u32();
  message.query_set_id = reader.read_u32();
  message.rows = read_query_rows(reader);
  return message;
}

UnsubscribeApplied read_unsubscribe_applied(WireReader& reader) {
  UnsubscribeApplied message;
  message.request_id = reader.read_u32();
  message.query_set_id = reader.read_u32();
  if (reader.read_tag(2, "option") == kFirst) message.rows = read_query_rows(reader);
  return message;
}

SubscriptionError read_subscription_error(WireReader& reader) {
  SubscriptionError message;
  if (reader.read_tag(2, "option") == kFirst) message.request_id = reader.read_u32();
  message.query_set_id = reader.read_u32();
  message.error = reader.read_string();
  return message;
}

OneOffQueryResult read_one_off(WireReader& reader) {
  OneOffQueryResult message;
  message.request_id = reader.read_u32();
  if (reader.read_tag(2, "result") == kFirst)
    message.result = read_query_rows(reader);
  else
    message.result = reader.read_string();
  return message;
}

ReducerResult read_reducer_result(WireReader& reader) {
  ReducerResult message;
  message.request_id = reader.read_u32();
  message.timestamp.micros = reader.read_i64();
  switch (static_cast<OutcomeTag>(reader.read_tag(kOutcomeTagCount, "ReducerOutcome"))) {
    case OutcomeTag::kOk: {
      const Bytes ret_value = reader.read_bytes();
      message.outcome = ReducerOk{ret_value, read_transaction_update(reader)};
      break;
    }
    case OutcomeTag::kOkEmpty:
      message.outcome = ReducerOkEmpty{};
      break;
    case OutcomeTag::kErr:
      message.outcome = ReducerErr{reader.read_bytes()};
      break;
    case OutcomeTag::kInternalError:
      message.outcome = ReducerInternalError{reader.read_string()};
      break;
  }
  return message;
}

ProcedureResult read_procedure_result(WireReader& reader) {
  ProcedureResult message;
  if (reader.read_tag(2, "ProcedureStatus") == kFirst)
    message.status = reader.read_bytes();
  else
    message.status = reader.read_string();
  message.timestamp.micros = reader.read_i64();
  message.duration_micros = reader.read_i64();
  message.request_id = reader.read_u32();
  return message;
}

ServerMessage read_server_message(WireReader& reader) {
  switch (static_cast<ServerTag>(reader.read_tag(kServerTagCount, "ServerMessage"))) {
    case ServerTag::kInitialConnection:
      return read_initial_connection(reader);
    case ServerTag::kSubscribeApplied:
      return read_subscribe_applied(reader);
    case ServerTag::kUnsubscribeApplied:
      return read_unsubscribe_applied(reader);
    case ServerTag::kSubscriptionError:
      return read_subscription_error(reader);
    case ServerTag::kTransactionUpdate:
      return read_transaction_update(reader);
    case ServerTag::kOneOffQueryResult:
      return read_one_off(reader);
    case ServerTag::kReducerResult:
      return read_reducer_result(reader);
    case ServerTag::kProcedureResult:
      return read_procedure_result(reader);
  }
  return InitialConnection{};  // Not reached: read_tag() bounds the tag.
}

// Keeps the hint that was read, also where our own rule would choose the other one.
void write_row_list(const RowListView& list, ByteBuffer& out) {
  WireWriter writer(out);
  if (list.fixed_row_bytes() != 0) {
    writer.u8(0).u16(list.fixed_row_bytes()).bytes(list.data());
    return;
  }
  writer.u8(1).u32(static_cast<uint32_t>(list.size()));
  uint64_t start = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    writer.u64(start);
    start += list[i].size();
  }
  writer.bytes(list.data());
}

void write_tables(const QueryRows& tables, ByteBuffer& out) {
  for (const SingleTableRows& table : tables) {
    encode_table_name(table.table, out);
    write_row_list(table.rows, out);
  }
}

void write_query_sets(const TransactionUpdate& update, ByteBuffer& out) {
  for (const QuerySetUpdate& set : update.query_sets) {
    encode_query_set_head(set.query_set_id, static_cast<uint32_t>(set.tables.size()), out);
    for (const TableUpdate& table : set.tables) {
      encode_table_update_head(table.table, static_cast<uint32_t>(table.rows.size()), out);
      for (const TableUpdateRows& rows : table.rows) {
        if (rows.is_event)
          encode_event_tag(out);
        else
          encode_persistent_tag(out);
        write_row_list(rows.inserts, out);
        if (!rows.is_event) write_row_list(rows.deletes, out);
      }
    }
  }
}

uint32_t count_of(const QueryRows& rows) {
  return static_cast<uint32_t>(rows.size());
}

struct OutcomeEncoder {
  const ReducerResult& message;
  ByteBuffer& out;

  void operator()(const ReducerOk& ok) const {
    const auto set_count = static_cast<uint32_t>(ok.update.query_sets.size());
    if (ok.ret_value.empty()) {
      encode_reducer_ok_head(message.request_id, message.timestamp, set_count, out);
    } else {
      head(OutcomeTag::kOk).bytes(ok.ret_value).u32(set_count);
    }
    write_query_sets(ok.update, out);
  }
  void operator()(const ReducerOkEmpty& /*empty*/) const { head(OutcomeTag::kOkEmpty); }
  void operator()(const ReducerErr& error) const { head(OutcomeTag::kErr).bytes(error.error); }
  void operator()(const ReducerInternalError& error) const {
    encode_reducer_internal_error(message.request_id, message.timestamp, error.error, out);
  }

  WireWriter head(OutcomeTag tag) const {
    WireWriter writer(out);
    writer.u8(static_cast<uint8_t>(ServerTag::kReducerResult)).u32(message.request_id);
    writer.i64(message.timestamp.micros).u8(static_cast<uint8_t>(tag));
    return writer;
  }
};

struct ServerEncoder {
  ByteBuffer& out;

  void operator()(const InitialConnection& message) const {
    encode_initial_connection(message.identity, message.connection_id, message.token, out);
  }
  void operator()(const SubscribeApplied& message) const {
    encode_subscribe_applied_head(message.request_id, message.query_set_id, count_of(message.rows),
                                  out);
    write_tables(message.rows, out);
  }
  void operator()(const UnsubscribeApplied& message) const {
    if (!message.rows) {
      encode_unsubscribe_applied_without_rows(message.request_id, message.query_set_id, out);
      return;
    }
    encode_unsubscribe_applied_head(message.request_id, message.query_set_id,
                                    count_of(*message.rows), out);
    write_tables(*message.rows, out);
  }
  void operator()(const SubscriptionError& message) const {
    encode_subscription_error(message.request_id, message.query_set_id, message.error, out);
  }
  void operator()(const TransactionUpdate& message) const {
    encode_transaction_update_head(static_cast<uint32_t>(message.query_sets.size()), out);
    write_query_sets(message, out);
  }
  void operator()(const OneOffQueryResult& message) const {
    if (const auto* error = std::get_if<std::string_view>(&message.result)) {
      encode_one_off_error(message.request_id, *error, out);
      return;
    }
    const auto& rows = *std::get_if<QueryRows>(&message.result);
    WireWriter(out)
        .u8(static_cast<uint8_t>(ServerTag::kOneOffQueryResult))
        .u32(message.request_id)
        .u8(kFirst)
        .u32(count_of(rows));
    write_tables(rows, out);
  }
  void operator()(const ReducerResult& message) const {
    std::visit(OutcomeEncoder{message, out}, message.outcome);
  }
  void operator()(const ProcedureResult& message) const {
    WireWriter writer(out);
    writer.u8(static_cast<uint8_t>(ServerTag::kProcedureResult));
    if (const auto* value = std::get_if<Bytes>(&message.status))
      writer.u8(kFirst).bytes(*value);
    else
      writer.u8(kSecond).string(*std::get_if<std::string_view>(&message.status));
    writer.i64(message.timestamp.micros).i64(message.duration_micros).u32(message.request_id);
  }
};

}  // namespace

Result<ServerMessage> take_server_message(Bytes& body) {
  WireReader reader(body);
  ServerMessage message = read_server_message(reader);
  if (!reader.ok()) return reader.status();
  body = reader.rest();
  return message;
}

void encode_server_message(const ServerMessage& message, ByteBuffer& out) {
  std::visit(ServerEncoder{out}, message);
}

std::optional<std::string_view> reducer_error_text(const ReducerErr& error) {
  WireReader reader(error.error);
  const std::string_view text = reader.read_string();
  if (!reader.ok() || !reader.rest().empty()) return std::nullopt;
  return text;
}

}  // namespace worldline::protocol
