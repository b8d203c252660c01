// replication/transport/wire_decode.h
//
// The decoders of single messages, shared by the files that hold them. Not for use outside the
// codec.
//
// Each reads the fields of the message that `reader` is in. Values that their type cannot hold (an
// unknown enumerator, a number of the wrong size) are reported to `faults`; what else a message
// must fulfil is validate()'s. Syntax errors stay in the reader.
#pragma once

#include <optional>

#include "replication/transport/wire_codec.h"
#include "replication/transport/wire_reader.h"

namespace worldline::replication {

// What is wrong with the values of one message; the first fault counts.
class MessageFaults {
 public:
  void add(Status status) {
    if (first_.ok()) first_ = std::move(status);
  }
  const Status& first() const { return first_; }

 private:
  Status first_;
};

// What a frame may still hold.
struct DecodeBudget {
  size_t messages_left = kFrameMessagesMax;
  size_t entries_left = kFrameEntriesMax;
};

template <typename Enum>
Enum take_enum(WireReader& reader, WireField field, Enum last, MessageFaults& faults) {
  const uint64_t value = reader.number(field);
  if (value >= 1 && value <= static_cast<uint64_t>(last)) return static_cast<Enum>(value);
  if (reader.ok())
    faults.add(Status::not_supported("field {}: unknown value {}", field.number, value));
  return last;
}

template <typename Number>
Number take_small(WireReader& reader, WireField field, MessageFaults& faults) {
  const uint64_t value = reader.number(field);
  if (value <= std::numeric_limits<Number>::max()) return static_cast<Number>(value);
  faults.add(Status::invalid_argument("field {}: {} is out of range", field.number, value));
  return {};
}

inline EntryId take_entry_id(WireReader& reader, WireField field) {
  EntryId id;
  const size_t outer = reader.open(field);
  for (WireField inner; reader.next(inner);) {
    switch (inner.number) {
      case 1:
        id.term = Term{reader.number(inner)};
        break;
      case 2:
        id.index = LogIndex{reader.number(inner)};
        break;
      default:
        reader.skip(inner);
    }
  }
  reader.close(outer);
  return id;
}

// False: the envelope has no body that this program knows.
bool take_envelope(WireReader& reader, Envelope& out, MessageFaults& faults, DecodeBudget& budget);

void take(WireReader& reader, HeartbeatBatch& out, MessageFaults& faults);
void take(WireReader& reader, HeartbeatReply& out, MessageFaults& faults);
void take(WireReader& reader, SnapBytes& out, MessageFaults& faults);

}  // namespace worldline::replication
