// tests/simulation/event_queue.h
//
// Virtual time: events in the order of their time, and of their creation where times are equal. An
// event is a plain value; what it means is known to the sink it is for.
//
// Invariants: time never goes back; equal calls give an equal order.
// Ownership: one Simulation. Sinks are borrowed and outlive the queue. Units: microseconds.
#pragma once

#include <cstdint>
#include <vector>

namespace worldline::simulation {

using Micros = uint64_t;
inline constexpr Micros kMillisecond = 1000;
inline constexpr Micros kSecond = 1000 * kMillisecond;
inline constexpr Micros kTick = 25 * kMillisecond;  // As replication::kRaftTick.
inline constexpr Micros kNever = UINT64_MAX;

class EventSink;

struct Event {
  Micros at = 0;
  uint64_t order = 0;
  EventSink* sink = nullptr;
  uint32_t code = 0;
  uint32_t life = 0;  // Of the process it is for; events of an earlier one are dropped.
  uint64_t a = 0;
  uint64_t b = 0;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(const Event& event) = 0;
};

class EventQueue {
 public:
  Micros now() const { return now_; }
  uint64_t delivered() const { return delivered_; }
  bool empty() const { return heap_.empty(); }
  Micros next_at() const { return heap_.empty() ? kNever : heap_.front().at; }

  // `event.at` is filled in: now + delay.
  void push(Micros delay, Event event);
  // Delivers the next event. REQUIRES: not empty().
  void step();
  // Delivers everything up to `end`, then time is `end`.
  void run_until(Micros end);

 private:
  Micros now_ = 0;
  uint64_t order_ = 0;
  uint64_t delivered_ = 0;
  std::vector<Event> heap_;  // INVARIANT: a heap whose front is the earliest.
};

}  // namespace worldline::simulation
