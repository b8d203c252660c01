#include "replication/node/node_registry.h"

#include <algorithm>

namespace worldline::replication {

const char* standing_name(NodeStanding standing) {
  switch (standing) {
    case NodeStanding::kUp:
      return "up";
    case NodeStanding::kDraining:
      return "draining";
    case NodeStanding::kSuspect:
      return "suspect";
    case NodeStanding::kDead:
      return "dead";
    case NodeStanding::kDecommissioned:
      return "decommissioned";
  }
  return "?";
}

Result<NodeRecord> NodeRegistry::plan_join(const JoinRequest& request) const {
  if (request.uuid == Uuid{}) return Status::invalid_argument("a node without uuid cannot join");
  if (request.incarnation == 0)
    return Status::invalid_argument("incarnations begin at 1; none was given");
  if (request.feature_level < active_level_)
    return Status::failed_precondition(
        "the cluster uses feature level {}; this program knows {}: upgrade it", active_level_,
        request.feature_level);
  NodeRecord record;
  if (const NodeRecord* known = find(request.uuid); known != nullptr) {
    record = *known;
    if (record.standing == NodeStanding::kDecommissioned)
      return Status::permission_denied("node {} was decommissioned; give it an empty volume",
                                       record.node.value);
    if (request.incarnation < record.incarnation)
      return Status::failed_precondition(
          "node {} runs elsewhere with incarnation {}; this one has {} and is fenced",
          record.node.value, record.incarnation, request.incarnation);
    if (request.incarnation > record.incarnation) {
      record.standing = NodeStanding::kUp;
      ++record.epoch;
    }
  } else {
    if (records_.size() >= kNodesMax)
      return Status::overloaded("{} nodes are known; the limit is {}", records_.size(), kNodesMax);
    // A known name with another uuid is a new node: the disk is what counts.
    record.node = last_.next();
    record.uuid = request.uuid;
    record.epoch = 1;
  }
  record.incarnation = request.incarnation;
  record.feature_level = request.feature_level;
  record.name = request.name;
  record.addresses = request.addresses;
  record.failure_domain = request.failure_domain;
  return record;
}

Result<NodeRecord> NodeRegistry::plan_standing(NodeId node, NodeStanding standing) const {
  const NodeRecord* known = find(node);
  if (known == nullptr) return Status::not_found("there is no node {}", node.value);
  if (known->standing == NodeStanding::kDecommissioned)
    return Status::failed_precondition("node {} was decommissioned", node.value);
  if (known->standing == standing)
    return Status::failed_precondition("node {} is {} already", node.value,
                                       standing_name(standing));
  NodeRecord record = *known;
  record.standing = standing;
  ++record.epoch;
  return record;
}

void NodeRegistry::apply(const NodeRecord& record) {
  WL_CHECK(record.node.value != 0);
  const auto [bound, is_new] = by_uuid_.try_emplace(record.uuid, record.node);
  WL_CHECK(bound->second == record.node);  // A uuid has one id for ever.
  if (!is_new) WL_CHECK(records_.at(record.node).incarnation <= record.incarnation);
  if (is_new) WL_CHECK(!records_.contains(record.node));  // And an id one uuid.
  last_ = std::max(last_, record.node);
  records_.insert_or_assign(record.node, record);
}

const NodeRecord* NodeRegistry::find(NodeId node) const {
  const auto found = records_.find(node);
  return found != records_.end() ? &found->second : nullptr;
}

const NodeRecord* NodeRegistry::find(const Uuid& uuid) const {
  const auto found = by_uuid_.find(uuid);
  return found != by_uuid_.end() ? find(found->second) : nullptr;
}

uint32_t NodeRegistry::lowest_level() const {
  uint32_t lowest = UINT32_MAX;
  for (const auto& [node, record] : records_) {
    const bool counts =
        record.standing != NodeStanding::kDecommissioned && record.standing != NodeStanding::kDead;
    if (counts) lowest = std::min(lowest, record.feature_level);
  }
  return lowest == UINT32_MAX ? 0 : lowest;
}

Status NodeRegistry::check_level(uint32_t level) const {
  if (level <= active_level_)
    return Status::failed_precondition("feature level {} is active already", active_level_);
  if (level > lowest_level())
    return Status::failed_precondition("a live node knows feature level {} only", lowest_level());
  return Status::ok_status();
}

std::optional<NodeStanding> NodeLeases::judge(const NodeRecord& record, BootTime now) const {
  if (record.standing == NodeStanding::kDecommissioned) return std::nullopt;
  const auto renewed = renewed_.find(record.node);
  const Micros silence = now - (renewed != renewed_.end() ? renewed->second : began_at_);
  if (silence >= times_.dead_after)
    return record.standing == NodeStanding::kDead ? std::nullopt
                                                  : std::optional(NodeStanding::kDead);
  if (silence >= times_.ttl) {
    const bool is_worse =
        record.standing == NodeStanding::kUp || record.standing == NodeStanding::kDraining;
    return is_worse ? std::optional(NodeStanding::kSuspect) : std::nullopt;
  }
  const bool is_back = renewed != renewed_.end() && (record.standing == NodeStanding::kSuspect ||
                                                     record.standing == NodeStanding::kDead);
  return is_back ? std::optional(NodeStanding::kUp) : std::nullopt;
}

}  // namespace worldline::replication
