// actors/subscription.h
//
// The subscription actor of one database replica: an event-based actor around one DeliveryDesk. It
// evaluates executed batches as they come, and releases them when their commit notice arrives.
//
// Thread: CAF's pool. Decides nothing. Only .cc files of actors/ include this header.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

#include "actors/delivery_desk.h"
#include "actors/host_work.h"
#include "actors/node_counters.h"
#include "actors/reader_pool.h"
#include "base/clock.h"

namespace worldline::actors {

struct SubscriptionState {
  std::unique_ptr<ReadPort> readers;
  std::unique_ptr<DeliveryDesk> desk;
  std::optional<std::chrono::steady_clock::time_point> timer;  // The earliest one that is set.
};

struct SubscriptionArgs {
  std::shared_ptr<WorkQueue> host;  // Receives the snapshot hints.
  const Clock* clock = nullptr;     // Borrowed, as the next one; outlives the actor.
  ReaderPool* readers = nullptr;
  ReadLimits read_limits;
  std::shared_ptr<DatabaseCounters> counters;
};

caf::behavior subscription_actor(caf::stateful_actor<SubscriptionState>* self,
                                 SubscriptionArgs args);

}  // namespace worldline::actors
