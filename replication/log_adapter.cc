#include "replication/log_adapter.h"

#include <algorithm>

#include "storage/log/entry_codec.h"

namespace worldline::replication {
namespace {

// Version of the bytes in storage::Boundary::config: version u8, index of the config entry u64,
// then the membership as in a config entry.
constexpr uint8_t kBoundaryConfigVersion = 1;
constexpr size_t kBoundaryConfigHead = 1 + sizeof(uint64_t);

ByteBuffer encode_boundary_config(const LogBoundary& boundary) {
  const ByteBuffer members = encode_membership(boundary.config);
  ByteBuffer bytes(kBoundaryConfigHead + members.size());
  bytes[0] = kBoundaryConfigVersion;
  store_le(bytes.data() + 1, boundary.config_index.value);
  std::copy(members.begin(), members.end(), bytes.begin() + kBoundaryConfigHead);
  return bytes;
}

Entry without_payload(Entry entry) {
  entry.payload.reset();
  return entry;
}

Status read_failure(GroupId group, const Status& status) {
  return status.with_context(fmt::format("group {}", group.value));
}

// Where the restored log may begin: from the config entry of the boundary on its config is known,
// and it is in the log if it was not compacted.
LogIndex earliest_boundary(const storage::VerifiedGroup& group, const LogBoundary& checkpoint) {
  if (group.first > checkpoint.id.index) return checkpoint.id.index;
  return std::max(group.first, checkpoint.config_index);
}

}  // namespace

Chain log_chain(Chain previous, const Entry& entry) {
  WL_CHECK(entry.payload != nullptr);
  return storage::chain_of({entry.kind, entry.term, entry.index, previous}, *entry.payload);
}

LogBoundary genesis_boundary(GroupId group, const Membership& members) {
  return {{Term{1}, LogIndex{1}}, storage::genesis_chain(group), members, LogIndex{1}};
}

storage::GroupBirth group_birth(GroupId group, ReplicaId replica, const Membership& members,
                                const storage::Digest128& digest) {
  storage::GroupBirth birth;
  birth.group = group;
  birth.replica = replica;
  birth.config = encode_boundary_config(genesis_boundary(group, members));
  birth.digest = digest;
  return birth;
}

storage::Boundary encode_log_boundary(const LogBoundary& boundary, const CheckpointPlace& place) {
  storage::Boundary row;
  row.index = boundary.id.index;
  row.term = boundary.id.term;
  row.chain = boundary.chain;
  row.config = encode_boundary_config(boundary);
  row.checkpoint = place.checkpoint;
  row.digest = place.digest;
  return row;
}

Result<LogBoundary> decode_log_boundary(const storage::Boundary& row) {
  LogBoundary boundary;
  boundary.id = {row.term, row.index};
  boundary.chain = row.chain;
  if (row.index.value == 0) return boundary;  // Not initialised: no config either.
  const Bytes bytes = row.config;
  if (bytes.size() < kBoundaryConfigHead)
    return Status::corruption("boundary at index {}: config of {} B", row.index.value,
                              bytes.size());
  if (bytes[0] != kBoundaryConfigVersion)
    return Status::not_supported("boundary at index {}: config version {} is newer than {}",
                                 row.index.value, bytes[0], kBoundaryConfigVersion);
  boundary.config_index = LogIndex{load_le<uint64_t>(bytes.data() + 1)};
  if (boundary.config_index.value == 0 || boundary.config_index > row.index)
    return Status::corruption("boundary at index {}: its config is said to be of index {}",
                              row.index.value, boundary.config_index.value);
  WL_ASSIGN_OR_RETURN(boundary.config, decode_membership(bytes.subspan(kBoundaryConfigHead)));
  return boundary;
}

storage::LogEntry to_log_entry(const Entry& entry) {
  return storage::seal_chained_entry({entry.kind, entry.term, entry.index, entry.chain},
                                     entry.payload);
}

Entry to_raft_entry(const storage::LogEntry& stored) {
  Entry entry;
  entry.index = stored.index();
  entry.term = stored.term();
  entry.kind = stored.kind();
  entry.chain = stored.chain();
  entry.payload = stored.payload;
  entry.payload_bytes = stored.header.payload_bytes;
  return entry;
}

Result<RestoredState> restore_state(const storage::LogStore& store,
                                    const storage::VerifiedGroup& group) {
  RestoredState state;
  state.hard = {group.hard_state.term, group.hard_state.vote, group.hard_state.commit_hint};
  Result<LogBoundary> checkpoint = decode_log_boundary(group.boundary);
  if (!checkpoint.ok()) return read_failure(group.group, checkpoint.status());
  state.applied = checkpoint->id.index;
  state.boundary = std::move(checkpoint).value();
  const LogIndex begin = earliest_boundary(group, state.boundary);
  storage::EntryCursor cursor = store.scan(group.group, std::min(begin, state.applied.next()));
  while (true) {
    WL_ASSIGN_OR_RETURN(std::optional<storage::LogEntry> stored, cursor.next());
    if (!stored) break;
    Entry entry = to_raft_entry(*stored);
    if (entry.index == begin && begin < state.applied) {
      state.boundary.id = entry.id();
      state.boundary.chain = entry.chain;
    } else if (entry.index > state.boundary.id.index) {
      const bool is_applied = entry.index <= state.applied;
      state.entries.push_back(is_applied ? without_payload(std::move(entry)) : std::move(entry));
    }
  }
  return state;
}

Result<std::vector<Entry>> read_entries(const storage::LogStore& store, GroupId group,
                                        const FetchRequest& request) {
  std::vector<Entry> entries;
  storage::EntryCursor cursor = store.scan(group, request.first);
  LogIndex expected = request.first;
  size_t bytes = 0;
  while (expected <= request.last) {
    WL_ASSIGN_OR_RETURN(const std::optional<storage::LogEntry> stored, cursor.next());
    if (!stored || stored->index() != expected) break;
    bytes += stored->payload->size();
    if (bytes > request.bytes_max && !entries.empty()) break;
    entries.push_back(to_raft_entry(*stored));
    expected = expected.next();
  }
  return entries;
}

storage::LogJob LogAdapter::to_log_job(const PersistJob& job, const CheckpointPlace* installed) {
  storage::LogJob out;
  out.group = group_;
  out.entries.reserve(job.entries.size());
  for (const Entry& entry : job.entries) out.entries.push_back(to_log_entry(entry));
  if (job.hard_state)
    out.hard_state = storage::HardState{replica_, job.hard_state->term, job.hard_state->vote,
                                        job.hard_state->commit_hint, ++generation_};
  if (job.new_boundary) {
    WL_CHECK(installed != nullptr);
    out.boundary = encode_log_boundary(*job.new_boundary, *installed);
    out.boundary_use = storage::BoundaryUse::kSnapshot;
    return out;
  }
  out.truncate_from = job.truncate_from;
  return out;
}

storage::LogJob LogAdapter::to_checkpoint_job(const LogBoundary& boundary,
                                              const CheckpointPlace& place) const {
  storage::LogJob out;
  out.group = group_;
  out.boundary = encode_log_boundary(boundary, place);
  return out;
}

}  // namespace worldline::replication
