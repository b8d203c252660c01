// actors/subscription.h
//
// The subscription actor of one database replica: an event-based actor around one DeliveryDesk. It
// evaluates executed batches as they come, and releases them when their commit notice arrives.
//
// Thread: CAF's pool. Decides nothing. Only .cc files of actors/ include this header.
#pragma once

#include <memory>

#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

#include "actors/delivery_desk.h"
#include "actors/host_work.h"
#include "actors/node_counters.h"

namespace worldline::actors {

struct SubscriptionState {
  DeliveryDesk desk;
};

struct SubscriptionArgs {
  std::shared_ptr<WorkQueue> host;  // Receives the snapshot hints.
  std::shared_ptr<DatabaseCounters> counters;
};

caf::behavior subscription_actor(caf::stateful_actor<SubscriptionState>* self,
                                 SubscriptionArgs args);

}  // namespace worldline::actors
