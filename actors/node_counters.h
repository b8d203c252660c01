// actors/node_counters.h
//
// Counters of one database, written by its actors and read by the metrics page.
//
// Thread: any; relaxed atomics, no figure depends on another. Units are in the names.
#pragma once

#include <atomic>
#include <cstdint>

namespace worldline::actors {

struct DatabaseCounters {
  std::atomic<uint64_t> calls_committed{0};
  std::atomic<uint64_t> calls_failed{0};
  std::atomic<uint64_t> transactions{0};
  std::atomic<uint64_t> log_bytes{0};
  std::atomic<uint64_t> call_micros{0};  // Time inside drains.
  std::atomic<uint64_t> sessions{0};
  std::atomic<uint64_t> query_sets{0};
  std::atomic<uint64_t> distinct_queries{0};
  std::atomic<uint64_t> checkpoints{0};
  std::atomic<uint64_t> checkpoint_failures{0};
  std::atomic<uint64_t> checkpoint_failures_in_row{0};
};

inline void add(std::atomic<uint64_t>& counter, uint64_t by) {
  counter.fetch_add(by, std::memory_order_relaxed);
}
inline void set(std::atomic<uint64_t>& gauge, uint64_t value) {
  gauge.store(value, std::memory_order_relaxed);
}

}  // namespace worldline::actors
