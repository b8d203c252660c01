#include "storage/log/group_recovery.h"

#include <algorithm>
#include <utility>

#include "storage/log/entry_codec.h"

namespace worldline::storage {
namespace {

// Follows the entries of one group and keeps what the next one is compared with.
class LogVerifier {
 public:
  LogVerifier(GroupId group, const Boundary& boundary) : group_(group), boundary_(boundary) {}

  Status add(const LogEntry& entry) {
    if (count_ == 0 || entry.index() != last_.last.next()) WL_RETURN_IF_ERROR(start_run(entry));
    if (entry.term() < last_.term)
      return damage(entry.index(), "its term {} is below the term {} before it", entry.term().value,
                    last_.term.value);
    if (knows_chain_ && !chain_follows(entry, last_.chain))
      return damage(entry.index(), "the chain does not follow from the entry before it");
    if (entry.index() == boundary_.index &&
        (entry.chain() != boundary_.chain || entry.term() != boundary_.term))
      return damage(entry.index(), "the entry is not the one the checkpoint was cut at");
    if (entry.index() > boundary_.index) bytes_after_boundary_ += entry.stored_bytes();
    knows_chain_ = true;
    last_ = {entry.index(), entry.term(), entry.chain()};
    ++count_;
    bytes_ += entry.stored_bytes();
    return Status::ok_status();
  }

  Status finish(VerifiedGroup& out) {
    const TailRow end =
        count_ == 0 ? TailRow{boundary_.index, boundary_.term, boundary_.chain} : last_;
    if (!(out.tail == end))
      return Status::corruption(
          "group {}: the tail row names index {} term {}, but the log ends at index {} term {}",
          group_.value, out.tail.last.value, out.tail.term.value, end.last.value, end.term.value);
    if (end.last < boundary_.index)
      return damage(end.last, "the log ends before the checkpoint at index {}",
                    boundary_.index.value);
    out.first = count_ == 0 ? end.last.next() : first_;
    out.entry_count = count_;
    out.log_bytes = bytes_;
    out.bytes_after_boundary = bytes_after_boundary_;
    if (has_leftovers_) {
      out.verdict = GroupVerdict::kTruncationFinished;
      out.drop_below = first_;
    }
    return Status::ok_status();
  }

 private:
  template <typename... Args>
  Status damage(LogIndex index, fmt::format_string<Args...> reason, Args&&... args) const {
    return Status::corruption("group {} index {}: {}", group_.value, index.value,
                              fmt::format(reason, std::forward<Args>(args)...));
  }

  // The first entry, or the first one behind a gap. A gap may only lie below the boundary, where a
  // truncation was interrupted: everything above it must be there.
  Status start_run(const LogEntry& entry) {
    if (boundary_.index.value == 0)
      return damage(entry.index(), "an entry in the log of a replica without a state");
    if (entry.index() > boundary_.index.next())
      return damage(count_ == 0 ? boundary_.index.next() : last_.last.next(),
                    "entries up to {} are missing", entry.index().value - 1);
    has_leftovers_ = count_ > 0;
    first_ = entry.index();
    count_ = 0;
    bytes_ = 0;
    knows_chain_ = entry.index() == boundary_.index.next();
    last_ = {};
    if (knows_chain_) last_ = {boundary_.index, boundary_.term, boundary_.chain};
    return Status::ok_status();
  }

