#include "tests/simulation/core_recording.h"

#include <fmt/format.h>

namespace worldline::simulation {

CoreFace face_of(const replication::RaftCore& core) {
  return {core.role(),
          core.term(),
          core.vote(),
          core.leader(),
          core.commit(),
          core.applied_index(),
          core.stable(),
          core.verified(),
          core.log().boundary().id.index,
          core.log().last_id(),
          core.election_elapsed()};
}

std::string print(const CoreFace& face) {
  return fmt::format(
      "{} term={} vote={} leader={} commit={} applied={} stable={} verified={} boundary={} "
      "last={}@{} elapsed={}",
      role_name(face.role), face.term.value, face.vote.value, face.leader.value, face.commit.value,
      face.applied.value, face.stable.value, face.verified.value, face.boundary.value,
      face.last.index.value, face.last.term.value, face.elapsed);
}

CoreStep& CoreRecording::begin(ReplicaId replica, CoreInput input) {
  if (steps_.size() >= kStepsMax) {
    ++left_out_;
    ignored_ = CoreStep();
    return ignored_;
  }
  newest_[replica] = steps_.size();
  CoreStep& step = steps_.emplace_back();
  step.replica = replica;
  step.input = input;
  return step;
}

void CoreRecording::on_ready(const replication::RaftCore& core, const replication::Ready& ready) {
  const auto newest = newest_.find(core.config().self.replica);
  if (newest == newest_.end() || left_out_ > 0) return;
  CoreStep& step = steps_[newest->second];
  step.sent.insert(step.sent.end(), ready.send_now.begin(), ready.send_now.end());
  if (ready.persist) step.jobs.push_back(*ready.persist);
  if (ready.compact) step.compacted_to = ready.compact;
  step.after = face_of(core);
}

}  // namespace worldline::simulation
