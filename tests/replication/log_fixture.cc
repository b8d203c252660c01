#include "tests/replication/log_fixture.h"

#include "tests/replication/membership_fixture.h"
#include "tests/replication/raft_fixture.h"

namespace worldline::replication::testing {

SharedBytes payload_of(size_t bytes, Byte fill) {
  return std::make_shared<const ByteBuffer>(bytes, fill);
}

Draft config_draft(uint64_t term, const std::string& membership_text) {
  return {term, EntryKind::kConfig,
          std::make_shared<const ByteBuffer>(encode_membership(membership(membership_text)))};
}

std::vector<Entry> entries_behind(EntryId prev, Chain prev_chain,
                                  const std::vector<Draft>& drafts) {
  std::vector<Entry> entries;
  for (const Draft& draft : drafts) {
    Entry entry;
    entry.index = prev.index.next();
    entry.term = Term{draft.term};
    entry.kind = draft.kind;
    entry.payload = draft.payload;
    entry.payload_bytes = static_cast<uint32_t>(draft.payload->size());
    entry.chain = test_chain(prev_chain, entry);
    prev = entry.id();
    prev_chain = entry.chain;
    entries.push_back(std::move(entry));
  }
  return entries;
}

LogBoundary boundary_at(uint64_t index, uint64_t config_index) {
  return {{Term{1}, LogIndex{index}}, Chain{1000 + index}, membership("1"), LogIndex{config_index}};
}

RaftLog log_of(uint64_t boundary_index, const std::vector<Draft>& drafts) {
  const LogBoundary boundary = boundary_at(boundary_index);
  return {boundary, entries_behind(boundary.id, boundary.chain, drafts), test_chain};
}

}  // namespace worldline::replication::testing
