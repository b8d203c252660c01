#include "tests/simulation/event_queue.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::simulation {
namespace {

bool is_later(const Event& a, const Event& b) {
  return a.at != b.at ? a.at > b.at : a.order > b.order;
}

}  // namespace

void EventQueue::push(Micros delay, Event event) {
  WL_CHECK(event.sink != nullptr);
  event.at = now_ + delay;
  event.order = ++order_;
  heap_.push_back(event);
  std::push_heap(heap_.begin(), heap_.end(), is_later);
}

void EventQueue::step() {
  WL_CHECK(!heap_.empty());
  std::pop_heap(heap_.begin(), heap_.end(), is_later);
  const Event event = heap_.back();
  heap_.pop_back();
  WL_CHECK(event.at >= now_);
  now_ = event.at;
  ++delivered_;
  event.sink->on_event(event);
}

void EventQueue::run_until(Micros end) {
  while (!heap_.empty() && heap_.front().at <= end) step();
  now_ = std::max(now_, end);
}

}  // namespace worldline::simulation
