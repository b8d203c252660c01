// tests/replication/log_fixture.h
//
// Entries with right indexes and chains, made of what a test cares about.
#pragma once

#include <string>
#include <vector>

#include "replication/raft_log.h"

namespace worldline::replication::testing {

SharedBytes payload_of(size_t bytes, Byte fill = 0x5A);

struct Draft {
  uint64_t term;
  EntryKind kind = EntryKind::kBundle;
  SharedBytes payload = payload_of(1);
};
Draft config_draft(uint64_t term, const std::string& membership_text);

// Consecutive entries behind a place.
std::vector<Entry> entries_behind(EntryId prev, Chain prev_chain, const std::vector<Draft>& drafts);

// At `index` in term 1 with voter 1, brought by the entry at `config_index`.
LogBoundary boundary_at(uint64_t index, uint64_t config_index = 1);

// A log behind boundary_at(boundary_index).
RaftLog log_of(uint64_t boundary_index, const std::vector<Draft>& drafts);

}  // namespace worldline::replication::testing
