#include "tests/processes/kv_pull.h"

#include <memory>
#include <utility>

#include "storage/log/record_reader.h"

namespace worldline::kv {
namespace {

using storage::RecordReader;

void write(ByteBuffer& out, const PullWant& want) {
  append_le(out, want.hash);
  append_le(out, static_cast<uint32_t>(want.offsets.size()));
  for (const uint64_t offset : want.offsets) append_le(out, offset);
}
void write(ByteBuffer& out, const PullPart& part) {
  append_le(out, part.hash);
  append_le(out, part.offset);
  append_le(out, part.total_bytes);
  append(out, part.data);
}
void write(ByteBuffer& out, const PullDone& done) {
  append_le(out, static_cast<uint8_t>(done.is_ok));
}

PullMessage read_want(RecordReader& reader, const PullId& id) {
  PullWant want{id, reader.number<storage::Digest128>(), {}};
  const auto count = reader.number<uint32_t>();
  for (uint32_t i = 0; i < count && i < kPullOffsetsMax && reader.ok(); ++i)
    want.offsets.push_back(reader.number<uint64_t>());
  return want;
}
PullMessage read_part(RecordReader& reader, const PullId& id) {
  PullPart part;
  part.id = id;
  part.hash = reader.number<storage::Digest128>();
  part.offset = reader.number<uint64_t>();
  part.total_bytes = reader.number<uint64_t>();
  const Bytes data = reader.take(reader.left());
  part.data.assign(data.begin(), data.end());
  return part;
}

}  // namespace

replication::SnapBytes encode_pull(const PullMessage& message) {
  ByteBuffer out = {static_cast<Byte>(message.index())};
  std::visit(
      [&out](const auto& body) {
        append_le(out, body.id.from.value);
        append_le(out, body.id.to.value);
        append_le(out, body.id.snap_id);
        write(out, body);
      },
      message);
  return {std::make_shared<const ByteBuffer>(std::move(out))};
}

Result<PullMessage> decode_pull(const replication::SnapBytes& bytes) {
  RecordReader reader(*bytes.payload);
  const auto kind = reader.number<uint8_t>();
  PullId id;
  id.from = ReplicaId{reader.number<uint64_t>()};
  id.to = ReplicaId{reader.number<uint64_t>()};
  id.snap_id = reader.number<uint64_t>();
  PullMessage message;
  if (kind == 0) {
    message = read_want(reader, id);
  } else if (kind == 1) {
    message = read_part(reader, id);
  } else {
    message = PullDone{id, reader.number<uint8_t>() == 1};
  }
  if (!reader.at_end() || kind > 2)
    return Status::invalid_argument("a pull message of kind {} is malformed", kind);
  return message;
}

}  // namespace worldline::kv
