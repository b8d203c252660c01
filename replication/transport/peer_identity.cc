#include "replication/transport/peer_identity.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "replication/transport/peer_directory.h"

namespace worldline::replication {
namespace {

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

std::string hex(const std::array<Byte, 16>& id) {
  return to_hex(id);
}

Status check_ids(const NodeIdentity& other, const NodeIdentity& self) {
  if (other.cluster != self.cluster)
    return Status::failed_precondition("cluster {} is not ours, {}", hex(other.cluster),
                                       hex(self.cluster));
  return Status::ok_status();
}

}  // namespace

std::string node_uri(std::string_view cluster_name, std::string_view node_name) {
  return fmt::format("worldline://{}/node/{}", cluster_name, node_name);
}

bool host_matches(std::string_view pattern, std::string_view host) {
  if (pattern.empty() || host.empty()) return false;
  if (!pattern.starts_with("*.")) return equal_without_case(pattern, host);
  const size_t dot = host.find('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  const std::string_view rest = pattern.substr(1);
  // A wildcard over a whole top-level domain names nobody.
  return rest.find('.', 1) != std::string_view::npos && equal_without_case(rest, host.substr(dot));
}

Status check_certificate(const CertificateNames& names, std::string_view cluster_name,
                         const PeerInfo& peer) {
  const std::string uri = node_uri(cluster_name, peer.name);
  if (std::find(names.uris.begin(), names.uris.end(), uri) != names.uris.end())
    return Status::ok_status();
  for (const std::string& address : peer.addresses) {
    const std::string host = host_of(address);
    for (const std::string& pattern : names.dns)
      if (host_matches(pattern, host)) return Status::ok_status();
  }
  return Status::permission_denied(
      "the certificate names neither {} nor a host of node {} (its names: {} {})", uri,
      peer.node.value, fmt::join(names.uris, " "), fmt::join(names.dns, " "));
}

Status check_handshake(const Handshake& handshake, const NodeIdentity& self, TrafficClass cls,
                       const PeerInfo* peer) {
  const NodeIdentity& other = handshake.identity;
  WL_RETURN_IF_ERROR(check_ids(other, self));
  if (handshake.to != self.node)
    return Status::failed_precondition("this is node {}, not node {}", self.node.value,
                                       handshake.to.value);
  if (handshake.cls != cls)
    return Status::failed_precondition("a handshake for class {} on a stream of class {}",
                                       traffic_class_name(handshake.cls), traffic_class_name(cls));
  if (other.node == self.node)
    return Status::permission_denied("node {} is this node", self.node.value);
  if (peer == nullptr) return Status::not_found("node {} is not known here", other.node.value);
  if (other.uuid != peer->uuid)
    return Status::permission_denied("node {} has uuid {}, not {}", other.node.value,
                                     hex(peer->uuid), hex(other.uuid));
  return Status::ok_status();
}

Status check_reply(const HandshakeReply& reply, const NodeIdentity& self, const PeerInfo& peer) {
  const NodeIdentity& other = reply.identity;
  WL_RETURN_IF_ERROR(check_ids(other, self));
  if (other.node != peer.node || other.uuid != peer.uuid)
    return Status::permission_denied("reached node {} ({}) in place of node {} ({})",
                                     other.node.value, hex(other.uuid), peer.node.value,
                                     hex(peer.uuid));
  return Status::ok_status();
}

}  // namespace worldline::replication
