#include "storage/log/group_appender.h"

#include <utility>

#include "storage/log/entry_codec.h"
#include "storage/log/part_codec.h"

namespace worldline::storage {

GroupAppender::GroupAppender(const GroupEnd& end, SteadyTime now)
    : group_(end.group),
      hard_state_(end.hard_state),
      tail_(end.tail),
      cluster_time_ns_(end.cluster_time_ns),
      steady_(now) {}

void GroupAppender::advance_cluster_time(SteadyTime now) {
  if (now <= steady_) return;
  cluster_time_ns_ += static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now - steady_).count());
  steady_ = now;
}

LogEntry GroupAppender::next_entry(EntryKind kind, SharedBytes payload) {
  LogEntry entry =
      seal_entry({kind, hard_state_.term, tail_.last.next(), tail_.chain}, std::move(payload));
  tail_ = {entry.index(), entry.term(), entry.chain()};
  return entry;
}

LogJob GroupAppender::begin_term(const TermStart& start) {
  WL_CHECK(encoder_.empty());
  advance_cluster_time(start.now);
  hard_state_.term = hard_state_.term.next();
  hard_state_.vote = hard_state_.replica;
  ++hard_state_.generation;

  Barrier barrier;
  barrier.leader = start.leader.node;
  barrier.incarnation = start.leader.incarnation;
  barrier.wall = start.wall;
  barrier.cluster_time_ns = cluster_time_ns_;
  barrier.next_offset = start.next_offset;
  barrier.digest = start.digest;
  LogJob job;
  job.group = group_;
  job.hard_state = hard_state_;
  job.entries.push_back(next_entry(EntryKind::kNoop, encode_barrier(barrier)));
  return job;
}

bool GroupAppender::full() const {
  return encoder_.bytes() >= limits::kBundleBytesTarget ||
         encoder_.transactions() >= limits::kBundleCallsMax;
}

bool GroupAppender::fits(const TxData& tx) {
  // The bundle so far is below its target when a transaction is added, and a trailer follows.
  return BundleEncoder::encoded_bytes(tx) + limits::kBundleBytesTarget + limits::KiB <=
         kSplitBundleBytesMax;
}

LogJob GroupAppender::seal(const Digest128& digest_after, SteadyTime now) {
  advance_cluster_time(now);
  SharedBytes payload = encoder_.finish({digest_after, cluster_time_ns_});
  LogJob job;
  job.group = group_;
  if (payload->size() <= kUnsplitBytesMax) {
    job.entries.push_back(next_entry(EntryKind::kBundle, std::move(payload)));
    return job;
  }
  for (SharedBytes& part : split_bundle(tail_.last.next(), *payload))
    job.entries.push_back(next_entry(EntryKind::kPart, std::move(part)));
  return job;
}

}  // namespace worldline::storage
