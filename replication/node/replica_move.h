// replication/node/replica_move.h
//
// ReplicaMove brings one group from one set of replicas to another, in the only safe order
// [S 08/3.9, 3.10]: create the new replica, add it as learner, let it catch up, change the voters
// in one joint step {+new, -old}, destroy the old one behind a tombstone.
//
// Idea: it keeps almost no state. Each step is read off what the group's leader says now, so a new
//   catalog leader, a lost answer or a step done twice change nothing.
// Invariants: the old voter never leaves before the new one is in; the group never has more voters
//   than before plus the one that was ordered; at most one step is out.
// Ownership: the placement executor. Units: BootTime. Errors: of orders, with texts for operators.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "replication/node/node_types.h"

namespace worldline::replication {

struct MoveGoal {
  GroupId group;
  std::optional<MemberInfo> add;     // Becomes a voter.
  std::optional<MemberInfo> remove;  // Leaves, and is destroyed.
};

// What the group's leader and the nodes say. Without a leader there is no view.
struct MoveView {
  Membership config;
  LogIndex config_index;
  bool is_committed = false;      // The config in force.
  bool new_exists = false;        // The new replica's node has created it.
  LogIndex new_match;             // Of the new replica at the leader.
  LogIndex last;                  // Of the leader's log.
  bool old_is_destroyed = false;  // Or its node is known to have a tombstone for it.
};

enum class MoveAction : uint8_t {
  kWait = 1,
  kCreate = 2,        // Order `member`'s node to create an uninitialised replica.
  kChangeConfig = 3,  // Hand `changes` to the leader with `expected`.
  kDestroy = 4,       // Order `member`'s node to destroy it; repeat until it has.
  kDone = 5,
  kAbandoned = 6,  // The old replica's node came back in time: all is as before.
};
const char* action_name(MoveAction action);

struct MoveStep {
  MoveAction action = MoveAction::kWait;
  MemberInfo member;
  std::vector<MemberChange> changes;
  LogIndex expected;
  std::string why;  // What is waited for.
};

class ReplicaMove {
 public:
  // After a dead node's return, how long it must stay before the move is taken back.
  static constexpr Micros kReturnHysteresis = std::chrono::minutes{2};
  // An order whose effect does not show is repeated.
  static constexpr Micros kRepeatAfter = std::chrono::seconds{1};
  static constexpr uint64_t kCaughtUpEntries = 1024;  // As the core demands [S 08/1.14 C3].

  // Errors: kInvalidArgument for a goal that changes nothing, or twice the same replica or node.
  static Status validate(const MoveGoal& goal);
  // REQUIRES: validate(goal).ok().
  explicit ReplicaMove(MoveGoal goal) : goal_(std::move(goal)) {}

  // The old replica's node is alive (again), or not.
  void on_old_node(bool is_alive, BootTime now);
  MoveStep step(const MoveView& view, BootTime now);

  const MoveGoal& goal() const { return goal_; }

 private:
  MoveStep next_step(const MoveView& view, BootTime now);
  MoveStep step_forward(const MoveView& view, BootTime now);
  MoveStep step_back(const MoveView& view);
  MoveStep promote(const MoveView& view) const;
  bool is_taken_back(const MoveView& view, BootTime now);

  const MoveGoal goal_;
  std::optional<BootTime> old_alive_since_;
  bool is_taken_back_ = false;  // Decided once: no oscillation.
  MoveAction last_action_ = MoveAction::kWait;
  LogIndex last_expected_;
  std::optional<BootTime> repeat_at_;
};

// Which replica of a new group campaigns at once, so that leaders spread and no term is wasted: the
// voter with rank `group mod n` [S 08/3.9].
ReplicaId first_candidate(GroupId group, const Membership& members);

}  // namespace worldline::replication
