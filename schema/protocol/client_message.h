// schema/protocol/client_message.h
//
// What clients send on v2 and v3 [S 02/7.1]: five messages, decoded without copying. Names, query
// texts and arguments are views into the frame, so one frame shared by its batch serves all calls.
//
// Ownership: every view borrows the decoded frame; keep the frame alive with the messages.
// Thread: pure functions; any thread. Cost: one pass, no allocation but for query string lists.
// Errors: kInvalidArgument with the text that becomes the close reason (code 1011).
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace worldline::protocol {

struct Subscribe {
  uint32_t request_id = 0;
  uint32_t query_set_id = 0;
  std::vector<std::string_view> query_strings;
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

enum class UnsubscribeFlags : uint8_t { kDefault = 0, kSendDroppedRows = 1 };

struct Unsubscribe {
  uint32_t request_id = 0;
  uint32_t query_set_id = 0;
  UnsubscribeFlags flags = UnsubscribeFlags::kDefault;
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};

struct OneOffQuery {
  uint32_t request_id = 0;
  std::string_view query_string;
  friend bool operator==(const OneOffQuery&, const OneOffQuery&) = default;
};

struct CallReducer {
  uint32_t request_id = 0;
  std::string_view reducer;
  Bytes args;  // BSATN product of the parameters.
  friend bool operator==(const CallReducer& a, const CallReducer& b) {
    return a.request_id == b.request_id && a.reducer == b.reducer && equal(a.args, b.args);
  }
};

struct CallProcedure {
  uint32_t request_id = 0;
  std::string_view procedure;
  Bytes args;
  friend bool operator==(const CallProcedure& a, const CallProcedure& b) {
    return a.request_id == b.request_id && a.procedure == b.procedure && equal(a.args, b.args);
  }
};

// The order is the tag.
using ClientMessage = std::variant<Subscribe, Unsubscribe, OneOffQuery, CallReducer, CallProcedure>;

// How many messages one WebSocket message holds.
enum class Framing : uint8_t {
  kSingle,   // v2: exactly one; trailing bytes are an error (REQ of [S 02/7.1]).
  kBatched,  // v3: one or more, back to back.
};

// Appends the messages of one WebSocket payload to `out`. On failure the messages before the bad
// one have been appended and are to be executed [S 02/8].
Status decode_client_messages(Bytes payload, Framing framing, std::vector<ClientMessage>& out);

// Decodes the message at the front of `payload` and removes it from there.
Result<ClientMessage> take_client_message(Bytes& payload);

// Appends the BSATN of one message: the client side (CLI, load harness, tests).
void encode_client_message(const ClientMessage& message, ByteBuffer& out);

}  // namespace worldline::protocol
