#include "storage/log/log_store.h"

#include <algorithm>
#include <utility>

#include "storage/log/entry_codec.h"
#include "storage/log/row_codec.h"

namespace worldline::storage {
namespace {

constexpr std::string_view kNodeRecordName = "node";
constexpr std::string_view kGenesisName = "genesis";
constexpr std::string_view kMarkerName = "marker";

Bytes bytes_of(const EntryHeader& header) {
  return {reinterpret_cast<const Byte*>(&header), sizeof header};
}

template <typename T>
Result<std::optional<T>> decode_optional(const Result<std::optional<ByteBuffer>>& stored,
                                         Result<T> (*decode)(Bytes)) {
  if (!stored.ok()) return stored.status();
  if (!stored.value()) return std::optional<T>();
  WL_ASSIGN_OR_RETURN(T value, decode(*stored.value()));
  return std::optional<T>(std::move(value));
}

// End of the key range of a group: nothing sorts after its last possible key but the next group.
LogKey end_key(GroupId group) {
  return entry_key(GroupId{group.value + 1}, LogIndex{0});
}

std::string group_context(GroupId group) {
  return fmt::format("group {}", group.value);
}

// Any row at all, readable or not.
Result<bool> has_rows(const KeyValueStore& database, GroupId group) {
  for (const Family family : {Family::kHard, Family::kLog}) {
    const auto cursor =
        database.scan(family, entry_key(group, LogIndex{0}).span(), end_key(group).span());
    if (cursor->next()) return true;
    WL_RETURN_IF_ERROR(cursor->status());
  }
  return false;
}

}  // namespace

size_t LogJob::bytes() const {
  size_t sum = 128;  // Keys and small rows.
  for (const LogEntry& entry : entries) sum += entry.stored_bytes() + 16;
  if (boundary) sum += boundary->config.size();
  return sum;
}

EntryCursor::EntryCursor(std::unique_ptr<Cursor> cursor, GroupId group)
    : cursor_(std::move(cursor)), group_(group) {}

Result<std::optional<LogEntry>> EntryCursor::next() {
  if (!cursor_->next()) {
    if (Status status = cursor_->status(); !status.ok())
      return status.with_context(group_context(group_));
    return std::optional<LogEntry>();
  }
  WL_ASSIGN_OR_RETURN(const LogIndex index, parse_entry_key(group_, cursor_->key()));
  Result<LogEntry> entry = decode_entry(cursor_->value());
  if (!entry.ok())
    return entry.status().with_context(fmt::format("group {} index {}", group_.value, index.value));
  if (entry->index() != index)
    return Status::corruption("group {} index {}: the entry says it is index {}", group_.value,
                              index.value, entry->index().value);
  return std::optional<LogEntry>(std::move(entry).value());
}

LogStore::LogStore(std::unique_ptr<KeyValueStore> database)
    : database_(std::move(database)), batch_(database_->new_batch()) {}

Status LogStore::fail(const Status& why) {
  if (failure_.ok()) failure_ = why;
  batch_->clear();
  return failure_;
}

Status LogStore::apply(Sync sync) {
  if (!failure_.ok()) return fail(failure_);
  const Status status = database_->apply(*batch_, sync);
  batch_->clear();
  return status.ok() ? status : fail(status.with_context("log database"));
}

// --- Groups --------------------------------------------------------------------------------------

Status LogStore::create_group(const GroupBirth& birth) {
  HardState state;
  state.replica = birth.replica;
  state.term = Term{1};
  Boundary boundary;
  boundary.index = LogIndex{1};
  boundary.term = Term{1};
  boundary.chain = genesis_chain(birth.group);
  boundary.config = birth.config;
  boundary.digest = birth.digest;
  return create(birth.group, state, boundary);
}

Status LogStore::create_uninitialised(GroupId group, ReplicaId replica) {
  HardState state;
  state.replica = replica;
  Boundary boundary;
  boundary.chain = genesis_chain(group);
  return create(group, state, boundary);
}

Status LogStore::create(GroupId group, const HardState& state, const Boundary& boundary) {
  WL_ASSIGN_OR_RETURN(const std::optional<Tombstone> stone, tombstone(group));
  if (stone && state.replica < stone->lowest_allowed)
    return Status::failed_precondition("group {}: replica {} is below the tombstone {}",
                                       group.value, state.replica.value,
                                       stone->lowest_allowed.value);
  if (stone && state.replica <= stone->quarantined)
    return Status::failed_precondition("group {}: replica {} is quarantined: {}", group.value,
                                       state.replica.value, stone->reason);
  WL_ASSIGN_OR_RETURN(const bool exists, has_rows(*database_, group));
  if (exists) return Status::already_exists("group {} exists on this node", group.value);

  const TailRow tail{boundary.index, boundary.term, boundary.chain};
  batch_->put(Family::kHard, hard_key(group, HardRow::kState).span(), encode_hard_state(state));
  batch_->put(Family::kHard, hard_key(group, HardRow::kBoundary).span(), encode_boundary(boundary));
  batch_->put(Family::kHard, hard_key(group, HardRow::kTail).span(), encode_tail(tail));
  WL_RETURN_IF_ERROR(apply(Sync::kYes));
  attach(group, {state, tail, tail, tail.last.next()});
  return Status::ok_status();
}

void LogStore::attach(GroupId group, const GroupPosition& position) {
  WL_CHECK(position.first <= position.boundary.last.next());
  WL_CHECK(position.boundary.last <= position.tail.last);
  Attached attached;
  attached.position = position;
  const bool inserted = attached_.emplace(group, std::move(attached)).second;
  WL_CHECK(inserted);
  set_kept_from(group, position.first);
}

Status LogStore::destroy_group(GroupId group, const Tombstone& tombstone_in) {
  Tombstone stone = tombstone_in;
  // An unreadable earlier tombstone must not keep a group from going.
  const auto earlier = tombstone(group);
  if (earlier.ok() && *earlier) {
    const Tombstone& before = **earlier;
    ReplicaId lowest = std::max(stone.lowest_allowed, before.lowest_allowed);
    if (before.quarantined.value != 0 && before.quarantined != kUnknownReplica)
      lowest = std::max(lowest, before.quarantined.next());
    stone.lowest_allowed = lowest;
  }
  const auto stone_key = group_key(group);
  batch_->remove_range(Family::kLog, entry_key(group, LogIndex{0}).span(), end_key(group).span());
  batch_->remove_range(Family::kHard, entry_key(group, LogIndex{0}).span(), end_key(group).span());
  batch_->put(Family::kTomb, stone_key, encode_tombstone(stone));
  WL_RETURN_IF_ERROR(apply(Sync::kYes));
  detach(group);
  set_kept_from(group, LogIndex{0});
  return Status::ok_status();
}

Status LogStore::quarantine(GroupId group, ReplicaId replica, const Status& why) {
  return mark(group, replica, MarkKind::kQuarantined, why);
}

Status LogStore::freeze(GroupId group, ReplicaId replica, const Status& why) {
  return mark(group, replica, MarkKind::kFrozen, why);
}

Status LogStore::mark(GroupId group, ReplicaId replica, MarkKind kind, const Status& why) {
  WL_CHECK(replica.value != 0);
  Tombstone stone;
  // An unreadable earlier tombstone is replaced: the new mark forbids more.
  if (const auto earlier = tombstone(group); earlier.ok() && *earlier) stone = **earlier;
  stone.quarantined = std::max(stone.quarantined, replica);
  stone.reason = why.message();
  stone.mark = std::max(stone.mark, kind);
  batch_->put(Family::kTomb, group_key(group), encode_tombstone(stone));
  WL_RETURN_IF_ERROR(apply(Sync::kYes));
  detach(group);
  return Status::ok_status();
}

void LogStore::detach(GroupId group) {
  attached_.erase(group);
  staged_.erase(group);
}

// --- Jobs ----------------------------------------------------------------------------------------

void LogStore::replace_log(const LogJob& job, Attached& group) {
  GroupPosition& position = group.position;
  WL_CHECK(job.boundary->index > position.boundary.last);
  batch_->remove_range(Family::kLog, entry_key(job.group, LogIndex{0}).span(),
                       end_key(job.group).span());
  position.boundary = {job.boundary->index, job.boundary->term, job.boundary->chain};
  position.tail = position.boundary;
  position.first = position.tail.last.next();
  group.unwritten.clear();
  staged_.erase(job.group);  // There is nothing left below.
  set_kept_from(job.group, position.first);
}

Status LogStore::truncate_suffix(const LogJob& job, Attached& group) {
  GroupPosition& position = group.position;
  const LogIndex from = *job.truncate_from;
  WL_CHECK(from > position.boundary.last);
  WL_CHECK(from > position.hard_state.commit_hint);  // I-3: it is committed.
  if (from > position.tail.last) return Status::ok_status();
  WL_ASSIGN_OR_RETURN(const TailRow kept, place_of(job.group, group, LogIndex{from.value - 1}));
  batch_->remove_range(Family::kLog, entry_key(job.group, from).span(),
                       entry_key(job.group, position.tail.last.next()).span());
  while (!group.unwritten.empty() && group.unwritten.back().last >= from)
    group.unwritten.pop_back();
  position.tail = kept;
  return Status::ok_status();
}

// Term and chain at a place in the log, which may be part of the batch under construction.
Result<TailRow> LogStore::place_of(GroupId id, const Attached& group, LogIndex index) const {
  if (index == group.position.boundary.last) return group.position.boundary;
  for (auto at = group.unwritten.rbegin(); at != group.unwritten.rend(); ++at)
    if (at->last == index) return *at;
  const LogKey key = entry_key(id, index);
  WL_ASSIGN_OR_RETURN(const std::optional<ByteBuffer> stored,
                      database_->get(Family::kLog, key.span()));
  if (!stored)
    return Status::corruption("group {} index {}: missing in the log", id.value, index.value);
  Result<LogEntry> entry = decode_entry(*stored);
  if (!entry.ok())
    return entry.status().with_context(fmt::format("group {} index {}", id.value, index.value));
  return TailRow{index, entry->term(), entry->chain()};
}

void LogStore::add_entries(const LogJob& job, Attached& group) {
  GroupPosition& position = group.position;
  WL_CHECK(position.boundary.last.value > 0 || job.entries.empty());  // I-16.
  for (const LogEntry& entry : job.entries) {
    WL_CHECK(entry.index() == position.tail.last.next());
    WL_CHECK(entry.term() >= position.tail.term);
    WL_DCHECK(chain_follows(entry, position.tail.chain));
    batch_->put(Family::kLog, entry_key(job.group, entry.index()).span(), bytes_of(entry.header),
                *entry.payload);
    position.tail = {entry.index(), entry.term(), entry.chain()};
    group.unwritten.push_back(position.tail);
  }
}

void LogStore::add_rows(const LogJob& job, GroupPosition& position) {
  if (job.hard_state) {
    const HardState& before = position.hard_state;
    const HardState& after = *job.hard_state;
    WL_CHECK(after.replica == before.replica);
    WL_CHECK(after.term >= before.term);
    if (after.term == before.term && before.vote.value != 0) WL_CHECK(after.vote == before.vote);
    WL_CHECK(after.commit_hint >= before.commit_hint);
    WL_CHECK(after.commit_hint <= position.tail.last);
    position.hard_state = after;
    batch_->put(Family::kHard, hard_key(job.group, HardRow::kState).span(),
                encode_hard_state(after));
  }
  WL_CHECK(position.tail.term <= position.hard_state.term);
  if (job.boundary) {
    WL_CHECK(job.boundary->index >= position.boundary.last);
    WL_CHECK(job.boundary->index <= position.tail.last);
    position.boundary = {job.boundary->index, job.boundary->term, job.boundary->chain};
    batch_->put(Family::kHard, hard_key(job.group, HardRow::kBoundary).span(),
                encode_boundary(*job.boundary));
  }
}

Status LogStore::add_job(const LogJob& job) {
  const auto found = attached_.find(job.group);
  WL_CHECK(found != attached_.end());
  Attached& group = found->second;
  in_batch_.push_back(&group);
  const TailRow before = group.position.tail;
  if (job.replaces_log()) {
    replace_log(job, group);
  } else if (job.truncate_from) {
    WL_RETURN_IF_ERROR(truncate_suffix(job, group));
  }
  add_entries(job, group);
  if (!(group.position.tail == before))
    batch_->put(Family::kHard, hard_key(job.group, HardRow::kTail).span(),
                encode_tail(group.position.tail));
  add_rows(job, group.position);
  return Status::ok_status();
}

Status LogStore::write(std::span<const QueuedJob> jobs) {
  if (!failure_.ok()) return failure_;
  for (const QueuedJob& queued : jobs)
    if (const Status status = add_job(queued.job); !status.ok()) return fail(status);
  return write_batch();
}

Status LogStore::write(const LogJob& job) {
  if (!failure_.ok()) return failure_;
  if (const Status status = add_job(job); !status.ok()) return fail(status);
  return write_batch();
}

Status LogStore::write_batch() {
  add_truncations();
  WL_RETURN_IF_ERROR(apply(Sync::kYes));
  for (Attached* group : in_batch_) group->unwritten.clear();
  in_batch_.clear();
  for (const auto& [id, first] : staged_) {
    const auto found = attached_.find(id);
    if (found == attached_.end()) continue;
    found->second.dropped_first = found->second.durable_first;
    found->second.durable_first = first;
  }
  staged_.clear();
  return Status::ok_status();
}

// --- Truncation ----------------------------------------------------------------------------------

// Each removal begins at the group's first possible key. So the newest hides all that the older
// ones hid, and files that hold the older ones may go.
void LogStore::add_truncations() {
  for (const auto& [id, first] : staged_)
    batch_->remove_range(Family::kLog, entry_key(id, LogIndex{0}).span(),
                         entry_key(id, first).span());
}

Status LogStore::truncate_prefix(GroupId id, LogIndex first) {
  if (!failure_.ok()) return failure_;
  const auto found = attached_.find(id);
  WL_CHECK(found != attached_.end());
  Attached& group = found->second;
  WL_CHECK(first <= group.position.boundary.last.next());
  if (first <= group.position.first) return Status::ok_status();
  set_kept_from(id, first);  // Before they are gone: a reader that misses them finds out why.
  group.position.first = first;
  staged_[id] = first;
  if (group.dropped_first.value == 0) return Status::ok_status();
  const Status dropped =
      database_->drop_files(Family::kLog, entry_key(id, LogIndex{0}).span(),
                            entry_key(id, std::exchange(group.dropped_first, {})).span());
  return dropped.ok() ? dropped : fail(dropped.with_context("log database"));
}

Status LogStore::flush_truncations() {
  if (!failure_.ok()) return failure_;
  return staged_.empty() ? Status::ok_status() : write_batch();
}

LogIndex LogStore::kept_from(GroupId group) const {
  const std::lock_guard lock(kept_mutex_);
  const auto found = kept_from_.find(group);
  return found == kept_from_.end() ? LogIndex{0} : found->second;
}

void LogStore::set_kept_from(GroupId group, LogIndex first) {
  const std::lock_guard lock(kept_mutex_);
  kept_from_[group] = first;
}

// --- Reading -------------------------------------------------------------------------------------

Result<std::vector<LogEntry>> LogStore::read(GroupId group, LogIndex first, LogIndex last,
                                             size_t bytes_max) const {
  std::vector<LogEntry> entries;
  EntryCursor cursor(database_->scan(Family::kLog, entry_key(group, first).span(),
                                     entry_key(group, last.next()).span()),
                     group);
  // Asked after the cursor fixed its state: what that state misses is known here.
  if (const LogIndex kept = kept_from(group); first < kept)
    return Status::not_found("group {}: the log begins at index {}, not {}", group.value,
                             kept.value, first.value);
  size_t bytes = 0;
  while (bytes < bytes_max || entries.empty()) {
    WL_ASSIGN_OR_RETURN(std::optional<LogEntry> entry, cursor.next());
    if (!entry) break;
    const LogIndex expected{first.value + entries.size()};
    if (entry->index() != expected)
      return Status::corruption("group {} index {}: missing in the log", group.value,
                                expected.value);
    bytes += entry->stored_bytes();
    entries.push_back(std::move(*entry));
  }
  return entries;
}

EntryCursor LogStore::scan(GroupId group, LogIndex first) const {
  return EntryCursor(
      database_->scan(Family::kLog, entry_key(group, first).span(), end_key(group).span()), group);
}

Result<std::optional<HardState>> LogStore::load_hard_state(GroupId group) const {
  return decode_optional(database_->get(Family::kHard, hard_key(group, HardRow::kState).span()),
                         decode_hard_state);
}

Result<GroupRows> LogStore::load_group(GroupId group) const {
  GroupRows rows;
  const auto context = group_context(group);
  auto state = load_hard_state(group);
  if (!state.ok()) return state.status().with_context(context);
  auto boundary = decode_optional(
      database_->get(Family::kHard, hard_key(group, HardRow::kBoundary).span()), decode_boundary);
  if (!boundary.ok()) return boundary.status().with_context(context);
  auto tail = decode_optional(database_->get(Family::kHard, hard_key(group, HardRow::kTail).span()),
                              decode_tail);
  if (!tail.ok()) return tail.status().with_context(context);
  rows.hard_state = *state;
  rows.boundary = std::move(boundary).value();
  rows.tail = *tail;
  return rows;
}

Result<std::vector<GroupId>> LogStore::groups() const {
  std::vector<GroupId> groups;
  std::array<Byte, 16> start{};
  std::array<Byte, 17> end{};
  end.fill(0xFF);
  for (const Family family : {Family::kHard, Family::kLog}) {
    // From each group found, the next seek goes to the group after it.
    Bytes from = start;
    LogKey after{};
    while (true) {
      const auto cursor = database_->scan(family, from, end);
      if (!cursor->next()) {
        WL_RETURN_IF_ERROR(cursor->status());
        break;
      }
      WL_ASSIGN_OR_RETURN(const GroupId group, parse_group_prefix(cursor->key()));
      groups.push_back(group);
      after = end_key(group);
      from = after.span();
    }
  }
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  return groups;
}

Result<std::optional<Tombstone>> LogStore::tombstone(GroupId group) const {
  return decode_optional(database_->get(Family::kTomb, group_key(group)), decode_tombstone);
}

Result<std::optional<NodeRecord>> LogStore::node_record() const {
  return decode_optional(database_->get(Family::kNode, as_bytes(kNodeRecordName)),
                         decode_node_record);
}

Status LogStore::write_node_record(const NodeRecord& record) {
  batch_->put(Family::kNode, as_bytes(kNodeRecordName), encode_node_record(record));
  return apply(Sync::kYes);
}

Result<std::optional<ByteBuffer>> LogStore::genesis() const {
  return decode_optional(database_->get(Family::kNode, as_bytes(kGenesisName)), decode_genesis_row);
}

Status LogStore::write_genesis(const NodeRecord& record, Bytes genesis) {
  WL_CHECK(genesis.size() <= kGenesisBytesMax);
  batch_->put(Family::kNode, as_bytes(kGenesisName), encode_genesis_row(genesis));
  return write_node_record(record);
}

Status LogStore::write_marker(uint64_t incarnation) {
  ByteBuffer value;
  append_le(value, incarnation);
  batch_->put(Family::kNode, as_bytes(kMarkerName), value);
  return apply(Sync::kYes);
}

}  // namespace worldline::storage
