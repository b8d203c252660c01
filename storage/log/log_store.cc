#include "storage/log/log_store.h"

#include <algorithm>

#include "storage/log/entry_codec.h"
#include "storage/log/row_codec.h"

namespace worldline::storage {
namespace {

constexpr std::string_view kNodeRecordName = "node";
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

Status LogStore::apply(Sync sync) {
  if (!failure_.ok()) {
    batch_->clear();
    return failure_;
  }
  Status status = database_->apply(*batch_, sync);
  batch_->clear();
  if (!status.ok()) failure_ = status.with_context("log database");
  return failure_;
}

Status LogStore::create_group(const GroupBirth& birth) {
  WL_ASSIGN_OR_RETURN(const std::optional<Tombstone> stone, tombstone(birth.group));
  if (stone && birth.replica < stone->lowest_allowed)
    return Status::failed_precondition("group {}: replica {} is below the tombstone {}",
                                       birth.group.value, birth.replica.value,
                                       stone->lowest_allowed.value);
  WL_ASSIGN_OR_RETURN(const GroupRows rows, load_group(birth.group));
  if (rows.hard_state || rows.boundary || rows.tail)
    return Status::already_exists("group {} exists on this node", birth.group.value);

  HardState state;
  state.replica = birth.replica;
  Boundary boundary;
  if (!birth.is_uninitialised) {
    state.term = Term{1};
    boundary.index = LogIndex{1};
    boundary.term = Term{1};
    boundary.chain = genesis_chain(birth.group);
    boundary.config = birth.config;
    boundary.digest = birth.digest;
  }
  const TailRow tail{boundary.index, boundary.term, boundary.chain};
  batch_->put(Family::kHard, hard_key(birth.group, HardRow::kState).span(),
              encode_hard_state(state));
  batch_->put(Family::kHard, hard_key(birth.group, HardRow::kBoundary).span(),
              encode_boundary(boundary));
  batch_->put(Family::kHard, hard_key(birth.group, HardRow::kTail).span(), encode_tail(tail));
  WL_RETURN_IF_ERROR(apply(Sync::kYes));
  attach(birth.group, tail);
  return Status::ok_status();
}

void LogStore::attach(GroupId group, const TailRow& tail) {
  const bool inserted = attached_.emplace(group, Attached{tail}).second;
  WL_CHECK(inserted);
}

Status LogStore::destroy_group(GroupId group, const Tombstone& tombstone) {
  const auto stone_key = group_key(group);
  batch_->remove_range(Family::kLog, entry_key(group, LogIndex{0}).span(), end_key(group).span());
  batch_->remove_range(Family::kHard, entry_key(group, LogIndex{0}).span(), end_key(group).span());
  batch_->put(Family::kTomb, stone_key, encode_tombstone(tombstone));
  WL_RETURN_IF_ERROR(apply(Sync::kYes));
  attached_.erase(group);
  return Status::ok_status();
}

Status LogStore::quarantine(GroupId group, ReplicaId replica, const Status& why) {
  WL_ASSIGN_OR_RETURN(std::optional<Tombstone> stone, tombstone(group));
  if (!stone) stone.emplace();
  stone->quarantined = replica;
  stone->reason = why.message();
  batch_->put(Family::kTomb, group_key(group), encode_tombstone(*stone));
  WL_RETURN_IF_ERROR(apply(Sync::kYes));
  attached_.erase(group);
  return Status::ok_status();
}

void LogStore::add_job(const LogJob& job) {
  const auto found = attached_.find(job.group);
  WL_CHECK(found != attached_.end());
  TailRow& tail = found->second.tail;
  const LogIndex old_last = tail.last;
  bool moved = false;

  if (job.is_reset) {
    WL_CHECK(job.boundary.has_value());
    WL_CHECK(!job.truncate_from.has_value());
    batch_->remove_range(Family::kLog, entry_key(job.group, LogIndex{0}).span(),
                         end_key(job.group).span());
    tail = {job.boundary->index, job.boundary->term, job.boundary->chain};
  }
  if (job.truncate_from && *job.truncate_from <= old_last) {
    // The job must bring what replaces the suffix: its first entry tells where the log ends.
    WL_CHECK(!job.entries.empty());
    WL_CHECK(job.entries.front().index() == *job.truncate_from);
    batch_->remove_range(Family::kLog, entry_key(job.group, *job.truncate_from).span(),
                         entry_key(job.group, old_last.next()).span());
    tail.last = LogIndex{job.truncate_from->value - 1};
    moved = true;
  }
  for (const LogEntry& entry : job.entries) {
    WL_CHECK(entry.index() == tail.last.next());
    if (!moved) WL_CHECK(entry.term() >= tail.term);
    if (!moved) WL_DCHECK(chain_follows(entry, tail.chain));
    batch_->put(Family::kLog, entry_key(job.group, entry.index()).span(), bytes_of(entry.header),
                *entry.payload);
    tail = {entry.index(), entry.term(), entry.chain()};
    moved = false;
  }
  if (!job.entries.empty() || job.is_reset)
    batch_->put(Family::kHard, hard_key(job.group, HardRow::kTail).span(), encode_tail(tail));
  if (job.hard_state)
    batch_->put(Family::kHard, hard_key(job.group, HardRow::kState).span(),
                encode_hard_state(*job.hard_state));
  if (job.boundary)
    batch_->put(Family::kHard, hard_key(job.group, HardRow::kBoundary).span(),
                encode_boundary(*job.boundary));
}

Status LogStore::write(std::span<const QueuedJob> jobs) {
  if (!failure_.ok()) return failure_;
  for (const QueuedJob& queued : jobs) add_job(queued.job);
  return apply(Sync::kYes);
}

Status LogStore::write(const LogJob& job) {
  if (!failure_.ok()) return failure_;
  add_job(job);
  return apply(Sync::kYes);
}

Status LogStore::truncate_prefix(GroupId group, LogIndex first) {
  WL_CHECK(attached_.contains(group));
  batch_->remove_range(Family::kLog, entry_key(group, LogIndex{0}).span(),
                       entry_key(group, first).span());
  return apply(Sync::kNo);
}

Result<std::vector<LogEntry>> LogStore::read(GroupId group, LogIndex first, LogIndex last,
                                             size_t bytes_max) const {
  std::vector<LogEntry> entries;
  EntryCursor cursor(database_->scan(Family::kLog, entry_key(group, first).span(),
                                     entry_key(group, last.next()).span()),
                     group);
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

Result<GroupRows> LogStore::load_group(GroupId group) const {
  GroupRows rows;
  const auto context = group_context(group);
  auto state = decode_optional(
      database_->get(Family::kHard, hard_key(group, HardRow::kState).span()), decode_hard_state);
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

Status LogStore::write_marker(uint64_t incarnation) {
  ByteBuffer value;
  append_le(value, incarnation);
  batch_->put(Family::kNode, as_bytes(kMarkerName), value);
  return apply(Sync::kYes);
}

}  // namespace worldline::storage
