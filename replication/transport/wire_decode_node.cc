// Heartbeats of a node, and snapshot transfer.
#include <limits>

#include "replication/transport/wire_decode.h"

namespace worldline::replication {
namespace {

// Reads one more item, unless there are too many already.
template <typename Item, typename Take>
void take_item(WireReader& reader, WireField field, std::vector<Item>& out, const Take& take_one) {
  const size_t outer = reader.open(field);
  take_one(reader, out.emplace_back());
  reader.close(outer);
}

template <typename Item>
bool has_room(const std::vector<Item>& items, size_t count_max, MessageFaults& faults) {
  if (items.size() < count_max) return true;
  faults.add(Status::too_large("more than {} items", count_max));
  return false;
}

void take_hears(WireReader& reader, WireField field, std::vector<NodeId>& out,
                MessageFaults& faults) {
  const size_t outer = reader.open(field);
  while (reader.ok() && reader.has_more()) {
    const NodeId node{reader.varint()};
    if (has_room(out, kHeardNodesMax, faults)) out.push_back(node);
  }
  reader.close(outer);
}

void take_header(WireReader& reader, WireField field, NodeHeader& out, MessageFaults& faults) {
  const size_t outer = reader.open(field);
  for (WireField inner; reader.next(inner);) {
    switch (inner.number) {
      case 1:
        out.incarnation = reader.number(inner);
        break;
      case 2:
        out.lead_epoch = reader.number(inner);
        break;
      case 3:
        out.wall_clock = Timestamp{static_cast<int64_t>(reader.fixed64(inner))};
        break;
      case 4:
        out.monotonic_ns = reader.fixed64(inner);
        break;
      case 5:
        out.disk_pressure_percent = take_small<uint8_t>(reader, inner, faults);
        break;
      case 6:
        out.cpu_pressure_percent = take_small<uint8_t>(reader, inner, faults);
        break;
      case 7:
        take_hears(reader, inner, out.hears, faults);
        break;
      default:
        reader.skip(inner);
    }
  }
  reader.close(outer);
}

void take_fields(WireReader& reader, HeartbeatItem& out) {
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.group = GroupId{reader.number(field)};
        break;
      case 2:
        out.from = ReplicaId{reader.number(field)};
        break;
      case 3:
        out.to = ReplicaId{reader.number(field)};
        break;
      case 4:
        out.term = Term{reader.number(field)};
        break;
      case 5:
        out.config_index = LogIndex{reader.number(field)};
        break;
      case 6:
        out.commit = LogIndex{reader.number(field)};
        break;
      case 7:
        out.read_ctx = reader.number(field);
        break;
      case 8:
        out.quiesce = reader.number(field) != 0;
        break;
      default:
        reader.skip(field);
    }
  }
}

void take_fields(WireReader& reader, HeartbeatDelta& out, MessageFaults& faults) {
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.place = take_small<uint32_t>(reader, field, faults);
        break;
      case 2:
        out.commit_advance = reader.number(field);
        break;
      case 3:
        out.read_ctx = reader.number(field);
        break;
      default:
        reader.skip(field);
    }
  }
}

void take_fields(WireReader& reader, HeartbeatAnswer& out, MessageFaults& faults) {
  out.status = {};
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.place = take_small<uint32_t>(reader, field, faults);
        break;
      case 2:
        out.status = take_enum(reader, field, HeartbeatStatus::kRefuseQuiesce, faults);
        break;
      case 3:
        out.term = Term{reader.number(field)};
        break;
      case 4:
        out.config_index = LogIndex{reader.number(field)};
        break;
      case 5:
        out.read_ctx = reader.number(field);
        break;
      case 6:
        out.applied = LogIndex{reader.number(field)};
        break;
      case 7:
        out.last_index = LogIndex{reader.number(field)};
        break;
      default:
        reader.skip(field);
    }
  }
  if (out.status == HeartbeatStatus{}) faults.add(Status::invalid_argument("no status"));
}

}  // namespace

void take(WireReader& reader, HeartbeatBatch& out, MessageFaults& faults) {
  const auto take_delta = [&faults](WireReader& from, HeartbeatDelta& delta) {
    take_fields(from, delta, faults);
  };
  const auto take_full = [](WireReader& from, HeartbeatItem& item) { take_fields(from, item); };
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.seq = reader.number(field);
        break;
      case 2:
        out.base_seq = reader.number(field);
        break;
      case 3:
        take_header(reader, field, out.header, faults);
        break;
      case 4:
        if (has_room(out.full, kHeartbeatItemsMax, faults))
          take_item(reader, field, out.full, take_full);
        else
          reader.skip(field);
        break;
      case 5:
        if (has_room(out.changed, kHeartbeatItemsMax, faults))
          take_item(reader, field, out.changed, take_delta);
        else
          reader.skip(field);
        break;
      case 6:
        out.light = reader.bytes(field);
        break;
      default:
        reader.skip(field);
    }
  }
}

void take(WireReader& reader, HeartbeatReply& out, MessageFaults& faults) {
  const auto take_answer = [&faults](WireReader& from, HeartbeatAnswer& answer) {
    take_fields(from, answer, faults);
  };
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.seq_echo = reader.number(field);
        break;
      case 2:
        out.monotonic_ns_echo = reader.fixed64(field);
        break;
      case 3:
        take_header(reader, field, out.header, faults);
        break;
      case 4:
        out.item_count = take_small<uint32_t>(reader, field, faults);
        break;
      case 5:
        out.ok = reader.bytes(field);
        break;
      case 6:
        if (has_room(out.answers, kHeartbeatItemsMax, faults))
          take_item(reader, field, out.answers, take_answer);
        else
          reader.skip(field);
        break;
      default:
        reader.skip(field);
    }
  }
}

void take(WireReader& reader, SnapBytes& out, MessageFaults&) {
  for (WireField field; reader.next(field);) {
    if (field.number == 1)
      out.payload = reader.payload(field);
    else
      reader.skip(field);
  }
}

}  // namespace worldline::replication
