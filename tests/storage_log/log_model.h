// tests/storage_log/log_model.h
//
// The naive version of the log database: plain maps, no batches, no files. And a generator of
// histories that a node could write.
//
// Thread: values. Units: log indexes.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "storage/log/log_store.h"

namespace worldline::storage {

struct ModelGroup {
  HardState hard_state;
  Boundary boundary;
  std::map<uint64_t, LogEntry> entries;  // Truncated prefixes included.

  TailRow tail() const;
  bool is_initialised() const { return boundary.index.value != 0; }
};

struct LogModel {
  std::map<GroupId, ModelGroup> groups;
  std::map<GroupId, Tombstone> tombstones;
  uint64_t incarnation = 0;

  void apply(const LogJob& job);
};

// OK if `store` holds exactly what the model says; of entries below the boundary, some may be gone.
Status compare(const LogStore& store, const LogModel& model);

// One synced write of a history: what it does to the store, and to the model.
struct HistoryStep {
  std::string name;
  std::function<Status(LogStore&)> run;
  std::function<void(LogModel&)> apply;  // Null: changes nothing that must last.
};

// Draws steps that are allowed in the state of `model`. Payloads are some KiB if
// `payload_bytes_max` says so.
class HistoryGenerator {
 public:
  HistoryGenerator(uint64_t seed, size_t payload_bytes_max)
      : rng_(seed), payload_bytes_max_(payload_bytes_max) {}
  HistoryStep next(const LogModel& model);

 private:
  HistoryStep create(GroupId group, const LogModel& model);
  HistoryStep destroy(GroupId group, const ModelGroup& state);
  HistoryStep truncate_prefix(GroupId group, const ModelGroup& state);
  HistoryStep write(const LogModel& model);
  LogJob job(GroupId group, const ModelGroup& state);
  void append(LogJob& job, TailRow end, Term term);

  Prng rng_;
  const size_t payload_bytes_max_;
};

}  // namespace worldline::storage
