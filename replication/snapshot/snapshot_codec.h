// replication/snapshot/snapshot_codec.h
//
// SnapMessages as bytes, for the stream between two nodes: little-endian, a version first.
//
// Errors: kInvalidArgument for anything that encode_snap_message() did not write, or beyond a limit
//   of snapshot_messages.h; kNotSupported for a newer version. Thread: any.
#pragma once

#include "base/status.h"
#include "replication/snapshot/snapshot_messages.h"

namespace worldline::replication {

// REQUIRES: within the limits of snapshot_messages.h.
ByteBuffer encode_snap_message(const SnapMessage& message);
Result<SnapMessage> decode_snap_message(Bytes bytes);

}  // namespace worldline::replication
