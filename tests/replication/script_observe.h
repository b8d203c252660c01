// tests/replication/script_observe.h
//
// What `expect` and `show` can say about a replica: named values, all of them texts.
//
// Thread: pure functions. Errors: an unknown name is a failure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tests/replication/raft_cluster.h"

namespace worldline::replication::testing {

// The value `key` of `replica`; nullopt for an unknown key. `read.7`, `log.12` take an argument.
std::optional<std::string> observe(const TestReplica& replica, const std::string& key);
// Of what the leader knows of `peer`; "none" for everything if it knows nothing.
std::optional<std::string> observe_peer(const TestReplica& replica, ReplicaId peer,
                                        const std::string& key);
// For `show R [log|progress|config|disk]`, one line or one per peer; empty for an unknown topic.
std::vector<std::string> show(const TestReplica& replica, const std::string& topic);

}  // namespace worldline::replication::testing
