// actors/replication.h
//
// The replication actor: one per node, it owns the ReplicationDesk and so the Raft cores of all
// groups. Replication is the end that everybody else holds; its calls only post messages.
//
// One actor for all groups, not one each: heartbeats, ticks and sleep are shared by the groups of a
// node, and a step of a core costs less than a message between actors.
//
// Invariants: messages of one sender keep their order; after stop() nothing is done any more.
// Thread: any. Errors: told to the listener of the group. Sources: architecture 2, [S 08/3.1].
// Only .cc files of actors/ include this header.
#pragma once

#include <functional>
#include <memory>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/replication_desk.h"

namespace worldline::actors {

class Replication {
 public:
  // The `post_` functions of `parts` are filled in here.
  Replication(caf::actor_system& system, ReplicationDeskParts parts);

  void open(OpenGroup group) const;
  void close(GroupId group) const;
  void remove(GroupId group, std::function<void()> done) const;
  void distrust(GroupId group, storage::MarkKind kind, const std::string& why) const;
  void propose(ProposalBatchPtr batch) const;
  void written(WrittenJobsPtr jobs) const;
  void checkpoint(ProposalSeq covers, CheckpointJob job) const;
  void checkpointed(GroupId group, const storage::LogPlace& covered) const;
  void on_disk(const replication::DiskVerdict& verdict) const;
  void stop() const;

 private:
  using Work = std::function<void(ReplicationDesk&)>;
  static void post(const caf::actor& actor, Work work);

  const caf::actor actor_;
};

}  // namespace worldline::actors