  const GroupId group_;
  const Boundary& boundary_;
  TailRow last_;
  LogIndex first_;
  uint64_t count_ = 0;
  uint64_t bytes_ = 0;
  uint64_t bytes_after_boundary_ = 0;
  bool knows_chain_ = false;
  bool has_leftovers_ = false;
};

Status check_rows(GroupId group, const GroupRows& rows) {
  if (!rows.hard_state)
    return Status::corruption("group {}: the hard state is missing", group.value);
  if (!rows.boundary) return Status::corruption("group {}: the boundary is missing", group.value);
  if (!rows.tail) return Status::corruption("group {}: the tail row is missing", group.value);
  if (rows.hard_state->term < rows.tail->term)
    return Status::corruption("group {}: the hard state has term {}, but the log ends in term {}",
                              group.value, rows.hard_state->term.value, rows.tail->term.value);
  if (rows.hard_state->commit_hint > rows.tail->last)
    return Status::corruption("group {}: index {} was committed, but the log ends at index {}",
                              group.value, rows.hard_state->commit_hint.value,
                              rows.tail->last.value);
  return Status::ok_status();
}

// I-25, and the mark that outlives restarts: it counts even if the rows cannot be read any more.
Status check_tombstone(const LogStore& store, GroupId group) {
  WL_ASSIGN_OR_RETURN(const std::optional<Tombstone> stone, store.tombstone(group));
  if (!stone) return Status::ok_status();
  const auto state = store.load_hard_state(group);
  const bool is_known = state.ok() && *state;
  const ReplicaId replica = is_known ? state.value()->replica : ReplicaId{0};
  if (stone->quarantined.value != 0 && replica <= stone->quarantined)
    return Status::failed_precondition("group {}: replica {} is {}: {}", group.value, replica.value,
                                       stone->mark == MarkKind::kFrozen ? "frozen" : "quarantined",
                                       stone->reason);
  if (is_known && replica < stone->lowest_allowed)
    return Status::failed_precondition("group {}: replica {} is below the tombstone {}",
                                       group.value, replica.value, stone->lowest_allowed.value);
  return Status::ok_status();
}

}  // namespace

Result<VerifiedGroup> verify_group(const LogStore& store, GroupId group) {
  WL_RETURN_IF_ERROR(check_tombstone(store, group));
  WL_ASSIGN_OR_RETURN(GroupRows rows, store.load_group(group));
  WL_RETURN_IF_ERROR(check_rows(group, rows));

  VerifiedGroup verified;
  verified.group = group;
  verified.hard_state = *rows.hard_state;
  verified.boundary = std::move(*rows.boundary);
  verified.tail = *rows.tail;
  LogVerifier verifier(group, verified.boundary);
  EntryCursor cursor = store.scan(group, LogIndex{0});
  while (true) {
    WL_ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, cursor.next());
    if (!entry) break;
    WL_RETURN_IF_ERROR(verifier.add(*entry));
  }
  WL_RETURN_IF_ERROR(verifier.finish(verified));
  return verified;
}

Status adopt_group(LogStore& store, const VerifiedGroup& group) {
  const Boundary& boundary = group.boundary;
  GroupPosition position;
  position.hard_state = group.hard_state;
  position.boundary = {boundary.index, boundary.term, boundary.chain};
  position.tail = group.tail;
  position.first = group.drop_below.value == 0 ? group.first : LogIndex{0};
  store.attach(group.group, position);
  if (group.drop_below.value == 0) return Status::ok_status();
  return store.truncate_prefix(group.group, group.drop_below);
}

StartVerdict judge_group(const Result<VerifiedGroup>& verified, Copies copies) {
  if (verified.ok())
    return verified->boundary.index.value == 0 ? StartVerdict::kUninitialised
                                               : StartVerdict::kServe;
  return judge_failure(verified.status(), copies);
}

StartVerdict judge_failure(const Status& failure, Copies copies) {
  WL_CHECK(!failure.ok());
  if (failure.code() == StatusCode::kFailedPrecondition) return StartVerdict::kQuarantined;
  if (failure.code() == StatusCode::kCorruption && copies == Copies::kSeveral)
    return StartVerdict::kQuarantine;
  return StartVerdict::kRefuse;
}

Status quarantine_damaged(LogStore& store, GroupId group, const Status& why) {
  const auto state = store.load_hard_state(group);
  const bool is_known = state.ok() && *state && state.value()->replica.value != 0;
  return store.quarantine(group, is_known ? state.value()->replica : kUnknownReplica, why);
}

Status discard_group(LogStore& store, GroupId group) {
  WL_ASSIGN_OR_RETURN(const std::vector<GroupId> here, store.groups());
  if (!std::binary_search(here.begin(), here.end(), group)) return Status::ok_status();
  const auto state = store.load_hard_state(group);
  const bool is_known = state.ok() && *state;
  return store.destroy_group(group,
                             {is_known ? state.value()->replica.next() : kUnknownReplica, {}, {}});
}

}  // namespace worldline::storage
