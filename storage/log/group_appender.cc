#include "storage/log/group_appender.h"

#include <utility>

#include "storage/log/entry_codec.h"

namespace worldline::storage {

GroupAppender::GroupAppender(const GroupEnd& end, SteadyTime now)
    : group_(end.group),
      hard_state_(end.hard_state),
      tail_(end.tail),
      builder_(end.cluster_time_ns, now, end.last_timestamp) {}

LogEntry GroupAppender::next_entry(EntryKind kind, SharedBytes payload) {
  LogEntry entry =
      seal_entry({kind, hard_state_.term, tail_.last.next(), tail_.chain}, std::move(payload));
  tail_ = {entry.index(), entry.term(), entry.chain()};
  return entry;
}

LogJob GroupAppender::begin_term(const TermStart& start) {
  WL_CHECK(builder_.empty());
  builder_.advance_cluster_time(start.now);
  hard_state_.term = hard_state_.term.next();
  hard_state_.vote = hard_state_.replica;
  ++hard_state_.generation;

  Barrier barrier;
  barrier.leader = start.leader.node;
  barrier.incarnation = start.leader.incarnation;
  barrier.wall = start.wall;
  barrier.cluster_time_ns = builder_.cluster_time_ns();
  barrier.next_offset = start.next_offset;
  barrier.digest = start.digest;
  LogJob job;
  job.group = group_;
  job.hard_state = hard_state_;
  job.entries.push_back(next_entry(EntryKind::kNoop, encode_barrier(barrier)));
  return job;
}

LogJob GroupAppender::seal(const Digest128& digest_after, SteadyTime now) {
  LogJob job;
  job.group = group_;
  for (EntryDraft& draft : builder_.seal(digest_after, tail_.last.next().value, now))
    job.entries.push_back(next_entry(draft.kind, std::move(draft.payload)));
  return job;
}

}  // namespace worldline::storage
