// storage/log/row_codec.h
//
// Bytes of the rows beside the entries: hard state, boundary, tail, node record, tombstone, and the
// keys of all of them. Each row: version byte, fields little-endian, CRC-32C over what precedes it.
//
// Errors: kCorruption for anything that is not exactly what encode_* wrote; kNotSupported for a
//   newer version byte. Sources: [S 08/3.6]; docs/formats/log-record.md. Thread: any.
#pragma once

#include "base/status.h"
#include "storage/log/log_types.h"

namespace worldline::storage {

// Big-endian, so that byte order is numeric order.
struct LogKey {
  std::array<Byte, 16> bytes;
  Bytes span() const { return bytes; }
};
LogKey entry_key(GroupId group, LogIndex index);
Result<LogIndex> parse_entry_key(GroupId group, Bytes key);

enum class HardRow : uint64_t { kState = 0, kBoundary = 1, kTail = 2 };
LogKey hard_key(GroupId group, HardRow row);
std::array<Byte, 8> group_key(GroupId group);
Result<GroupId> parse_group_prefix(Bytes key);  // First 8 bytes of any key above.

ByteBuffer encode_hard_state(const HardState& state);
Result<HardState> decode_hard_state(Bytes bytes);
ByteBuffer encode_boundary(const Boundary& boundary);
Result<Boundary> decode_boundary(Bytes bytes);
ByteBuffer encode_tail(const TailRow& tail);
Result<TailRow> decode_tail(Bytes bytes);
ByteBuffer encode_node_record(const NodeRecord& record);
Result<NodeRecord> decode_node_record(Bytes bytes);
ByteBuffer encode_genesis_row(Bytes genesis);
Result<ByteBuffer> decode_genesis_row(Bytes bytes);
ByteBuffer encode_tombstone(const Tombstone& tombstone);
Result<Tombstone> decode_tombstone(Bytes bytes);

}  // namespace worldline::storage
