// actors/schedule_queue.h
//
// ScheduleQueue is the timer wheel of one database's scheduled functions as a plain value: rows of
// schedule tables are armed with a due time, and the earliest one comes out when it is due.
//
// Invariants: at most one entry per (table, schedule row id), a newer arm() replaces the older; at
// most one entry is out (running) at a time, as the scheduler behaves like one single client.
// Ownership: the scheduler actor; not thread-safe; reads no clock. Units: microseconds.
// Sources: [S 03/4.11].
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/ids.h"

namespace worldline::actors {

struct ScheduleKey {
  TableId table;
  uint64_t row_id = 0;
  friend auto operator<=>(const ScheduleKey&, const ScheduleKey&) = default;
};

struct DueSchedule {
  ScheduleKey key;
  Timestamp due;  // The intended time, which may be earlier than now.
};

class ScheduleQueue {
 public:
  void arm(ScheduleKey key, Timestamp due);

  // The earliest entry if it is due and nothing is running; it counts as running until finished().
  std::optional<DueSchedule> take_due(Timestamp now);
  void finished() { running_ = false; }

  // When to look again; nullopt while something runs or nothing is armed.
  std::optional<Timestamp> next_due() const;

  void clear();  // Forgets all entries; something running stays running.
  size_t size() const { return due_by_key_.size(); }

 private:
  std::map<ScheduleKey, Timestamp> due_by_key_;
  std::set<std::pair<Timestamp, ScheduleKey>> order_;  // The same entries by due time.
  bool running_ = false;
};

}  // namespace worldline::actors
