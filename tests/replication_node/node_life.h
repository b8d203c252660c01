// tests/replication_node/node_life.h
//
// A cluster of nodes with many groups lives through random faults while clients write and read and
// members come and go; then everything is healed. What a seed does it does again.
//
// Demanded of each group: all replicas apply one list (NodeCluster); what was acknowledged is in
// it; a read sees at least what was acknowledged, or seen by another read, before it began, which
// for a list that only grows is linearizability. At the end all groups serve, agree and rest.
//
// Sources: [S 08/2, 3, 6.2].
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "tests/replication_node/node_cluster.h"

namespace worldline::replication {

struct LifeCounts {
  uint64_t writes = 0;  // Acknowledged,
  uint64_t reads = 0;   // answered.
  uint64_t changes = 0;
  uint64_t snapshots = 0;
  uint64_t terms = 0;
  LifeCounts& operator+=(const LifeCounts& other);
  std::string text() const;
};

class NodeLife {
 public:
  explicit NodeLife(uint64_t seed);

  void live(int steps);
  void heal();
  void expect_service();    // Each group takes a write and answers a read on every member.
  void expect_agreement();  // All members of each group are equal.
  bool comes_to_rest();
  const LifeCounts& counts() const { return counts_; }

 private:
  struct Writing {
    NodeId node;
    uint64_t incarnation = 0;
  };
  struct Reading {
    GroupId group;
    NodeId node;
    uint64_t incarnation = 0;
    size_t floor = 0;
  };

  void step();
  bool is_lost() { return loss_one_in_ != 0 && prng_.chance(loss_one_in_); }
  NodeId some_node();
  GroupId some_group();
  void crash_or_restart();
  void stop_or_continue();
  void hang_or_free_disk();
  void write(GroupId group);
  void read(GroupId group, NodeId where);
  void checkpoint(GroupId group);
  void change_members(GroupId group);
  void add_learner(GroupId group, GroupReplica& leader);
  void act_as_catalog();
  void create_missing(GroupId group, const MemberInfo& member);
  bool is_member(GroupId group, ReplicaId replica);
  void applied(const TestMachine& machine, LogIndex index, const std::string& text);
  void settle_reads();
  void reconnect_all();
  const Membership* config_of(GroupId group);
  std::string describe(GroupId group);
  size_t& seen(GroupId group) { return seen_[group]; }

  Prng prng_;
  uint64_t loss_one_in_ = 0;
  NodeId down_;
  NodeId stopped_;
  NodeId hanging_;
  uint64_t last_write_ = 0;
  uint64_t last_read_ = 0;
  std::map<std::string, Writing> writing_;
  std::map<uint64_t, Reading> reading_;
  std::map<GroupId, size_t> seen_;  // The length any client knows of.
  std::map<GroupId, uint64_t> next_replica_;
  LifeCounts counts_;
  NodeCluster cluster_;
};

}  // namespace worldline::replication
