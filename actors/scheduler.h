// actors/scheduler.h
//
// The scheduler actor of one database replica: keeps the timers of its schedule tables and hands
// due rows to the module host, one at a time.
//
// Thread: CAF's pool; an idle database has one timer at most and costs nothing. Sources: [S
// 03/4.11].
#pragma once

#include <memory>
#include <optional>

#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

#include "actors/host_work.h"
#include "actors/schedule_queue.h"
#include "base/clock.h"

namespace worldline::actors {

struct SchedulerState {
  ScheduleQueue queue;
  std::optional<Timestamp> timer;  // When the pending wake-up comes; later ones are not needed.
};

struct SchedulerArgs {
  std::shared_ptr<WorkQueue> host;
  const Clock* clock;  // Borrowed; outlives the actor.
};

caf::behavior scheduler_actor(caf::stateful_actor<SchedulerState>* self, SchedulerArgs args);

}  // namespace worldline::actors
