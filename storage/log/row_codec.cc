#include "storage/log/row_codec.h"

#include <algorithm>

#include "base/record_reader.h"
#include "storage/log/entry_codec.h"

namespace worldline::storage {
namespace {

constexpr uint8_t kRowVersion = 1;
constexpr uint8_t kMarkedRowVersion = 2;  // Of a tombstone that says how it is marked.
constexpr size_t kReasonBytesMax = 4 * limits::KiB;

void store_be(Byte* to, uint64_t value) {
  for (int i = 7; i >= 0; --i, value >>= 8) to[i] = static_cast<Byte>(value);
}
uint64_t load_be(const Byte* from) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = (value << 8) | from[i];
  return value;
}

LogKey two_part_key(uint64_t first, uint64_t second) {
  LogKey key{};
  store_be(key.bytes.data(), first);
  store_be(key.bytes.data() + 8, second);
  return key;
}

ByteBuffer begin_row() {
  return {kRowVersion};
}

ByteBuffer end_row(ByteBuffer row) {
  append_le(row, crc32c(0, row));
  return row;
}

// The fields of a row whose checksum and version are right.
Result<RecordReader> open_row(const char* what, Bytes bytes, uint8_t newest = kRowVersion) {
  if (bytes.size() < 1 + sizeof(uint32_t))
    return Status::corruption("{}: row of {} B", what, bytes.size());
  const Bytes covered = bytes.first(bytes.size() - sizeof(uint32_t));
  if (crc32c(0, covered) != load_le<uint32_t>(bytes.data() + covered.size()))
    return Status::corruption("{}: checksum does not match", what);
  if (covered[0] < kRowVersion || covered[0] > newest)
    return Status::not_supported("{}: version {} is newer than {}", what, covered[0], newest);
  return RecordReader(covered.subspan(1));
}

Status close_row(const char* what, const RecordReader& reader) {
  if (reader.at_end()) return Status::ok_status();
  return Status::corruption("{}: row has the wrong length", what);
}

}  // namespace

LogKey entry_key(GroupId group, LogIndex index) {
  return two_part_key(group.value, index.value);
}

Result<LogIndex> parse_entry_key(GroupId group, Bytes key) {
  if (key.size() != 16 || load_be(key.data()) != group.value)
    return Status::corruption("group {}: foreign key of {} B in the log", group.value, key.size());
  return LogIndex{load_be(key.data() + 8)};
}

LogKey hard_key(GroupId group, HardRow row) {
  return two_part_key(group.value, static_cast<uint64_t>(row));
}

std::array<Byte, 8> group_key(GroupId group) {
  std::array<Byte, 8> key{};
  store_be(key.data(), group.value);
  return key;
}

Result<GroupId> parse_group_prefix(Bytes key) {
  if (key.size() < 8) return Status::corruption("key of {} B where a group is named", key.size());
  return GroupId{load_be(key.data())};
}

ByteBuffer encode_hard_state(const HardState& state) {
  ByteBuffer row = begin_row();
  append_le(row, state.replica.value);
  append_le(row, state.term.value);
  append_le(row, state.vote.value);
  append_le(row, state.commit_hint.value);
  append_le(row, state.generation);
  return end_row(std::move(row));
}

Result<HardState> decode_hard_state(Bytes bytes) {
  WL_ASSIGN_OR_RETURN(RecordReader reader, open_row("hard state", bytes));
  HardState state;
  state.replica = ReplicaId{reader.number<uint64_t>()};
  state.term = Term{reader.number<uint64_t>()};
  state.vote = ReplicaId{reader.number<uint64_t>()};
  state.commit_hint = LogIndex{reader.number<uint64_t>()};
  state.generation = reader.number<uint64_t>();
  WL_RETURN_IF_ERROR(close_row("hard state", reader));
  return state;
}

ByteBuffer encode_boundary(const Boundary& boundary) {
  WL_CHECK(boundary.config.size() <= kGroupConfigBytesMax);
  ByteBuffer row = begin_row();
  append_le(row, boundary.index.value);
  append_le(row, boundary.term.value);
  append_le(row, boundary.chain.value);
  append_le(row, boundary.checkpoint.id.value);
  append_le(row, boundary.checkpoint.manifest_hash);
  append_le(row, boundary.digest);
  append_le(row, static_cast<uint32_t>(boundary.config.size()));
  append(row, boundary.config);
  return end_row(std::move(row));
}

