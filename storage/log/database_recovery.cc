#include "storage/log/database_recovery.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "storage/checkpoint_loader.h"
#include "storage/log/entry_codec.h"
#include "storage/log/part_codec.h"

namespace worldline::storage {
namespace {

// A state to start from, and where in the log it stands.
struct Start {
  std::unique_ptr<DatabaseState> state;
  std::optional<Checkpoint> checkpoint;  // nullopt = birth.
  TailRow at;
};

std::string digest_text(const Digest128& digest) {
  return fmt::format("{:016x}{:016x}", digest.high, digest.low);
}

// Applies entries in order to a state and compares what the leader saw [S 08/4.1].
class Replayer {
 public:
  Replayer(GroupId group, DatabaseState& state, RecoveredDatabase& out)
      : group_(group), state_(state), out_(out) {}

  Status apply(const LogEntry& entry) {
    const Status status = apply_kind(entry);
    if (!status.ok())
      return status.with_context(
          fmt::format("group {} index {}", group_.value, entry.index().value));
    out_.applied = entry.index();
    out_.applied_term = entry.term();
    out_.applied_chain = entry.chain();
    ++out_.report.entries_replayed;
    out_.report.bytes_replayed += entry.stored_bytes();
    return Status::ok_status();
  }

 private:
  Status apply_kind(const LogEntry& entry) {
    switch (entry.kind()) {
      case EntryKind::kNoop:
        return apply_barrier(*entry.payload);
      case EntryKind::kBundle:
        return apply_bundle(*entry.payload);
      case EntryKind::kPart:
        return apply_part(*entry.payload);
      case EntryKind::kConfig:
      case EntryKind::kDigestMark:
        return Status::ok_status();  // Nothing of the state.
      case EntryKind::kViewSync:
        return Status::ok_status();  // Ephemeral: skipped at replay from disk.
      case EntryKind::kProgramPrepare:
      case EntryKind::kProgramAbort:
      case EntryKind::kDedupGc:
        break;
    }
    return Status::not_supported("entry of kind {}", entry.header.kind);
  }

  Status apply_barrier(Bytes payload) {
    parts_.discard();
    if (payload.empty()) return Status::ok_status();  // A fence only.
    WL_ASSIGN_OR_RETURN(const Barrier barrier, decode_barrier(payload));
    if (barrier.next_offset != state_.next_offset())
      return Status::corruption("the barrier says offset {} is next, the state says {}",
                                barrier.next_offset.value, state_.next_offset().value);
    WL_RETURN_IF_ERROR(compare_digest(barrier.digest));
    out_.last_timestamp = std::max(out_.last_timestamp, barrier.wall);
    return advance_cluster_time(barrier.cluster_time_ns);
  }

  Status apply_part(Bytes payload) {
    WL_ASSIGN_OR_RETURN(const bool is_whole, parts_.add(payload));
    return is_whole ? apply_bundle(parts_.take()) : Status::ok_status();
  }

  Status apply_bundle(Bytes payload) {
    WL_ASSIGN_OR_RETURN(Bundle bundle, decode_bundle(payload, EphemeralRows::kSkip));
    for (const std::shared_ptr<TxData>& tx : bundle.transactions) {
      if (tx->consumed_offset && tx->offset != state_.next_offset())
        return Status::corruption("transaction offset {} where {} is next", tx->offset.value,
                                  state_.next_offset().value);
      if (bundle.trailer.times_increase && tx->timestamp <= out_.last_timestamp)
        return Status::corruption("I-20: transaction offset {} is of {} us, not later than {} us",
                                  tx->offset.value, tx->timestamp.micros,
                                  out_.last_timestamp.micros);
      WL_RETURN_IF_ERROR(
          state_.apply(*tx).with_context(fmt::format("transaction offset {}", tx->offset.value)));
      out_.last_timestamp = std::max(out_.last_timestamp, tx->timestamp);
      ++out_.report.transactions_replayed;
    }
    WL_RETURN_IF_ERROR(compare_digest(bundle.trailer.digest));
    return advance_cluster_time(bundle.trailer.cluster_time_ns);
  }

  // I-19: the state after an entry has the digest the leader wrote into it.
  Status compare_digest(const Digest128& expected) const {
    if (state_.digest() == expected) return Status::ok_status();
    return Status::corruption("the digest of the state is {}, the entry says {}",
                              digest_text(state_.digest()), digest_text(expected));
  }

