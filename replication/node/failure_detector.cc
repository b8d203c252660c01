#include "replication/node/failure_detector.h"

#include <algorithm>
#include <utility>

namespace worldline::replication {
namespace {

constexpr size_t kGapsMax = 100;
constexpr size_t kGapsMin = 10;  // Fewer say nothing about a link.
constexpr Micros kGapCountedMax{2'000'000};
constexpr Micros kRefusedAfterClose{1'000'000};  // "Immediately" includes a slow connect.
constexpr uint32_t kSuspectIntervals = 3;

// Largest r with r * r <= value; at most 32 steps.
uint64_t integer_root(uint64_t value) {
  uint64_t root = 0;
  for (uint64_t bit = uint64_t{1} << 31; bit != 0; bit >>= 1) {
    const uint64_t next = root + bit;
    if (next * next <= value) root = next;
  }
  return root;
}

}  // namespace

FailureDetector::FailureDetector(NodeId self, const DetectorTimes& times)
    : self_(self), times_(times) {
  WL_CHECK(times.heartbeat > Micros{0});
  WL_CHECK(times.election >= 4 * times.heartbeat);
}

void FailureDetector::add_peer(NodeId peer, BootTime now) {
  const auto [it, is_new] = peers_.try_emplace(peer);
  if (is_new) it->second.heard_at = now;
}

bool FailureDetector::on_heard(NodeId node, uint64_t incarnation, BootTime now) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return true;  // A stranger: the node decides.
  Peer& peer = found->second;
  if (incarnation < peer.incarnation) return false;
  if (incarnation <= peer.gone_incarnation) return true;  // Late words; no sign of life.
  if (peer.incarnation != 0 && incarnation > peer.incarnation) {
    events_.push_back({node, PeerVerdict::kRestarted});
    peer.gaps.clear();
    peer.gap_sum = Micros{};
    peer.gap_square_sum = 0;
    peer.state = PeerState::kUnknown;
  } else if (peer.state == PeerState::kAlive) {
    add_gap(peer, now - peer.heard_at);
  }
  peer.incarnation = incarnation;
  peer.closed_at.reset();
  peer.heard_at = std::max(peer.heard_at, now);
  if (peer.state == PeerState::kAlive) return true;
  peer.state = PeerState::kAlive;
  events_.push_back({node, PeerVerdict::kAlive});
  return true;
}

void FailureDetector::on_hears(NodeId node, const std::vector<NodeId>& hears, BootTime now) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  if (std::binary_search(hears.begin(), hears.end(), self_)) {
    peer.unheard_since.reset();
    peer.is_deaf = false;
  } else if (!peer.unheard_since) {
    peer.unheard_since = now;
  }
}

void FailureDetector::on_stream_end(NodeId node, StreamLoss how, BootTime now) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  switch (how) {
    case StreamLoss::kBroken:
      peer.closed_at.reset();
      return;
    case StreamLoss::kClosedByPeer:
      peer.closed_at = now;
      return;
    case StreamLoss::kRefused:
      if (peer.closed_at && now - *peer.closed_at <= kRefusedAfterClose) become_certain(node, peer);
      return;
  }
}

void FailureDetector::on_goodbye(NodeId node, uint64_t incarnation, BootTime) {
  const auto found = peers_.find(node);
  if (found == peers_.end() || incarnation < found->second.incarnation) return;
  Peer& peer = found->second;
  if (incarnation <= peer.gone_incarnation) return;
  peer.incarnation = incarnation;
  peer.gone_incarnation = incarnation;
  become_certain(node, peer);
}

void FailureDetector::become_certain(NodeId node, Peer& peer) {
  peer.closed_at.reset();
  if (peer.state == PeerState::kDead) return;  // Nothing anybody does not know.
  peer.state = PeerState::kDead;
  events_.push_back({node, PeerVerdict::kCertain});
}

void FailureDetector::on_paused(BootTime now) {
  for (auto& [node, peer] : peers_) {
    if (peer.state == PeerState::kDead) continue;
    peer.heard_at = std::max(peer.heard_at, now);
    if (peer.unheard_since) peer.unheard_since = now;
  }
}

void FailureDetector::on_time(BootTime now) {
  for (auto& [node, peer] : peers_) {
    const Micros silence = now - peer.heard_at;
    const bool may_be_dead = peer.state != PeerState::kDead;
    if (may_be_dead && silence >= times_.election) {
      peer.state = PeerState::kDead;
      events_.push_back({node, PeerVerdict::kDead});
    } else if (peer.state == PeerState::kAlive && silence >= patience(peer)) {
      peer.state = PeerState::kSuspect;
      events_.push_back({node, PeerVerdict::kSuspect});
    }
    const bool is_deaf = peer.state == PeerState::kAlive && peer.unheard_since &&
                         now - *peer.unheard_since >= times_.election;
    if (is_deaf && !peer.is_deaf) events_.push_back({node, PeerVerdict::kDeaf});
    peer.is_deaf = peer.is_deaf || is_deaf;
  }
}

// Three intervals, or what this link's own rhythm makes plausible, but never more than E.
Micros FailureDetector::patience(const Peer& peer) const {
  const Micros least = times_.heartbeat * kSuspectIntervals;
  if (peer.gaps.size() < kGapsMin) return least;
  const auto count = static_cast<uint64_t>(peer.gaps.size());
  const auto mean = static_cast<uint64_t>(peer.gap_sum.count()) / count;
  const uint64_t mean_square = peer.gap_square_sum / count;
  const uint64_t variance = mean_square > mean * mean ? mean_square - mean * mean : 0;
  const Micros plausible{static_cast<Micros::rep>(mean + 4 * integer_root(variance))};
  return std::clamp(plausible, least, times_.election);
}

void FailureDetector::add_gap(Peer& peer, Micros gap) const {
  // Several messages in one interval are one sign of life.
  if (gap < times_.heartbeat / 2) return;
  const auto add = [&peer](Micros value, bool is_new) {
    const auto number = static_cast<uint64_t>(value.count());
    peer.gap_sum += is_new ? value : -value;
    peer.gap_square_sum += is_new ? number * number : -(number * number);
  };
  peer.gaps.push_back(std::min(gap, kGapCountedMax));
  add(peer.gaps.back(), true);
  if (peer.gaps.size() <= kGapsMax) return;
  add(peer.gaps.front(), false);
  peer.gaps.pop_front();
}

std::vector<PeerEvent> FailureDetector::take_events() {
  return std::exchange(events_, {});
}

PeerState FailureDetector::state(NodeId node) const {
  const auto found = peers_.find(node);
  return found != peers_.end() ? found->second.state : PeerState::kUnknown;
}

bool FailureDetector::hears_us(NodeId node) const {
  const auto found = peers_.find(node);
  return found != peers_.end() && !found->second.unheard_since;
}

uint64_t FailureDetector::incarnation(NodeId node) const {
  const auto found = peers_.find(node);
  return found != peers_.end() ? found->second.incarnation : 0;
}

std::vector<NodeId> FailureDetector::heard_nodes(BootTime now) const {
  std::vector<NodeId> heard;
  for (const auto& [node, peer] : peers_) {
    const bool is_heard = peer.state == PeerState::kAlive || peer.state == PeerState::kSuspect;
    if (is_heard && now - peer.heard_at < times_.election) heard.push_back(node);
  }
  return heard;
}

std::optional<BootTime> FailureDetector::last_heard(NodeId node) const {
  const auto found = peers_.find(node);
  if (found == peers_.end() || found->second.incarnation == 0) return std::nullopt;
  return found->second.heard_at;
}

}  // namespace worldline::replication
