// tests/replication/raft_single.h
//
// SingleReplica is one real replica among peers that are the test itself: it says what arrives and
// looks at what leaves. Built on RaftCluster, so the invariants are checked after every input.
//
// Ownership: one test. Errors: a problem of the cluster fails the test when this is destroyed.
#pragma once

#include <string>
#include <vector>

#include "tests/replication/raft_cluster.h"
#include "tests/replication/raft_fixture.h"

namespace worldline::replication::testing {

inline constexpr uint64_t kSelf = 1;  // The real replica, as a rule.

class SingleReplica {
 public:
  // All options at their defaults but these.
  struct Options {
    Pace disk = Pace::kAutomatic;
    Pace apply = Pace::kAutomatic;
    RaftLimits limits;
  };

  SingleReplica(uint64_t id, RestoredState state);
  SingleReplica(uint64_t id, RestoredState state, const Options& options);
  SingleReplica(const SingleReplica&) = delete;
  SingleReplica& operator=(const SingleReplica&) = delete;
  ~SingleReplica();

  // Each returns the messages that left because of it.
  std::vector<Envelope> receive(uint64_t from, uint64_t term, const MessageBody& body);
  std::vector<Envelope> feed(const std::function<void(RaftCore&)>& input);
  std::vector<Envelope> tick(uint64_t ticks);
  std::vector<Envelope> write();  // The oldest job becomes durable. REQUIRES: there is one.

  // Campaigns and is granted everything by `peers`; returns what it sent as a leader.
  std::vector<Envelope> lead(const std::vector<uint64_t>& peers);
  std::vector<Envelope> propose(const std::string& text);
  // `from` acknowledges everything up to `match`.
  std::vector<Envelope> acknowledge(uint64_t from, uint64_t match);
  void restart() { cluster_.restart(id_); }

  const RaftCore& core() { return *replica().core; }
  TestReplica& replica() { return *cluster_.find(id_); }
  std::vector<uint64_t> terms();  // Of the log behind the boundary.

 private:
  std::vector<Envelope> take_sent();

  ReplicaId id_;
  RaftCluster cluster_;
};

// The bodies of one type among `messages`, in order.
template <typename Body>
std::vector<Body> bodies_of(const std::vector<Envelope>& messages) {
  std::vector<Body> bodies;
  for (const Envelope& message : messages)
    if (const auto* body = std::get_if<Body>(&message.body); body != nullptr)
      bodies.push_back(*body);
  return bodies;
}

// An Append of the bundles of `terms` behind `prev`, whose history is that of entries_of().
Append append_of(EntryId prev, Chain prev_chain, const std::vector<uint64_t>& terms,
                 uint64_t commit);

}  // namespace worldline::replication::testing
