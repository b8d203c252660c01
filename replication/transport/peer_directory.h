// replication/transport/peer_directory.h
//
// PeerDirectory knows who may be spoken with, and the newest life of each: messages of an older
// process of the same node are refused wherever they turn up [S 08/1.5 G2].
//
// Invariants: the highest incarnation of a node never decreases, also when the peer is removed and
//   comes back. Ownership: one per transport. Thread: any; the mutex guards look-ups only.
// Errors: kInvalidArgument for a set that cannot be used.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "replication/transport/transport_types.h"

namespace worldline::replication {

inline constexpr size_t kPeersMax = 1024;
inline constexpr size_t kPeerAddressesMax = 16;
inline constexpr size_t kPeerTextBytesMax = 255;

// What set() changed, by node id.
struct PeerChanges {
  std::vector<PeerInfo> added;
  std::vector<PeerInfo> readdressed;  // Only their addresses differ.
  std::vector<NodeId> removed;        // Also those whose identity changed; they are added again.
};

// host:port with a port of 1 to 65535; an IPv6 host in brackets.
Status validate_address(const std::string& address);
// The host of a valid address, without brackets.
std::string host_of(const std::string& address);

class PeerDirectory {
 public:
  explicit PeerDirectory(NodeId self) : self_(self) {}

  Result<PeerChanges> set(std::vector<PeerInfo> peers);
  std::optional<PeerInfo> find(NodeId node) const;

  // Notes a life of a node that has proved who it is. False: a newer one was seen.
  bool admit(const NodeLife& life);
  // Whether no newer life than this was seen.
  bool is_current(const NodeLife& life) const;
  uint64_t newest_incarnation(NodeId node) const;  // 0 = never seen.

 private:
  Status validate(const std::vector<PeerInfo>& peers) const;

  const NodeId self_;
  mutable std::mutex mutex_;
  std::map<NodeId, PeerInfo> peers_;   // Guarded by mutex_.
  std::map<NodeId, uint64_t> newest_;  // Guarded by mutex_. A number per node ever known.
};

}  // namespace worldline::replication
