// tests/processes/kv_pull.h
//
// What the nodes of the test cluster say to each other while one pulls the image of another, as
// messages of snapshot transfer.
//
// Thread: values. Errors: kInvalidArgument for bytes that encode() did not write.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "replication/transport/wire_messages.h"
#include "storage/log/log_types.h"

namespace worldline::kv {

// One attempt to move one image.
struct PullId {
  ReplicaId from;
  ReplicaId to;
  uint64_t snap_id = 0;
  friend bool operator==(const PullId&, const PullId&) = default;
};
struct PullWant {
  PullId id;
  storage::Digest128 hash{};
  std::vector<uint64_t> offsets;  // At most kPullOffsetsMax.
};
struct PullPart {
  PullId id;
  storage::Digest128 hash{};
  uint64_t offset = 0;
  uint64_t total_bytes = 0;
  ByteBuffer data;
};
struct PullDone {
  PullId id;
  bool is_ok = false;
};
using PullMessage = std::variant<PullWant, PullPart, PullDone>;

inline constexpr size_t kPullOffsetsMax = 64;

replication::SnapBytes encode_pull(const PullMessage& message);
Result<PullMessage> decode_pull(const replication::SnapBytes& bytes);

}  // namespace worldline::kv