Result<Boundary> decode_boundary(Bytes bytes) {
  WL_ASSIGN_OR_RETURN(RecordReader reader, open_row("boundary", bytes));
  Boundary boundary;
  boundary.index = LogIndex{reader.number<uint64_t>()};
  boundary.term = Term{reader.number<uint64_t>()};
  boundary.chain = Chain{reader.number<uint64_t>()};
  boundary.checkpoint.id = CheckpointId{reader.number<uint64_t>()};
  boundary.checkpoint.manifest_hash = reader.number<Digest128>();
  boundary.digest = reader.number<Digest128>();
  const Bytes config = reader.take(reader.number<uint32_t>());
  WL_RETURN_IF_ERROR(close_row("boundary", reader));
  boundary.config.assign(config.begin(), config.end());
  return boundary;
}

ByteBuffer encode_tail(const TailRow& tail) {
  ByteBuffer row = begin_row();
  append_le(row, tail.last.value);
  append_le(row, tail.term.value);
  append_le(row, tail.chain.value);
  return end_row(std::move(row));
}

Result<TailRow> decode_tail(Bytes bytes) {
  WL_ASSIGN_OR_RETURN(RecordReader reader, open_row("tail", bytes));
  TailRow tail;
  tail.last = LogIndex{reader.number<uint64_t>()};
  tail.term = Term{reader.number<uint64_t>()};
  tail.chain = Chain{reader.number<uint64_t>()};
  WL_RETURN_IF_ERROR(close_row("tail", reader));
  return tail;
}

ByteBuffer encode_node_record(const NodeRecord& record) {
  ByteBuffer row = begin_row();
  append_le(row, record.format);
  append_le(row, record.cluster);
  append_le(row, record.uuid);
  append_le(row, record.node.value);
  append_le(row, record.incarnation);
  append_le(row, static_cast<uint8_t>(record.clean_shutdown));
  return end_row(std::move(row));
}

Result<NodeRecord> decode_node_record(Bytes bytes) {
  WL_ASSIGN_OR_RETURN(RecordReader reader, open_row("node record", bytes));
  NodeRecord record;
  record.format = reader.number<uint32_t>();
  record.cluster = reader.number<RandomId>();
  record.uuid = reader.number<RandomId>();
  record.node = NodeId{reader.number<uint64_t>()};
  record.incarnation = reader.number<uint64_t>();
  record.clean_shutdown = reader.number<uint8_t>() != 0;
  WL_RETURN_IF_ERROR(close_row("node record", reader));
  return record;
}

ByteBuffer encode_genesis_row(Bytes genesis) {
  ByteBuffer row = begin_row();
  append_le(row, static_cast<uint32_t>(genesis.size()));
  append(row, genesis);
  return end_row(std::move(row));
}

Result<ByteBuffer> decode_genesis_row(Bytes bytes) {
  WL_ASSIGN_OR_RETURN(RecordReader reader, open_row("genesis", bytes));
  const auto size = reader.number<uint32_t>();
  if (size > kGenesisBytesMax) reader.fail();
  const Bytes genesis = reader.take(size);
  WL_RETURN_IF_ERROR(close_row("genesis", reader));
  return ByteBuffer(genesis.begin(), genesis.end());
}

ByteBuffer encode_tombstone(const Tombstone& tombstone) {
  const bool is_plain = tombstone.mark == MarkKind::kQuarantined;
  ByteBuffer row{is_plain ? kRowVersion : kMarkedRowVersion};
  const Bytes reason =
      as_bytes(tombstone.reason).first(std::min(tombstone.reason.size(), kReasonBytesMax));
  append_le(row, tombstone.lowest_allowed.value);
  append_le(row, tombstone.quarantined.value);
  append_le(row, static_cast<uint32_t>(reason.size()));
  append(row, reason);
  if (!is_plain) row.push_back(static_cast<Byte>(tombstone.mark));
  return end_row(std::move(row));
}

Result<Tombstone> decode_tombstone(Bytes bytes) {
  WL_ASSIGN_OR_RETURN(RecordReader reader, open_row("tombstone", bytes, kMarkedRowVersion));
  Tombstone tombstone;
  tombstone.lowest_allowed = ReplicaId{reader.number<uint64_t>()};
  tombstone.quarantined = ReplicaId{reader.number<uint64_t>()};
  const Bytes reason = reader.take(reader.number<uint32_t>());
  const uint8_t mark = bytes[0] == kRowVersion ? 0 : reader.number<uint8_t>();
  WL_RETURN_IF_ERROR(close_row("tombstone", reader));
  if (mark > static_cast<uint8_t>(MarkKind::kFrozen))
    return Status::not_supported("tombstone: unknown mark {}", mark);
  tombstone.mark = static_cast<MarkKind>(mark);
  tombstone.reason = as_text(reason);
  return tombstone;
}

}  // namespace worldline::storage