  Status advance_cluster_time(uint64_t now) {
    if (now < out_.cluster_time_ns)
      return Status::corruption("cluster time goes back from {} to {} ns", out_.cluster_time_ns,
                                now);
    out_.cluster_time_ns = now;
    return Status::ok_status();
  }

  const GroupId group_;
  DatabaseState& state_;
  RecoveredDatabase& out_;
  PartAssembler parts_;
};

// Gives the loader every page that can be read; notes the others in `bad`.
Status load_pages(const CheckpointStore& checkpoints, const Checkpoint& checkpoint,
                  CheckpointLoader& loader, std::vector<Digest128>& bad) {
  const GroupId group = checkpoint.state.group;
  Status first_bad;
  size_t position = 0;
  for (const CheckpointTable& table : checkpoint.state.tables) {
    for (const CheckpointPage& page : table.pages) {
      const Digest128& hash = checkpoint.page_hashes[position++];
      const Result<ByteBuffer> image = checkpoints.load_page(group, hash);
      if (image.ok()) {
        WL_RETURN_IF_ERROR(loader.add_page(table.table, page.number, *image));
        continue;
      }
      if (image.status().code() != StatusCode::kCorruption) return image.status();
      if (first_bad.ok()) first_bad = image.status();
      bad.push_back(hash);
    }
  }
  return first_bad;
}

// Databases start at once, so one may not take the whole machine.
constexpr size_t kLoadThreadsMax = 4;
size_t load_threads() {
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kLoadThreadsMax);
}

Result<Start> load_start(const CheckpointStore& checkpoints, GroupId group, CheckpointId id,
                         std::optional<DamagedCheckpoint>& damaged) {
  WL_ASSIGN_OR_RETURN(Checkpoint checkpoint, checkpoints.load_manifest(group, id));
  CheckpointLoader loader(checkpoint.state);
  std::vector<Digest128> bad;
  const Status loaded = load_pages(checkpoints, checkpoint, loader, bad);
  if (!bad.empty() && !damaged) damaged = {std::move(checkpoint), std::move(bad)};
  WL_RETURN_IF_ERROR(loaded);
  Start start;
  WL_ASSIGN_OR_RETURN(start.state, loader.finish(load_threads()));
  if (start.state->digest() != checkpoint.state.digest)
    return Status::corruption("group {} checkpoint {}: the digest of the state is {}, not {}",
                              group.value, id.value, digest_text(start.state->digest()),
                              digest_text(checkpoint.state.digest));
  start.at = {checkpoint.index, checkpoint.term, checkpoint.chain};
  start.checkpoint = std::move(checkpoint);
  return start;
}

Start birth_start(GroupId group) {
  Start start;
  start.state = DatabaseState::bootstrap({group});
  start.at = {LogIndex{1}, Term{1}, genesis_chain(group)};
  return start;
}

// Adds the life of this object to a duration.
class Stopwatch {
 public:
  explicit Stopwatch(std::chrono::nanoseconds& total) : total_(total) {}
  ~Stopwatch() { total_ += std::chrono::steady_clock::now() - begun_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  std::chrono::nanoseconds& total_;  // Borrowed.
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// The newest start the log connects to: the boundary's checkpoint, older ones, the birth.
Result<Start> choose_start(const CheckpointStore& checkpoints, const VerifiedGroup& group,
                           RecoveredDatabase& out) {
  RecoveryReport& report = out.report;
  const Stopwatch watch(report.restore_time);
  const CheckpointRef named = group.boundary.checkpoint;
  const auto reaches = [&group](const TailRow& at) {
    return at.last >= group.boundary.index || group.first <= at.last.next();
  };
  WL_ASSIGN_OR_RETURN(const std::vector<CheckpointId> ids, checkpoints.list(group.group));
  if (named.id.value != 0 && std::find(ids.begin(), ids.end(), named.id) == ids.end())
    report.notes.push_back(fmt::format("group {} checkpoint {}: named by the boundary, but missing",
                                       group.group.value, named.id.value));
  for (const CheckpointId id : ids) {
    if (id > named.id) continue;  // Written, but the boundary was never switched to it.
    Result<Start> start = load_start(checkpoints, group.group, id, out.damaged);
    if (!start.ok()) {
      report.notes.push_back(start.status().message());
    } else if (id == named.id && start->checkpoint->manifest_hash != named.manifest_hash) {
      report.notes.push_back(fmt::format("group {} checkpoint {}: not the manifest that was named",
                                         group.group.value, id.value));
    } else if (!reaches(start->at)) {
      report.notes.push_back(
          fmt::format("group {} checkpoint {}: ends at index {}, the log begins "
                      "at {}",
                      group.group.value, id.value, start->at.last.value, group.first.value));
    } else {
      return start;
    }
  }
  Start birth = birth_start(group.group);
  if (reaches(birth.at)) return birth;
  std::string reasons;
  for (const std::string& note : report.notes) reasons += "; " + note;
  return Status::corruption("group {}: no checkpoint can be used and the log begins at index {}{}",
                            group.group.value, group.first.value, reasons);
}

// Applies the log up to `last`.
Status replay(const LogStore& log, GroupId group, LogIndex last, DatabaseState& state,
              RecoveredDatabase& out) {
  const Stopwatch watch(out.report.replay_time);
  Replayer replayer(group, state, out);
  EntryCursor cursor = log.scan(group, out.applied.next());
  while (out.applied < last) {
    WL_ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, cursor.next());
    // The chain from the start proves that this log is the one the checkpoint was cut from.
    if (!entry || entry->index() != out.applied.next() || !chain_follows(*entry, out.applied_chain))
      return Status::corruption("group {} index {}: the log does not continue the state",
                                group.value, out.applied.next().value);
    WL_RETURN_IF_ERROR(replayer.apply(*entry));
  }
  return {};
}

}  // namespace

Result<RecoveredDatabase> recover_database(const LogStore& log, const CheckpointStore& checkpoints,
                                           const VerifiedGroup& group, ReplayTo target) {
  RecoveredDatabase out;
  if (group.boundary.index.value == 0) {
    out.verdict = DatabaseVerdict::kNeedsSnapshot;
    return out;
  }
  Result<Start> chosen = choose_start(checkpoints, group, out);
  if (!chosen.ok()) {
    const bool has_peers = target == ReplayTo::kCommitHint;
    if (!has_peers || chosen.status().code() != StatusCode::kCorruption) return chosen.status();
    out.verdict = DatabaseVerdict::kNeedsSnapshot;
    out.report.notes.push_back(chosen.status().message());
    out.checkpoints.last_id = group.boundary.checkpoint.id;
    return out;
  }
  Start start = std::move(chosen).value();
  out.applied = start.at.last;
  out.applied_term = start.at.term;
  out.applied_chain = start.at.chain;
  if (start.checkpoint) {
    out.report.checkpoint = start.checkpoint->id;
    out.cluster_time_ns = start.checkpoint->cluster_time_ns;
    out.last_timestamp = start.checkpoint->last_timestamp;
  }
  const LogIndex last = target == ReplayTo::kTail
                            ? group.tail.last
                            : std::max(group.hard_state.commit_hint, group.boundary.index);
  WL_RETURN_IF_ERROR(replay(log, group.group, last, *start.state, out));
  WL_ASSIGN_OR_RETURN(const std::vector<CheckpointId> ids, checkpoints.list(group.group));
  if (!ids.empty()) out.checkpoints.last_id = ids.front();
  out.checkpoints.last_id = std::max(out.checkpoints.last_id, group.boundary.checkpoint.id);
  for (const CheckpointId id : ids) {
    if (!start.checkpoint || id >= start.checkpoint->id) continue;
    Result<Checkpoint> older = checkpoints.load_manifest(group.group, id);
    // Behind a snapshot of another replica the log does not reach back to it: it is of no use.
    if (older.ok() && group.first <= older->index.next())
      out.checkpoints.older = std::move(older).value();
    break;
  }
  out.checkpoints.newest = std::move(start.checkpoint);
  out.state = std::move(start.state);
  return out;
}

GroupEnd group_end(const VerifiedGroup& group, const RecoveredDatabase& database) {
  return {group.group, group.hard_state, group.tail, database.cluster_time_ns,
          database.last_timestamp};
}

Status sweep_checkpoints(CheckpointStore& checkpoints, const VerifiedGroup& group,
                         const RecoveredDatabase& database) {
  std::vector<const Checkpoint*> kept;
  if (database.checkpoints.newest) kept.push_back(&*database.checkpoints.newest);
  if (database.checkpoints.older) kept.push_back(&*database.checkpoints.older);
  if (database.damaged) kept.push_back(&database.damaged->checkpoint);
  return checkpoints.sweep(group.group, kept);
}

}  // namespace worldline::storage
