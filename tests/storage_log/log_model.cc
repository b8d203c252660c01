#include "tests/storage_log/log_model.h"

#include <algorithm>

#include "storage/log/entry_codec.h"
#include "storage/log/group_recovery.h"
#include "storage/log/node_recovery.h"

namespace worldline::storage {
namespace {

constexpr uint64_t kGroups = 4;

TailRow place_at(const ModelGroup& group, uint64_t index) {
  const Boundary& boundary = group.boundary;
  if (index == boundary.index.value) return {boundary.index, boundary.term, boundary.chain};
  const LogEntry& entry = group.entries.at(index);
  return {entry.index(), entry.term(), entry.chain()};
}

Status compare_group(const LogStore& store, GroupId id, const ModelGroup& model) {
  WL_ASSIGN_OR_RETURN(const VerifiedGroup stored, verify_group(store, id));
  const auto differs = [id](const char* what) {
    return Status::corruption("group {}: {} differs", id.value, what);
  };
  if (!(stored.hard_state == model.hard_state)) return differs("hard state");
  if (!(stored.boundary == model.boundary)) return differs("boundary");
  if (!(stored.tail == model.tail())) return differs("tail");
  EntryCursor cursor = store.scan(id, stored.first);
  for (uint64_t index = stored.first.value; index <= stored.tail.last.value; ++index) {
    WL_ASSIGN_OR_RETURN(const auto entry, cursor.next());
    if (!entry || entry->index().value != index) return differs("an index");
    const auto expected = model.entries.find(index);
    if (expected == model.entries.end() || entry->chain() != expected->second.chain() ||
        *entry->payload != *expected->second.payload)
      return differs("an entry");
  }
  return Status::ok_status();
}

}  // namespace

TailRow ModelGroup::tail() const {
  return entries.empty() || entries.rbegin()->first < boundary.index.value
             ? TailRow{boundary.index, boundary.term, boundary.chain}
             : place_at(*this, entries.rbegin()->first);
}

void LogModel::apply(const LogJob& job) {
  ModelGroup& group = groups.at(job.group);
  if (job.replaces_log()) {
    group.entries.clear();
  } else if (job.truncate_from) {
    group.entries.erase(group.entries.lower_bound(job.truncate_from->value), group.entries.end());
  }
  for (const LogEntry& entry : job.entries) group.entries[entry.index().value] = entry;
  if (job.hard_state) group.hard_state = *job.hard_state;
  if (job.boundary) group.boundary = *job.boundary;
}

Status compare(const LogStore& store, const LogModel& model) {
  WL_ASSIGN_OR_RETURN(const std::vector<GroupId> stored, store.groups());
  std::vector<GroupId> expected;
  for (const auto& [id, group] : model.groups) expected.push_back(id);
  if (stored != expected)
    return Status::corruption("{} groups where there are {}", stored.size(), expected.size());
  for (const auto& [id, group] : model.groups) {
    WL_RETURN_IF_ERROR(compare_group(store, id, group));
  }
  for (uint64_t id = 1; id <= kGroups; ++id) {
    WL_ASSIGN_OR_RETURN(const auto stone, store.tombstone(GroupId{id}));
    const auto expected_stone = model.tombstones.find(GroupId{id});
    const bool has = expected_stone != model.tombstones.end();
    if (stone.has_value() != has || (has && !(*stone == expected_stone->second)))
      return Status::corruption("group {}: tombstone differs", id);
  }
  return Status::ok_status();
}

// --- Histories -----------------------------------------------------------------------------------

HistoryStep HistoryGenerator::create(GroupId group, const LogModel& model) {
  const auto stone = model.tombstones.find(group);
  const ReplicaId replica =
      stone == model.tombstones.end() ? ReplicaId{10} : stone->second.lowest_allowed;
  ModelGroup made;
  made.hard_state.replica = replica;
  made.boundary.chain = genesis_chain(group);
  if (rng_.chance(3))
    return {
        "create uninitialised",
        [group, replica](LogStore& store) { return store.create_uninitialised(group, replica); },
        [group, made](LogModel& m) { m.groups[group] = made; }};
  made.hard_state.term = made.boundary.term = Term{1};
  made.boundary.index = LogIndex{1};
  made.boundary.config = {1, 2};
  return {"create",
          [group, replica](LogStore& store) {
            return store.create_group({group, replica, {1, 2}, {}});
          },
          [group, made](LogModel& m) { m.groups[group] = made; }};
}

HistoryStep HistoryGenerator::destroy(GroupId group, const ModelGroup& state) {
  const Tombstone stone{state.hard_state.replica.next(), ReplicaId{0}, ""};
  return {"destroy", [group, stone](LogStore& store) { return store.destroy_group(group, stone); },
          [group, stone](LogModel& m) {
            m.groups.erase(group);
            m.tombstones[group] = stone;
          }};
}

HistoryStep HistoryGenerator::truncate_prefix(GroupId group, const ModelGroup& state) {
  const LogIndex first{1 + rng_.below(state.boundary.index.value + 1)};
  return {"truncate prefix",
          [group, first](LogStore& store) { return store.truncate_prefix(group, first); }, nullptr};
}

HistoryStep HistoryGenerator::next(const LogModel& model) {
  const GroupId group{1 + rng_.below(kGroups)};
  const auto found = model.groups.find(group);
  if (found == model.groups.end()) return create(group, model);
  if (rng_.chance(40)) return destroy(group, found->second);
  if (rng_.chance(8) && found->second.is_initialised())
    return truncate_prefix(group, found->second);
  return write(model);
}

HistoryStep HistoryGenerator::write(const LogModel& model) {
  LogModel ahead = model;
  std::vector<QueuedJob> jobs;
  for (uint64_t count = 1 + rng_.below(4); count > 0; --count) {
    auto at = ahead.groups.begin();
    std::advance(at, static_cast<ptrdiff_t>(rng_.below(ahead.groups.size())));
    jobs.push_back({LogTicket{jobs.size() + 1}, job(at->first, at->second)});
    ahead.apply(jobs.back().job);
  }
  return {"write", [jobs](LogStore& store) { return store.write(jobs); },
          [jobs](LogModel& m) {
            for (const QueuedJob& queued : jobs) m.apply(queued.job);
          }};
}

void HistoryGenerator::append(LogJob& job, TailRow end, Term term) {
  for (uint64_t count = 1 + rng_.below(3); count > 0; --count) {
    auto payload = std::make_shared<ByteBuffer>(1 + rng_.below(payload_bytes_max_));
    for (Byte& byte : *payload) byte = static_cast<Byte>(rng_.next());
    job.entries.push_back(
        seal_entry({EntryKind::kBundle, term, end.last.next(), end.chain}, std::move(payload)));
    end = {job.entries.back().index(), term, job.entries.back().chain()};
  }
}

// What a Raft group does: append, change its end, vote, move its boundary, install a snapshot.
LogJob HistoryGenerator::job(GroupId group, const ModelGroup& state) {
  LogJob job;
  job.group = group;
  HardState hard = state.hard_state;
  const TailRow tail = state.tail();
  const uint64_t kind = rng_.below(state.is_initialised() ? 10 : 2);
  if (kind == 0) {  // A snapshot of another replica.
    Boundary boundary;
    boundary.index = LogIndex{std::max(tail.last, state.boundary.index).value + 1 + rng_.below(5)};
    boundary.term = hard.term = Term{hard.term.value + 1};
    hard.vote = ReplicaId{0};
    boundary.chain = Chain{rng_.next()};
    boundary.checkpoint = {CheckpointId{rng_.next()}, {rng_.next(), 1}};
    hard.commit_hint = boundary.index;
    job.boundary = boundary;
    job.boundary_use = BoundaryUse::kSnapshot;
    if (rng_.chance(2)) append(job, {boundary.index, boundary.term, boundary.chain}, hard.term);
  } else if (kind == 1) {  // A vote.
    hard.term = hard.term.next();
    hard.vote = ReplicaId{1 + rng_.below(3)};
  } else if (kind == 2) {  // The own checkpoint.
    const uint64_t index =
        state.boundary.index.value + rng_.below(tail.last.value - state.boundary.index.value + 1);
    const TailRow at = place_at(state, index);
    job.boundary = state.boundary;
    job.boundary->index = at.last;
    job.boundary->term = at.term;
    job.boundary->chain = at.chain;
    return job;
  } else if (kind <= 4) {  // Another leader's end.
    const uint64_t keep = std::max(state.boundary.index.value, hard.commit_hint.value);
    if (keep > tail.last.value) return job;
    const uint64_t last = keep + rng_.below(tail.last.value - keep + 1);
    job.truncate_from = LogIndex{last + 1};
    hard.term = hard.term.next();
    hard.vote = ReplicaId{0};
    if (kind == 3) append(job, place_at(state, last), hard.term);
  } else {
    append(job, tail, hard.term);
    if (rng_.chance(2)) return job;
    hard.commit_hint =
        LogIndex{hard.commit_hint.value + rng_.below(tail.last.value - hard.commit_hint.value + 1)};
  }
  ++hard.generation;
  job.hard_state = hard;
  return job;
}

}  // namespace worldline::storage
