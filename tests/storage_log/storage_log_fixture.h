// tests/storage_log/storage_log_fixture.h
//
// Builders shared by the tests of the log room: sealed entries, jobs, and a log store on a memory
// disk that survives "crashes".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/log/entry_codec.h"
#include "storage/log/group_recovery.h"
#include "storage/log/log_store.h"
#include "storage/log/memory_disk.h"

namespace worldline::storage {

inline constexpr GroupId kGroup{7};

inline SharedBytes payload_of(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return std::make_shared<const ByteBuffer>(bytes.begin(), bytes.end());
}

inline GroupBirth birth_of(GroupId group) {
  GroupBirth birth;
  birth.group = group;
  birth.replica = ReplicaId{group.value * 10};
  birth.config = {1, 2, 3};
  return birth;
}

// Makes consecutive, chained jobs of one entry each, as a leader would.
class JobBuilder {
 public:
  explicit JobBuilder(GroupId group) : group_(group), chain_(genesis_chain(group)) {}
  JobBuilder(GroupId group, const TailRow& tail)
      : group_(group), last_(tail.last), term_(tail.term), chain_(tail.chain) {}

  LogJob next(std::string_view payload, EntryKind kind = EntryKind::kBundle) {
    const LogEntry entry = seal_entry({kind, term_, last_.next(), chain_}, payload_of(payload));
    last_ = entry.index();
    chain_ = entry.chain();
    LogJob job;
    job.group = group_;
    job.entries.push_back(entry);
    return job;
  }
  void set_term(Term term) { term_ = term; }
  TailRow tail() const { return {last_, term_, chain_}; }

 private:
  GroupId group_;
  LogIndex last_{1};
  Term term_{1};
  Chain chain_;
};

// A checkpoint cut at an entry of the log, as the boundary of a job.
inline Boundary boundary_at(const LogStore& store, GroupId group, LogIndex index) {
  const auto entries = store.read(group, index, index, 1);
  WL_CHECK(entries.ok() && entries->size() == 1);
  Boundary boundary;
  boundary.index = index;
  boundary.term = entries->front().term();
  boundary.chain = entries->front().chain();
  return boundary;
}

inline LogJob boundary_job(GroupId group, Boundary boundary) {
  LogJob job;
  job.group = group;
  job.boundary = std::move(boundary);
  return job;
}

// The first job of a new term: hard state and an entry.
inline LogJob term_job(JobBuilder& jobs, const HardState& before, Term term) {
  jobs.set_term(term);
  LogJob job = jobs.next("term " + std::to_string(term.value), EntryKind::kNoop);
  HardState state = before;
  state.term = term;
  state.vote = before.replica;
  ++state.generation;
  job.hard_state = state;
  return job;
}

// A log of entries 2 ... count + 1 in one group.
inline std::unique_ptr<LogStore> filled_store(MemoryDisk& disk, size_t count) {
  auto store = std::make_unique<LogStore>(disk.open());
  WL_CHECK(store->create_group(birth_of(kGroup)).ok());
  JobBuilder jobs(kGroup);
  for (size_t i = 0; i < count; ++i)
    WL_CHECK(store->write(jobs.next("entry " + std::to_string(i))).ok());
  return store;
}

}  // namespace worldline::storage
