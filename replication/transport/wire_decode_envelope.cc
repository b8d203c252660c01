// Envelopes of the Raft core: one function per body, in the order of proto/replication.proto.
#include <limits>

#include "replication/membership.h"
#include "replication/transport/wire_decode.h"

namespace worldline::replication {
namespace {

// Consecutive from prev: the index is not on the wire.
Entry take_entry(WireReader& reader, WireField field, MessageFaults& faults) {
  Entry entry;
  entry.kind = EntryKind{};  // Left out: no valid entry.
  const size_t outer = reader.open(field);
  for (WireField inner; reader.next(inner);) {
    switch (inner.number) {
      case 1:
        entry.term = Term{reader.number(inner)};
        break;
      case 2:
        entry.kind = take_enum(reader, inner, static_cast<EntryKind>(kEntryKindMax), faults);
        break;
      case 3:
        entry.chain = Chain{reader.fixed64(inner)};
        break;
      case 4:
        entry.payload = reader.payload(inner);
        break;
      default:
        reader.skip(inner);
    }
  }
  reader.close(outer);
  if (entry.payload == nullptr) entry.payload = std::make_shared<const ByteBuffer>();
  entry.payload_bytes = static_cast<uint32_t>(entry.payload->size());
  return entry;
}

void take(WireReader& reader, Append& out, MessageFaults& faults, DecodeBudget& budget) {
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.prev = take_entry_id(reader, field);
        break;
      case 2:
        out.prev_chain = Chain{reader.fixed64(field)};
        break;
      case 3:
        out.commit = LogIndex{reader.number(field)};
        break;
      case 4:
        out.seq = reader.number(field);
        break;
      case 5:
        if (budget.entries_left == 0) {
          faults.add(Status::too_large("more than {} entries in one frame", kFrameEntriesMax));
          reader.skip(field);
          break;
        }
        --budget.entries_left;
        out.entries.push_back(take_entry(reader, field, faults));
        break;
      default:
        reader.skip(field);
    }
  }
  uint64_t index = out.prev.index.value;
  for (Entry& entry : out.entries) entry.index = LogIndex{++index};
}

void take(WireReader& reader, AppendResp& out, MessageFaults&, DecodeBudget&) {
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.ok = reader.number(field) != 0;
        break;
      case 2:
        out.match = LogIndex{reader.number(field)};
        break;
      case 3:
        out.reject_prev = LogIndex{reader.number(field)};
        break;
      case 4:
        out.hint = take_entry_id(reader, field);
        break;
      case 5:
        out.last_index = LogIndex{reader.number(field)};
        break;
      case 6:
        out.applied = LogIndex{reader.number(field)};
        break;
      case 7:
        out.seq_echo = reader.number(field);
        break;
      case 8:
        out.disk_full = reader.number(field) != 0;
        break;
      case 9:
        out.apply_lag = reader.number(field) != 0;
        break;
      default:
        reader.skip(field);
    }
  }
}

void take(WireReader& reader, Heartbeat& out, MessageFaults&, DecodeBudget&) {
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.commit = LogIndex{reader.number(field)};
        break;
      case 2:
        out.read_ctx = reader.number(field);
        break;
      case 3:
        out.quiesce = reader.number(field) != 0;
        break;
      default:
        reader.skip(field);
    }
  }
}

void take(WireReader& reader, HeartbeatResp& out, MessageFaults& faults, DecodeBudget&) {
  out.status = {};
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.status = take_enum(reader, field, HeartbeatStatus::kRefuseQuiesce, faults);
        break;
      case 2:
        out.read_ctx = reader.number(field);
        break;
      case 3:
        out.applied = LogIndex{reader.number(field)};
        break;
      case 4:
        out.last_index = LogIndex{reader.number(field)};
        break;
      default:
        reader.skip(field);
    }
  }
  if (out.status == HeartbeatStatus{}) faults.add(Status::invalid_argument("no status"));
}

void take(WireReader& reader, PreVoteReq& out, MessageFaults& faults, DecodeBudget&) {
  out.reason = {};
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.last = take_entry_id(reader, field);
        break;
      case 2:
        out.reason = take_enum(reader, field, CampaignReason::kOperator, faults);
        break;
      default:
        reader.skip(field);
    }
  }
  if (out.reason == CampaignReason{}) faults.add(Status::invalid_argument("no reason"));
}

void take(WireReader& reader, PreVoteResp& out, MessageFaults& faults, DecodeBudget&) {
  out.why = {};
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.why = take_enum(reader, field, VoteAnswer::kOldTerm, faults);
        break;
      case 2:
        out.leader_hint = ReplicaId{reader.number(field)};
        break;
      default:
        reader.skip(field);
    }
  }
  if (out.why == VoteAnswer{}) faults.add(Status::invalid_argument("no answer"));
}

void take(WireReader& reader, VoteReq& out, MessageFaults&, DecodeBudget&) {
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.last = take_entry_id(reader, field);
        break;
      case 2:
        out.transfer = reader.number(field) != 0;
        break;
      default:
        reader.skip(field);
    }
  }
}

void take(WireReader& reader, VoteResp& out, MessageFaults& faults, DecodeBudget&) {
  out.why = {};
  for (WireField field; reader.next(field);) {
    if (field.number == 1)
      out.why = take_enum(reader, field, VoteAnswer::kOldTerm, faults);
    else
      reader.skip(field);
  }
  if (out.why == VoteAnswer{}) faults.add(Status::invalid_argument("no answer"));
}

