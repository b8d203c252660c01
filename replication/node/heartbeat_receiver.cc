#include "replication/node/heartbeat_receiver.h"

#include <algorithm>
#include <utility>

namespace worldline::replication {
namespace {

constexpr size_t kKnownMax = 32;  // Twice what a sender leaves unanswered.

// The core would only restart its election timer.
bool is_repeated(const HeartbeatRow& row, const HeartbeatItem& item) {
  return row.is_plain && row.replica == item.to && row.term == item.term &&
         row.leader == item.from && item.commit <= row.commit && !item.quiesce;
}

// And would say that it has everything.
bool is_plain_ok(const HeartbeatRow& row, const HeartbeatItem& item) {
  return is_repeated(row, item) && row.applied == item.commit && row.last == item.commit &&
         row.config_index == item.config_index;
}

size_t place_of(const HeartbeatItems& list, GroupId group) {
  const auto found =
      std::lower_bound(list.begin(), list.end(), group,
                       [](const HeartbeatItem& item, GroupId id) { return item.group < id; });
  return static_cast<size_t>(found - list.begin());
}

}  // namespace

// --- The table
// -------------------------------------------------------------------------------------

void HeartbeatReceiver::update(GroupId group, const HeartbeatRow& row) {
  const auto [it, is_new] = rows_.try_emplace(group);
  Row& kept = it->second;
  if (!is_new && kept.row == row) return;
  kept.row = row;
  if (is_new) {
    for (auto& [node, peer] : peers_)
      if (peer.listed.contains(group)) kept.listed_by.insert(node);
  }
  for (const NodeId node : kept.listed_by) settle(peers_.at(node), group);
}

void HeartbeatReceiver::erase(GroupId group) {
  rows_.erase(group);
  for (auto& [node, peer] : peers_)
    if (peer.listed.contains(group)) settle(peer, group);
}

std::optional<HeardItem> HeartbeatReceiver::take_heard(GroupId group) {
  const auto found = rows_.find(group);
  if (found == rows_.end()) return std::nullopt;
  Row& row = found->second;
  std::optional<HeardItem> newest = std::exchange(row.heard, std::nullopt);
  for (const NodeId node : row.listed_by) {
    Peer& peer = peers_.at(node);
    Listed& listed = peer.listed.at(group);
    if (!listed.is_silent || peer.heard_at <= listed.heard_to) continue;
    listed.heard_to = peer.heard_at;
    if (!newest || newest->at < listed.heard_to)
      newest = HeardItem{listed.item, node, peer.incarnation, listed.heard_to};
  }
  return newest;
}

bool HeartbeatReceiver::is_silent(GroupId group) const {
  const auto found = rows_.find(group);
  if (found == rows_.end()) return false;
  return std::any_of(
      found->second.listed_by.begin(), found->second.listed_by.end(),
      [this, group](NodeId node) { return peers_.at(node).listed.at(group).is_silent; });
}

const HeartbeatRow* HeartbeatReceiver::find(GroupId group) const {
  const auto found = rows_.find(group);
  return found != rows_.end() ? &found->second.row : nullptr;
}

// --- Lists
// -----------------------------------------------------------------------------------------

// What was heard before does not count again when an item falls silent.
void HeartbeatReceiver::settle(Peer& peer, GroupId group) {
  Listed& listed = peer.listed.at(group);
  const auto row = rows_.find(group);
  const bool is_silent = row != rows_.end() && is_plain_ok(row->second.row, listed.item);
  if (is_silent && !listed.is_silent) listed.heard_to = std::max(listed.heard_to, peer.heard_at);
  listed.is_silent = is_silent;
  if (is_silent) {
    peer.loud.erase(group);
  } else {
    peer.loud.insert(group);
  }
}

void HeartbeatReceiver::add_listed(NodeId node, Peer& peer, const HeartbeatItem& item,
                                   NodeTick now) {
  Listed& listed = peer.listed[item.group];
  listed = {item, {}, false};
  if (const auto row = rows_.find(item.group); row != rows_.end())
    row->second.listed_by.insert(node);
  settle(peer, item.group);
  // The batch that brings it is the first sign of life; the one before was another item's.
  listed.heard_to = NodeTick{now.value > 0 ? now.value - 1 : 0};
}

void HeartbeatReceiver::drop_listed(NodeId node, Peer& peer, GroupId group) {
  const auto found = peer.listed.find(group);
  if (found == peer.listed.end()) return;
  const Listed& listed = found->second;
  if (const auto row = rows_.find(group); row != rows_.end()) {
    auto& heard = row->second.heard;
    const bool was_renewed = listed.is_silent && peer.heard_at > listed.heard_to;
    if (was_renewed && (!heard || heard->at < peer.heard_at))
      heard = HeardItem{listed.item, node, peer.incarnation, peer.heard_at};
    row->second.listed_by.erase(node);
    if (listed.is_silent) lapsed_.insert(group);
  }
  peer.loud.erase(group);
  peer.listed.erase(found);
}

void HeartbeatReceiver::adopt(NodeId node, Peer& peer, const HeartbeatList& list, NodeTick now) {
  static const HeartbeatItems kNone;
  const HeartbeatList before = peer.known.empty() ? nullptr : peer.known.back().list;
  if (before == list) return;
  compare_lists(
      before ? *before : kNone, *list,
      [&](const HeartbeatItem& gone) { drop_listed(node, peer, gone.group); },
      [&](const HeartbeatItem& item) { add_listed(node, peer, item, now); });
}

HeartbeatList HeartbeatReceiver::base_of(const Peer& peer, uint64_t seq) const {
  for (const Known& known : peer.known)
    if (known.seq == seq) return known.list;
  return nullptr;
}

// --- Batches
// -----------------------------------------------------------------------------------------

Result<HeartbeatReceiver::Outcome> HeartbeatReceiver::on_batch(NodeId node,
                                                               const HeartbeatBatch& batch,
                                                               NodeTick now) {
  Outcome outcome;
  const uint64_t incarnation = batch.header.incarnation;
  if (peers_[node].incarnation < incarnation) outcome.lapsed = forget_peer(node);
  Peer& peer = peers_[node];
  const bool is_repeated_batch = !peer.known.empty() && batch.seq <= peer.known.back().seq;
  outcome.is_stale = incarnation < peer.incarnation || is_repeated_batch;
  if (outcome.is_stale) return outcome;
  peer.incarnation = incarnation;
  const HeartbeatList base = base_of(peer, batch.base_seq);
  if (batch.base_seq != 0 && base == nullptr) return outcome;
  WL_ASSIGN_OR_RETURN(outcome.list, decode_list(batch, base));
  outcome.is_understood = true;
  adopt(node, peer, outcome.list, now);
  while (!peer.known.empty() &&
         (peer.known.front().seq < batch.base_seq || peer.known.size() >= kKnownMax))
    peer.known.pop_front();
  peer.known.push_back({batch.seq, outcome.list});
  peer.heard_at = now;
  peer.was_heard = true;
  answer_loud(node, peer, now, outcome);
  for (const GroupId group : take_lapsed()) outcome.lapsed.push_back(group);
  return outcome;
}

void HeartbeatReceiver::answer_loud(NodeId node, const Peer& peer, NodeTick now, Outcome& outcome) {
  const Address from{node, peer.incarnation, {}};
  for (const GroupId group : peer.loud) {
    const auto place = static_cast<uint32_t>(place_of(*outcome.list, group));
    const HeartbeatItem& item = (*outcome.list)[place];
    const std::optional<HeartbeatResp> response = answer(item, from, now);
    if (!response) {
      outcome.for_groups.push_back(place);
      continue;
    }
    const HeartbeatRow& row = rows_.at(group).row;
    outcome.answers.push_back({place, response->status, row.term, row.config_index,
                               response->read_ctx, response->applied, response->last_index});
  }
}

std::optional<HeartbeatResp> HeartbeatReceiver::answer(const HeartbeatItem& item,
                                                       const Address& from, NodeTick now) {
  const auto found = rows_.find(item.group);
  if (found == rows_.end() || !is_repeated(found->second.row, item)) return std::nullopt;
  found->second.heard = HeardItem{item, from.node, from.incarnation, now};
  HeartbeatResp response;
  response.read_ctx = item.read_ctx;
  response.applied = found->second.row.applied;
  response.last_index = found->second.row.last;
  return response;
}

std::optional<NodeTick> HeartbeatReceiver::batch_heard(NodeId node) const {
  const auto found = peers_.find(node);
  if (found == peers_.end() || !found->second.was_heard) return std::nullopt;
  return found->second.heard_at;
}

std::vector<GroupId> HeartbeatReceiver::silent_for(NodeId node) const {
  std::vector<GroupId> groups;
  const auto found = peers_.find(node);
  if (found == peers_.end()) return groups;
  for (const auto& [group, listed] : found->second.listed)
    if (listed.is_silent) groups.push_back(group);
  return groups;
}

std::vector<GroupId> HeartbeatReceiver::forget_peer(NodeId node) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return {};
  while (!found->second.listed.empty())
    drop_listed(node, found->second, found->second.listed.begin()->first);
  peers_.erase(found);
  return take_lapsed();
}

std::vector<GroupId> HeartbeatReceiver::take_lapsed() {
  std::vector<GroupId> groups;
  for (const GroupId group : std::exchange(lapsed_, {}))
    if (!is_silent(group)) groups.push_back(group);
  return groups;
}

}  // namespace worldline::replication
