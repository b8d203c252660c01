#include "schema/protocol/client_message.h"

#include "schema/protocol/wire_reader.h"
#include "schema/protocol/wire_writer.h"

namespace worldline::protocol {
namespace {

enum ClientTag : uint8_t { kSubscribe, kUnsubscribe, kOneOffQuery, kCallReducer, kCallProcedure };

Subscribe read_subscribe(WireReader& reader) {
  Subscribe message;
  message.request_id = reader.read_u32();
  message.query_set_id = reader.read_u32();
  const uint32_t count = reader.read_count(sizeof(uint32_t));  // A string is at least its length.
  message.query_strings.reserve(count);
  for (uint32_t i = 0; i < count && reader.ok(); ++i)
    message.query_strings.push_back(reader.read_string());
  return message;
}

Unsubscribe read_unsubscribe(WireReader& reader) {
  Unsubscribe message;
  message.request_id = reader.read_u32();
  message.query_set_id = reader.read_u32();
  message.flags = static_cast<UnsubscribeFlags>(reader.read_tag(2, "UnsubscribeFlags"));
  return message;
}

OneOffQuery read_one_off_query(WireReader& reader) {
  OneOffQuery message;
  message.request_id = reader.read_u32();
  message.query_string = reader.read_string();
  return message;
}

void check_call_flags(WireReader& reader, const char* kind) {
  const uint8_t flags = reader.read_u8();
  if (flags != 0) [[unlikely]]
    reader.fail(Status::invalid_argument("invalid call {} flag {}", kind, flags));
}

CallReducer read_call_reducer(WireReader& reader) {
  CallReducer message;
  message.request_id = reader.read_u32();
  check_call_flags(reader, "reducer");
  message.reducer = reader.read_string();
  message.args = reader.read_bytes();
  return message;
}

CallProcedure read_call_procedure(WireReader& reader) {
  CallProcedure message;
  message.request_id = reader.read_u32();
  check_call_flags(reader, "procedure");
  message.procedure = reader.read_string();
  message.args = reader.read_bytes();
  return message;
}

// Appends one message, or leaves `out` as it was and fails the reader.
void read_client_message(WireReader& reader, std::vector<ClientMessage>& out) {
  const uint8_t tag = reader.read_u8();
  if (!reader.ok()) return;
  switch (tag) {
    case kCallReducer:
      out.emplace_back(read_call_reducer(reader));
      break;
    case kSubscribe:
      out.emplace_back(read_subscribe(reader));
      break;
    case kUnsubscribe:
      out.emplace_back(read_unsubscribe(reader));
      break;
    case kOneOffQuery:
      out.emplace_back(read_one_off_query(reader));
      break;
    case kCallProcedure:
      out.emplace_back(read_call_procedure(reader));
      break;
    default:
      reader.fail_tag(tag, "ClientMessage");
      return;
  }
  if (!reader.ok()) out.pop_back();
}

struct ClientEncoder {
  WireWriter out;

  void operator()(const Subscribe& message) {
    out.u8(kSubscribe).u32(message.request_id).u32(message.query_set_id);
    out.u32(static_cast<uint32_t>(message.query_strings.size()));
    for (const std::string_view query : message.query_strings) out.string(query);
  }
  void operator()(const Unsubscribe& message) {
    out.u8(kUnsubscribe).u32(message.request_id).u32(message.query_set_id);
    out.u8(static_cast<uint8_t>(message.flags));
  }
  void operator()(const OneOffQuery& message) {
    out.u8(kOneOffQuery).u32(message.request_id).string(message.query_string);
  }
  void operator()(const CallReducer& message) {
    out.u8(kCallReducer).u32(message.request_id).u8(0);
    out.string(message.reducer).bytes(message.args);
  }
  void operator()(const CallProcedure& message) {
    out.u8(kCallProcedure).u32(message.request_id).u8(0);
    out.string(message.procedure).bytes(message.args);
  }
};

}  // namespace

Status decode_client_messages(Bytes payload, Framing framing, std::vector<ClientMessage>& out) {
  if (payload.empty() && framing == Framing::kBatched)
    return Status::invalid_argument(
        "v3 websocket binary payload must contain at least one v2 client message");
  WireReader reader(payload);
  do {
    read_client_message(reader, out);
    if (!reader.ok()) return reader.status();
    if (framing == Framing::kSingle && !reader.rest().empty()) {
      out.pop_back();
      return Status::invalid_argument("v2 websocket message has {} bytes after its end",
                                      reader.rest().size());
    }
  } while (!reader.rest().empty());
  return {};
}

Result<ClientMessage> take_client_message(Bytes& payload) {
  std::vector<ClientMessage> one;
  WireReader reader(payload);
  read_client_message(reader, one);
  if (!reader.ok()) return reader.status();
  payload = reader.rest();
  return std::move(one.front());
}

void encode_client_message(const ClientMessage& message, ByteBuffer& out) {
  std::visit(ClientEncoder{WireWriter(out)}, message);
}

}  // namespace worldline::protocol
