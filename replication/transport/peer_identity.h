// replication/transport/peer_identity.h
//
// Who may pass for whom: the names in a certificate, and what the two ends of a stream say of
// themselves. Pure rules; the certificate's chain was verified before.
//
// Thread: any. Errors: kPermissionDenied (not that node), kFailedPrecondition (wrong cluster,
//   target, class), kNotFound (unknown node); the text goes to the other side and to the log.
// Sources: [S 09/1.6], [S 08/3.1], [S 08/0.1].
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "replication/transport/wire_codec.h"

namespace worldline::replication {

// Alternative names of the other side's verified certificate. Absent: an insecure transport.
struct CertificateNames {
  std::vector<std::string> dns;
  std::vector<std::string> uris;
};

// The URI that names a node: worldline://CLUSTER/node/NAME.
std::string node_uri(std::string_view cluster_name, std::string_view node_name);
// Host names are compared without case; the left-most label of a pattern may be `*`, for exactly
// one label [S 09/3.6].
bool host_matches(std::string_view pattern, std::string_view host);

// Whether the certificate is that of `peer`: the URI, or the host of one of its addresses.
Status check_certificate(const CertificateNames& names, std::string_view cluster_name,
                         const PeerInfo& peer);

// The listener's side: may this dialler open a stream of class `cls` to `self`?
// `peer` is what the directory knows of the node it claims to be; null: nothing.
Status check_handshake(const Handshake& handshake, const NodeIdentity& self, TrafficClass cls,
                       const PeerInfo* peer);
// The dialler's side: has it reached `peer`?
Status check_reply(const HandshakeReply& reply, const NodeIdentity& self, const PeerInfo& peer);

}  // namespace worldline::replication
