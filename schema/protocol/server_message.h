// schema/protocol/server_message.h
//
// Server messages as values: what a client (CLI, load harness, tests) decodes, and the
// whole-message encoder that pairs with it. The node itself encodes with server_encoder.h, which
// shares rows.
//
// Ownership: every view borrows the decoded body. Thread: pure functions; any thread.
// Errors: kInvalidArgument; nothing is asserted about foreign bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"
#include "schema/protocol/row_list.h"

namespace worldline::protocol {

struct SingleTableRows {
  std::string_view table;
  RowListView rows;
};
using QueryRows = std::vector<SingleTableRows>;

struct TableUpdateRows {
  bool is_event = false;
  RowListView inserts;  // The events of an event table.
  RowListView deletes;  // Always empty for an event table.
};
struct TableUpdate {
  std::string_view table;
  std::vector<TableUpdateRows> rows;  // One per query of the set with changes in the table.
};
struct QuerySetUpdate {
  uint32_t query_set_id = 0;
  std::vector<TableUpdate> tables;
};

struct InitialConnection {
  Bytes identity;       // 32 B, little-endian.
  Bytes connection_id;  // 16 B, little-endian.
  std::string_view token;
};
struct SubscribeApplied {
  uint32_t request_id = 0;
  uint32_t query_set_id = 0;
  QueryRows rows;
};
struct UnsubscribeApplied {
  uint32_t request_id = 0;
  uint32_t query_set_id = 0;
  std::optional<QueryRows> rows;
};
struct SubscriptionError {
  std::optional<uint32_t> request_id;
  uint32_t query_set_id = 0;
  std::string_view error;
};
struct TransactionUpdate {
  std::vector<QuerySetUpdate> query_sets;
};
struct OneOffQueryResult {
  uint32_t request_id = 0;
  std::variant<QueryRows, std::string_view> result;  // Second: the error.
};
struct ReducerOk {
  Bytes ret_value;
  TransactionUpdate update;
};
struct ReducerOkEmpty {};
struct ReducerErr {
  Bytes error;  // BSATN of the module's error; for Worldline always a string.
};
struct ReducerInternalError {
  std::string_view error;
};
struct ReducerResult {
  uint32_t request_id = 0;
  Timestamp timestamp;
  std::variant<ReducerOk, ReducerOkEmpty, ReducerErr, ReducerInternalError> outcome;
};
struct ProcedureResult {
  std::variant<Bytes, std::string_view> status;  // Returned value, or the error.
  Timestamp timestamp;
  int64_t duration_micros = 0;
  uint32_t request_id = 0;
};

// The order is the tag.
using ServerMessage =
    std::variant<InitialConnection, SubscribeApplied, UnsubscribeApplied, SubscriptionError,
                 TransactionUpdate, OneOffQueryResult, ReducerResult, ProcedureResult>;

// Decodes the message at the front of `body` (without compression tag) and removes it from there.
Result<ServerMessage> take_server_message(Bytes& body);

// Appends the BSATN of one message.
void encode_server_message(const ServerMessage& message, ByteBuffer& out);

// The text inside ReducerErr; nullopt if it is not a BSATN string.
std::optional<std::string_view> reducer_error_text(const ReducerErr& error);

}  // namespace worldline::protocol
