// replication/node/node_registry.h
//
// NodeRegistry is the catalog's table of nodes as a pure state machine: who may join under which id
// [S 08/3.9], and who is alive in the catalog's eyes [S 08/3.10].
//
// Invariants: a NodeId is bound to one uuid for ever and never given twice; of one uuid only the
//   newest incarnation counts (I-24); a decommissioned node never returns.
// Use: plan_*() decides and changes nothing; its record becomes a log entry of the catalog, and
//   every replica of the catalog calls apply() with it. Ownership: the catalog's state.
// Errors: kFailedPrecondition (fenced, too old a program), kPermissionDenied (decommissioned).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "replication/node/node_types.h"

namespace worldline::replication {

enum class NodeStanding : uint8_t {
  kUp = 1,
  kDraining = 2,
  kSuspect = 3,         // Its lease ran out: alarms and balancing only.
  kDead = 4,            // Its replicas are replaced.
  kDecommissioned = 5,  // Never again.
};
const char* standing_name(NodeStanding standing);

struct NodeRecord {
  NodeId node;
  Uuid uuid{};
  uint64_t incarnation = 0;
  uint64_t epoch = 0;  // Grows with every change of standing.
  NodeStanding standing = NodeStanding::kUp;
  uint32_t feature_level = 0;
  std::string name;  // For people: it carries no meaning.
  std::vector<std::string> addresses;
  std::string failure_domain;
  friend bool operator==(const NodeRecord&, const NodeRecord&) = default;
};

struct JoinRequest {
  Uuid uuid{};
  uint64_t incarnation = 0;
  uint32_t feature_level = 0;
  std::string name;
  std::vector<std::string> addresses;
  std::string failure_domain;
};

class NodeRegistry {
 public:
  static constexpr size_t kNodesMax = 1024;  // Decommissioned ones included.

  // The record the request leads to; equal to the present one if it is only repeated.
  Result<NodeRecord> plan_join(const JoinRequest& request) const;
  // Errors: kNotFound; kFailedPrecondition for a change that is none or never allowed.
  Result<NodeRecord> plan_standing(NodeId node, NodeStanding standing) const;
  // REQUIRES: a record that plan_*() gave for the present state.
  void apply(const NodeRecord& record);

  const NodeRecord* find(NodeId node) const;
  const NodeRecord* find(const Uuid& uuid) const;
  const std::map<NodeId, NodeRecord>& records() const { return records_; }
  // The version gate [S 08/3.9]: raised by order only, to at most what every live node knows.
  uint32_t active_level() const { return active_level_; }
  uint32_t lowest_level() const;
  Status check_level(uint32_t level) const;
  void set_active_level(uint32_t level) { active_level_ = level; }

 private:
  std::map<NodeId, NodeRecord> records_;
  std::map<Uuid, NodeId> by_uuid_;
  NodeId last_;
  uint32_t active_level_ = 0;
};

// --- Leases of nodes [S 08/3.10]
// --------------------------------------------------------------------

struct LeaseTimes {
  Micros ttl = std::chrono::seconds{4};
  Micros dead_after = std::chrono::minutes{10};
};

// At the catalog's leader: counted by its own clock since receipt.
class NodeLeases {
 public:
  // A new leader gives everybody a full lease.
  NodeLeases(const LeaseTimes& times, BootTime now) : times_(times), began_at_(now) {}

  void renewed(NodeId node, BootTime now) { renewed_[node] = now; }
  void forget(NodeId node) { renewed_.erase(node); }
  // The standing its record should have; nullopt = as it is.
  std::optional<NodeStanding> judge(const NodeRecord& record, BootTime now) const;

 private:
  const LeaseTimes times_;
  const BootTime began_at_;
  std::map<NodeId, BootTime> renewed_;
};

// At the node: counted from sending, so its view ends first.
class OwnLease {
 public:
  explicit OwnLease(const LeaseTimes& times) : times_(times) {}

  void granted(BootTime sent_at) {
    if (!sent_at_ || *sent_at_ < sent_at) sent_at_ = sent_at;
  }
  bool is_valid(BootTime now) const { return sent_at_ && now < *sent_at_ + times_.ttl; }

 private:
  const LeaseTimes times_;
  std::optional<BootTime> sent_at_;
};

}  // namespace worldline::replication
