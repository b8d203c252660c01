#include "actors/scheduler.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <caf/send.hpp>

#include "actors/caf_types.h"

namespace worldline::actors {
namespace {

using SchedulerSelf = caf::stateful_actor<SchedulerState>*;

// A timer may be this far ahead at most; farther rows are looked at again then.
constexpr int64_t kTimerMicrosMax = int64_t{3'600} * 1'000'000;

void arm_timer(SchedulerSelf self, const SchedulerArgs& args) {
  const auto next = self->state.queue.next_due();
  if (!next) return;
  const Timestamp now = args.clock->now();
  const int64_t delay = std::clamp<int64_t>(next->micros - now.micros, 0, kTimerMicrosMax);
  const Timestamp at{now.micros + delay};
  if (self->state.timer && *self->state.timer <= at && *self->state.timer > now) return;
  self->state.timer = at;
  self->delayed_send(self, std::chrono::microseconds(delay), due_atom_v);
}

void run_due(SchedulerSelf self, const SchedulerArgs& args) {
  if (const auto due = self->state.queue.take_due(args.clock->now())) {
    const caf::actor me = caf::actor_cast<caf::actor>(self);
    args.host->push(ScheduledWork{*due, [me] { caf::anon_send(me, done_atom_v); }});
    return;
  }
  arm_timer(self, args);
}

void arm_all(SchedulerSelf self, const ScheduleNotices& notices) {
  for (const auto& notice : *notices)
    self->state.queue.arm({notice.table, notice.schedule_id}, notice.due);
}

}  // namespace

caf::behavior scheduler_actor(SchedulerSelf self, SchedulerArgs args) {
  return {
      [self, args](const ScheduleNotices& notices) {
        arm_all(self, notices);
        run_due(self, args);
      },
      [self, args](rearm_atom, const ScheduleNotices& notices) {
        self->state.queue.clear();
        arm_all(self, notices);
        run_due(self, args);
      },
      [self, args](due_atom) {
        self->state.timer.reset();
        run_due(self, args);
      },
      [self, args](done_atom) {
        self->state.queue.finished();
        run_due(self, args);
      },
      [self](retire_atom) { self->quit(); },
  };
}

}  // namespace worldline::actors
