// tests/simulation/durable_image.h
//
// What is surely on one replica's disk, as the observer sees it: a mirror of the stored rows, kept
// in step with every write and compared with the real store at every start.
//
// Ownership: one SimDisk; readers borrow. Units: log indexes.
#pragma once

#include <vector>

#include "storage/log/log_types.h"

namespace worldline::simulation {

struct DurableImage {
  struct Mark {
    Term term;
    Chain chain;
    friend bool operator==(const Mark&, const Mark&) = default;
  };

  storage::HardState hard;
  LogIndex boundary;
  Mark boundary_mark;
  LogIndex first{1};  // Index of marks[0].
  std::vector<Mark> marks;

  LogIndex last() const { return LogIndex{first.value + marks.size() - 1}; }
  // Whether the entry with this chain, and so all before it, can be had from this disk.
  bool covers(LogIndex index, Chain chain) const {
    if (index >= first && index <= last()) return marks[index.value - first.value].chain == chain;
    if (index == boundary) return boundary_mark.chain == chain;
    return index < boundary;  // In the checkpoint.
  }
  void apply(const storage::LogJob& job) {
    if (job.is_reset) {
      marks.clear();
      first = job.boundary->index.next();
    }
    if (job.truncate_from && *job.truncate_from <= last())
      marks.resize(job.truncate_from->value - first.value);
    for (const storage::LogEntry& entry : job.entries)
      marks.push_back({entry.term(), entry.chain()});
    if (job.hard_state) hard = *job.hard_state;
    if (job.boundary) {
      boundary = job.boundary->index;
      boundary_mark = {job.boundary->term, job.boundary->chain};
    }
  }
};

}  // namespace worldline::simulation
