// actors/node_counters.h
//
// Counters of one database, written by its actors and read by the metrics page.
//
// Thread: any; relaxed atomics, no figure depends on another. Units are in the names.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "actors/database_meter.h"
#include "actors/delivery_desk.h"

namespace worldline::actors {

struct DatabaseCounters {
  std::atomic<uint64_t> calls_committed{0};
  std::atomic<uint64_t> calls_failed{0};
  std::atomic<uint64_t> immediates_dropped{0};
  std::atomic<uint64_t> transactions{0};
  std::atomic<uint64_t> log_bytes{0};
  std::atomic<uint64_t> call_micros{0};  // Time inside drains.
  std::atomic<uint64_t> sessions{0};
  std::atomic<uint64_t> query_sets{0};
  std::atomic<uint64_t> distinct_queries{0};
  std::atomic<uint64_t> checkpoints{0};
  std::atomic<uint64_t> checkpoint_failures{0};
  std::atomic<uint64_t> checkpoint_failures_in_row{0};

  // Of the delivery desk, as DeliveryFigures.
  std::atomic<uint64_t> clients_subscribed{0};
  std::atomic<uint64_t> held_batches{0};
  std::atomic<uint64_t> delta_queries_evaluated{0};
  std::atomic<uint64_t> delta_queries_matched{0};
  std::atomic<uint64_t> queries_subscribed{0};
  std::atomic<uint64_t> new_queries_subscribed{0};
  std::atomic<uint64_t> queries_evaluated_by_subscribe{0};
  std::atomic<uint64_t> queries_evaluated_by_unsubscribe{0};
  std::atomic<uint64_t> subscriptions{0};
  std::array<std::atomic<uint64_t>, kSentForCount> sent_bytes{};

  DatabaseMeter meter;
};

}  // namespace worldline::actors
