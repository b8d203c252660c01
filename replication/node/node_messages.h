// replication/node/node_messages.h
//
// What nodes say to each other besides the messages of groups: coalesced heartbeats, and the talk
// of a cluster's birth [S 08/3.2, 3.9].
//
// Thread: values. Sources: [S 08/3.2], [S 08/3.9].
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "replication/node/heartbeat_messages.h"
#include "replication/node/node_types.h"

namespace worldline::replication {

inline constexpr size_t kSeedsMax = 16;

// Why a node leaves [S 08/3.12].
enum class LeaveReason : uint8_t { kShutdown = 1, kStorage = 2, kFenced = 3, kFatal = 4 };
struct Farewell {
  LeaveReason reason = LeaveReason::kShutdown;
};

// --- Birth of a cluster; see cluster_birth.h
// ------------------------------------------------------
struct SeedHello {
  Uuid uuid{};
  uint64_t life = 0;            // Of this uuid; grows with every start of the process.
  uint64_t token_hash = 0;      // Never the token itself.
  bool is_empty = false;        // No Raft state in the data directory.
  uint64_t closed_ballot = 0;   // Of its own ballots none up to here can lead to a genesis.
  std::optional<Uuid> cluster;  // Known already.
};
struct PledgeRequest {
  Uuid writer{};
  uint64_t ballot = 0;  // Of this writer, grows, also over its lives.
  uint64_t token_hash = 0;
  uint64_t seeds_hash = 0;  // Of the uuids of all seeds, ascending.
};
struct Pledge {
  Uuid uuid{};
  Uuid writer{};
  uint64_t ballot = 0;
  bool granted = false;
};
struct GenesisSeed {
  Uuid uuid{};
  NodeId node;
  ReplicaId replica;  // Of the catalog.
  std::string address;
  friend bool operator==(const GenesisSeed&, const GenesisSeed&) = default;
};
// All that the first nodes of a cluster must agree on.
struct Genesis {
  Uuid cluster{};
  uint64_t token_hash = 0;
  std::vector<GenesisSeed> seeds;  // Ascending by uuid.
  friend bool operator==(const Genesis&, const Genesis&) = default;
};
struct GenesisOffer {
  uint64_t life = 0;  // Of the hello it answers: an offer to an earlier life is void.
  Genesis genesis;
};
using BirthMessage = std::variant<SeedHello, PledgeRequest, Pledge, GenesisOffer>;

// To a node of the cluster, on the control stream.
using NodeMessage = std::variant<HeartbeatBatch, HeartbeatReply, Farewell>;

}  // namespace worldline::replication
