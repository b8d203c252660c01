#include "replication/node/replica_move.h"

#include <utility>

#include <fmt/core.h>

namespace worldline::replication {
namespace {

MoveStep wait_for(std::string why) {
  MoveStep step;
  step.why = std::move(why);
  return step;
}

MoveStep order(MoveAction action, const MemberInfo& member) {
  MoveStep step;
  step.action = action;
  step.member = member;
  return step;
}

MoveStep change(const MoveView& view, std::vector<MemberChange> changes) {
  MoveStep step;
  step.action = MoveAction::kChangeConfig;
  step.changes = std::move(changes);
  step.expected = view.config_index;
  return step;
}

MoveStep finish(MoveAction action) {
  MoveStep step;
  step.action = action;
  return step;
}

}  // namespace

const char* action_name(MoveAction action) {
  switch (action) {
    case MoveAction::kWait:
      return "wait";
    case MoveAction::kCreate:
      return "create";
    case MoveAction::kChangeConfig:
      return "change_config";
    case MoveAction::kDestroy:
      return "destroy";
    case MoveAction::kDone:
      return "done";
    case MoveAction::kAbandoned:
      return "abandoned";
  }
  return "?";
}

Status ReplicaMove::validate(const MoveGoal& goal) {
  if (goal.group.value == 0) return Status::invalid_argument("no group");
  if (!goal.add && !goal.remove) return Status::invalid_argument("nothing to add or remove");
  const bool has_ids = (!goal.add || (goal.add->replica.value != 0 && goal.add->node.value != 0)) &&
                       (!goal.remove || goal.remove->replica.value != 0);
  if (!has_ids) return Status::invalid_argument("replica and node ids begin at 1");
  if (goal.add && goal.remove && goal.add->replica == goal.remove->replica)
    return Status::invalid_argument(
        "replica {} cannot replace itself: a copy never returns under "
        "its old id",
        goal.add->replica.value);
  if (goal.add && goal.remove && goal.add->node == goal.remove->node)
    return Status::invalid_argument("node {} has one replica of a group at most",
                                    goal.add->node.value);
  return Status::ok_status();
}

void ReplicaMove::on_old_node(bool is_alive, BootTime now) {
  if (!is_alive) {
    old_alive_since_.reset();
  } else if (!old_alive_since_) {
    old_alive_since_ = now;
  }
}

MoveStep ReplicaMove::step(const MoveView& view, BootTime now) {
  MoveStep next = next_step(view, now);
  const bool is_order = next.action != MoveAction::kWait && next.action != MoveAction::kDone &&
                        next.action != MoveAction::kAbandoned;
  if (!is_order) return next;
  const bool is_repeated = next.action == last_action_ && next.expected == last_expected_;
  if (is_repeated && repeat_at_ && now < *repeat_at_)
    return wait_for(fmt::format("the effect of {}", action_name(next.action)));
  last_action_ = next.action;
  last_expected_ = next.expected;
  repeat_at_ = now + kRepeatAfter;
  return next;
}

MoveStep ReplicaMove::next_step(const MoveView& view, BootTime now) {
  if (view.config.is_joint() || !view.is_committed)
    return wait_for(fmt::format("the change at entry {}", view.config_index.value));
  return is_taken_back(view, now) ? step_back(view) : step_forward(view, now);
}

// The dead node is back and stays, and the new replica is not further than it: finish whichever is.
bool ReplicaMove::is_taken_back(const MoveView& view, BootTime now) {
  if (is_taken_back_ || !goal_.add || !goal_.remove) return is_taken_back_;
  const bool is_back = old_alive_since_ && now - *old_alive_since_ >= kReturnHysteresis;
  const bool is_further =
      view.config.is_voter(goal_.add->replica) || !view.config.is_voter(goal_.remove->replica) ||
      (view.new_match.value != 0 && view.new_match.value + kCaughtUpEntries >= view.last.value);
  is_taken_back_ = is_back && !is_further;
  return is_taken_back_;
}

MoveStep ReplicaMove::step_forward(const MoveView& view, BootTime) {
  const Membership& config = view.config;
  if (goal_.add && !config.is_voter(goal_.add->replica)) {
    if (!view.new_exists) return order(MoveAction::kCreate, *goal_.add);
    if (!config.is_learner(goal_.add->replica))
      return change(view, {{MemberChange::Kind::kAddLearner, *goal_.add}});
    const bool has_caught_up =
        view.new_match.value != 0 && view.new_match.value + kCaughtUpEntries >= view.last.value;
    if (!has_caught_up)
      return wait_for(fmt::format("replica {} to catch up: {} of {}", goal_.add->replica.value,
                                  view.new_match.value, view.last.value));
    return promote(view);
  }
  if (!goal_.remove) return finish(MoveAction::kDone);
  if (config.contains(goal_.remove->replica)) {
    const bool is_last = config.voters.size() == 1 && config.is_voter(goal_.remove->replica);
    if (is_last) return wait_for("another voter: the last one cannot be removed");
    return change(view, {{MemberChange::Kind::kRemove, *goal_.remove}});
  }
  if (!view.old_is_destroyed) return order(MoveAction::kDestroy, *goal_.remove);
  return finish(MoveAction::kDone);
}

// One joint step: the dead voter goes when the new one comes, never earlier.
MoveStep ReplicaMove::promote(const MoveView& view) const {
  std::vector<MemberChange> changes{{MemberChange::Kind::kAddVoter, *goal_.add}};
  if (goal_.remove && view.config.contains(goal_.remove->replica))
    changes.push_back({MemberChange::Kind::kRemove, *goal_.remove});
  return change(view, std::move(changes));
}

MoveStep ReplicaMove::step_back(const MoveView& view) {
  if (view.config.contains(goal_.add->replica))
    return change(view, {{MemberChange::Kind::kRemove, *goal_.add}});
  if (view.new_exists) return order(MoveAction::kDestroy, *goal_.add);
  return finish(MoveAction::kAbandoned);
}

ReplicaId first_candidate(GroupId group, const Membership& members) {
  if (members.voters.empty()) return {};
  return members.voters[group.value % members.voters.size()];
}

}  // namespace worldline::replication