void take(WireReader& reader, ReadIndexReq& out, MessageFaults&, DecodeBudget&) {
  for (WireField field; reader.next(field);) {
    if (field.number == 1)
      out.token = ReadToken{reader.number(field)};
    else
      reader.skip(field);
  }
}

void take(WireReader& reader, ReadIndexResp& out, MessageFaults&, DecodeBudget&) {
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.token = ReadToken{reader.number(field)};
        break;
      case 2:
        out.ok = reader.number(field) != 0;
        break;
      case 3:
        out.index = LogIndex{reader.number(field)};
        break;
      default:
        reader.skip(field);
    }
  }
}

void take(WireReader& reader, TimeoutNow&, MessageFaults&, DecodeBudget&) {
  for (WireField field; reader.next(field);) reader.skip(field);
}

void take_config(WireReader& reader, WireField field, Membership& out, MessageFaults& faults) {
  const ByteBuffer bytes = reader.bytes(field);
  if (!reader.ok()) return;
  if (bytes.size() > kConfigBytesMax)
    return faults.add(Status::too_large("config of {} B, limit kConfigBytesMax is {} B",
                                        bytes.size(), kConfigBytesMax));
  Result<Membership> config = decode_membership(bytes);
  if (!config.ok()) return faults.add(config.status());
  out = std::move(*config);
}

void take(WireReader& reader, SnapOffer& out, MessageFaults& faults, DecodeBudget&) {
  LogBoundary& boundary = out.meta.boundary;
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        boundary.id = take_entry_id(reader, field);
        break;
      case 2:
        boundary.chain = Chain{reader.fixed64(field)};
        break;
      case 3:
        take_config(reader, field, boundary.config, faults);
        break;
      case 4:
        boundary.config_index = LogIndex{reader.number(field)};
        break;
      case 5:
        out.meta.snap_id = reader.number(field);
        break;
      case 6:
        out.meta.manifest_hash = reader.bytes(field);
        break;
      case 7:
        out.meta.total_bytes = reader.number(field);
        break;
      case 8:
        out.meta.chunk_count = take_small<uint32_t>(reader, field, faults);
        break;
      default:
        reader.skip(field);
    }
  }
}

void take(WireReader& reader, Hello& out, MessageFaults&, DecodeBudget&) {
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.last = take_entry_id(reader, field);
        break;
      case 2:
        out.durable_term = Term{reader.number(field)};
        break;
      case 3:
        out.boundary_index = LogIndex{reader.number(field)};
        break;
      default:
        reader.skip(field);
    }
  }
}

void take(WireReader& reader, GroupGone& out, MessageFaults& faults, DecodeBudget&) {
  out.reason = {};
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.replica = ReplicaId{reader.number(field)};
        break;
      case 2:
        out.reason = take_enum(reader, field, GoneReason::kLostData, faults);
        break;
      default:
        reader.skip(field);
    }
  }
  if (out.reason == GoneReason{}) faults.add(Status::invalid_argument("no reason"));
}

// What reads one field of an envelope's oneof.
struct BodyContext {
  WireReader& reader;
  WireField field;
  MessageFaults& faults;
  DecodeBudget& budget;
};

template <typename Body>
void take_body(const BodyContext& at, MessageBody& out) {
  Body& body = out.emplace<Body>();
  const size_t outer = at.reader.open(at.field);
  take(at.reader, body, at.faults, at.budget);
  at.reader.close(outer);
}

using TakeBody = void (*)(const BodyContext& at, MessageBody& out);
constexpr uint32_t kFirstBodyField = 7;
constexpr TakeBody kBodies[] = {
    take_body<Append>,        take_body<AppendResp>, take_body<Heartbeat>,
    take_body<HeartbeatResp>, take_body<PreVoteReq>, take_body<PreVoteResp>,
    take_body<VoteReq>,       take_body<VoteResp>,   take_body<ReadIndexReq>,
    take_body<ReadIndexResp>, take_body<TimeoutNow>, take_body<SnapOffer>,
    take_body<Hello>,         take_body<GroupGone>,
};
static_assert(std::size(kBodies) == std::variant_size_v<MessageBody>);

}  // namespace

bool take_envelope(WireReader& reader, Envelope& out, MessageFaults& faults, DecodeBudget& budget) {
  bool has_body = false;
  for (WireField field; reader.next(field);) {
    switch (field.number) {
      case 1:
        out.group = GroupId{reader.number(field)};
        break;
      case 2:
        out.from.replica = ReplicaId{reader.number(field)};
        break;
      case 3:
        out.to.replica = ReplicaId{reader.number(field)};
        break;
      case 4:
        out.to.incarnation = reader.number(field);
        break;
      case 5:
        out.term = Term{reader.number(field)};
        break;
      case 6:
        out.config_index = LogIndex{reader.number(field)};
        break;
      default: {
        const uint32_t body = field.number - kFirstBodyField;
        if (body >= std::size(kBodies)) {
          reader.skip(field);
          break;
        }
        if (has_body) faults.add(Status::invalid_argument("two bodies"));
        has_body = true;
        kBodies[body]({reader, field, faults, budget}, out.body);
      }
    }
  }
  return has_body;
}

}  // namespace worldline::replication
