#include "replication/transport/peer_directory.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace worldline::replication {
namespace {

bool same_identity(const PeerInfo& a, const PeerInfo& b) {
  return a.uuid == b.uuid && a.name == b.name;
}

}  // namespace

Status validate_address(const std::string& address) {
  if (address.size() > kPeerTextBytesMax)
    return Status::invalid_argument("an address of {} B exceeds the limit of {} B", address.size(),
                                    kPeerTextBytesMax);
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0)
    return Status::invalid_argument("address '{}' is not host:port", address);
  const std::string_view host(address.data(), colon);
  if (host.find(':') != std::string_view::npos && (host.front() != '[' || host.back() != ']'))
    return Status::invalid_argument("address '{}': brackets are missing around its host", address);
  if (host.find_first_of("/ \t\r\n") != std::string_view::npos)
    return Status::invalid_argument("address '{}' has a foreign character", address);
  unsigned port = 0;
  const char* end = address.data() + address.size();
  const auto parsed = std::from_chars(address.data() + colon + 1, end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end || port == 0 || port > 65535)
    return Status::invalid_argument("address '{}' has no port of 1 to 65535", address);
  return Status::ok_status();
}

std::string host_of(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    return host.substr(1, host.size() - 2);
  return host;
}

Status PeerDirectory::validate(const std::vector<PeerInfo>& peers) const {
  if (peers.size() > kPeersMax)
    return Status::invalid_argument("{} peers exceed the limit of {}", peers.size(), kPeersMax);
  for (size_t i = 0; i < peers.size(); ++i) {
    const PeerInfo& peer = peers[i];
    if (peer.node.value == 0) return Status::invalid_argument("a peer has node id 0");
    if (i > 0 && peers[i - 1].node == peer.node)
      return Status::invalid_argument("node {} is listed twice", peer.node.value);
    if (peer.uuid == NodeUuid{})
      return Status::invalid_argument("node {} has no uuid", peer.node.value);
    if (peer.name.size() > kPeerTextBytesMax)
      return Status::invalid_argument("node {} has a name of {} B", peer.node.value,
                                      peer.name.size());
    if (peer.addresses.empty() || peer.addresses.size() > kPeerAddressesMax)
      return Status::invalid_argument("node {} has {} addresses, not 1 to {}", peer.node.value,
                                      peer.addresses.size(), kPeerAddressesMax);
    for (const std::string& address : peer.addresses) WL_RETURN_IF_ERROR(validate_address(address));
  }
  return Status::ok_status();
}

Result<PeerChanges> PeerDirectory::set(std::vector<PeerInfo> peers) {
  std::erase_if(peers, [this](const PeerInfo& peer) { return peer.node == self_; });
  std::sort(peers.begin(), peers.end(),
            [](const PeerInfo& a, const PeerInfo& b) { return a.node < b.node; });
  WL_RETURN_IF_ERROR(validate(peers));
  PeerChanges changes;
  std::map<NodeId, PeerInfo> next;
  const std::lock_guard lock(mutex_);
  for (PeerInfo& peer : peers) {
    const auto old = peers_.find(peer.node);
    if (old == peers_.end() || !same_identity(old->second, peer)) {
      if (old != peers_.end()) changes.removed.push_back(peer.node);
      changes.added.push_back(peer);
    } else if (old->second != peer) {
      changes.readdressed.push_back(peer);
    }
    next.emplace(peer.node, std::move(peer));
  }
  for (const auto& [node, peer] : peers_)
    if (!next.contains(node)) changes.removed.push_back(node);
  peers_ = std::move(next);
  return changes;
}

std::optional<PeerInfo> PeerDirectory::find(NodeId node) const {
  const std::lock_guard lock(mutex_);
  const auto found = peers_.find(node);
  if (found == peers_.end()) return std::nullopt;
  return found->second;
}

bool PeerDirectory::admit(const NodeLife& life) {
  const std::lock_guard lock(mutex_);
  if (!peers_.contains(life.node)) return false;
  uint64_t& newest = newest_[life.node];
  if (life.incarnation < newest) return false;
  newest = life.incarnation;
  return true;
}

bool PeerDirectory::is_current(const NodeLife& life) const {
  const std::lock_guard lock(mutex_);
  if (!peers_.contains(life.node)) return false;
  const auto found = newest_.find(life.node);
  return found != newest_.end() && found->second == life.incarnation;
}

uint64_t PeerDirectory::newest_incarnation(NodeId node) const {
  const std::lock_guard lock(mutex_);
  const auto found = newest_.find(node);
  return found == newest_.end() ? 0 : found->second;
}

}  // namespace worldline::replication
