// replication/node/birth_codec.h
//
// Bytes of what seeds say to each other, and of the genesis as it is stored [S 08/3.9]. They are
// spoken before there is a cluster, so outside the frames of replication.proto, in its SeedMessage.
//
// Format, little-endian: version u8, kind u8, fields in the order of node_messages.h; texts and
// lists are preceded by their count as u16. Numbers are never re-used.
// Thread: pure. Errors: kInvalidArgument for bytes that are no message, kNotSupported for a newer
//   version or kind.
#pragma once

#include "base/status.h"
#include "replication/node/node_messages.h"

namespace worldline::replication {

inline constexpr size_t kNodeAddressBytesMax = 255;
// A genesis of kSeedsMax seeds, and the fields before it.
inline constexpr size_t kBirthMessageBytesMax = 64 + kSeedsMax * (16 + 8 + 8 + 2 + 255);

ByteBuffer encode_birth(const BirthMessage& message);
Result<BirthMessage> decode_birth(Bytes bytes);

// What is kept in the data directory: version u8, kind u8 of its own, the fields of a Genesis.
ByteBuffer encode_genesis(const Genesis& genesis);
Result<Genesis> decode_genesis(Bytes bytes);

}  // namespace worldline::replication
