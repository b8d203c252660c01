#include "tests/simulation/observer.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/simulation/chance.h"

namespace worldline::simulation {
namespace {

using replication::Envelope;
using replication::RaftCore;
using replication::RoleKind;

constexpr size_t kLogCheckedAlways = 48;  // Longer logs are checked in full now and then.

OnDisk on_disk(const RaftCore& core, const DurableImage& disk) {
  const LogIndex last = on_disk_up_to(
      core.log(), [&disk](LogIndex index, Chain chain) { return disk.covers(index, chain); });
  return {disk.hard.term, disk.hard.vote, last};
}

uint64_t place_key(uint64_t a, uint64_t b) {
  return mix(a, b);
}

}  // namespace

const char* fault_mark_name(FaultMark mark) {
  static constexpr const char* kNames[kFaultMarkCount] = {
      "torn-tail-cut",    "damage-at-start", "damage-while-running",
      "waited-for-bytes", "lost-tail-found", "frozen"};
  return kNames[static_cast<size_t>(mark)];
}

void Observer::mark(FaultMark what, uint64_t times) {
  fault_marks_[static_cast<size_t>(what)] += times;
}

void Observer::fail(std::string text) {
  if (failure_.empty()) failure_ = std::move(text);
}

// --- Lives ---------------------------------------------------------------------------------------

void Observer::on_disk_created(ReplicaId replica, const DurableImage& disk) {
  disks_[replica] = &disk;
  if (listener_ != nullptr) listener_->on_created(replica);
}

void Observer::on_start(const RaftCore& core) {
  const ReplicaId replica = core.config().self.replica;
  View view;
  view.disk = disks_.at(replica);
  view.term = core.term();
  view.vote = core.vote();
  view.first = core.log().first();
  views_[replica] = std::move(view);
  if (listener_ != nullptr) listener_->on_start(core, on_disk(core, *views_[replica].disk));
  after_step(core);
}

void Observer::on_stop(ReplicaId replica) {
  if (is_followed(replica)) listener_->on_stop(replica);
  views_.erase(replica);
}

void Observer::on_disk_lost(ReplicaId replica) {
  if (is_followed(replica)) listener_->on_stop(replica);
  views_.erase(replica);
  const auto disk = disks_.find(replica);
  if (disk == disks_.end()) return;
  lost_disks_[replica] = *disk->second;
  disks_.erase(disk);
}

// --- After every step ----------------------------------------------------------------------------

void Observer::after_step(const RaftCore& core) {
  const auto found = views_.find(core.config().self.replica);
  if (found == views_.end()) return;
  View& view = found->second;
  if (listener_ != nullptr) listener_->on_step(core, on_disk(core, *view.disk));
  if (failed()) return;
  check_delta(core, view);
  follow_log(core, view);
  follow_commit(core);
  if (core.role() == RoleKind::kLeader) check_leader(core, view);
  const size_t size = view.log.size();
  const bool is_due = size <= kLogCheckedAlways || ++view.steps % (size / 16) == 0;
  if (!is_due) return;
  if (const Status status = core.check_invariants(); !status.ok())
    fail(fmt::format("replica {}: {}", core.config().self.replica.value, status.message()));
}

void Observer::on_receive(const RaftCore& core, const Envelope& message) {
  const ReplicaId self = core.config().self.replica;
  if (is_followed(self)) listener_->on_message(self, message);
}

void Observer::on_job_stable(const RaftCore& core, replication::JobId job) {
  const ReplicaId self = core.config().self.replica;
  if (is_followed(self)) listener_->on_job_written(self, job);
}

void Observer::on_staged(const RaftCore& core, LogIndex index) {
  const ReplicaId self = core.config().self.replica;
  if (is_followed(self)) listener_->on_snapshot(self, index);
}

void Observer::on_job(const RaftCore& core, const replication::PersistJob& job) {
  if (is_followed(core.config().self.replica)) listener_->on_job(core, job);
}

void Observer::check_delta(const RaftCore& core, View& view) {
  const uint64_t replica = core.config().self.replica.value;
  highest_term_ = std::max(highest_term_, core.term());
  const LogIndex boundary = core.log().boundary().id.index;
  if (core.term() < view.term) fail(fmt::format("I-8: replica {}: term went back", replica));
  if (core.commit() < view.commit) fail(fmt::format("I-8: replica {}: commit went back", replica));
  if (core.applied_index() < view.applied)
    fail(fmt::format("I-8: replica {}: applied went back", replica));
  if (boundary < view.boundary) fail(fmt::format("I-8: replica {}: boundary went back", replica));
  if (core.term() == view.term && view.vote.value != 0 && core.vote() != view.vote)
    fail(fmt::format("I-9: replica {}: the vote of term {} changed", replica, core.term().value));
  if (core.role() == RoleKind::kUninit && core.log().last().value != 0)
    fail(fmt::format("I-16: replica {} has a log without state", replica));
  // The durable pair is never ahead of the core's, and what the core believes durable is.
  const storage::HardState& hard = view.disk->hard;
  const replication::HardState& believed = core.durable_hard_state();
  if (believed.term > hard.term ||
      (believed.term == hard.term && believed.vote.value != 0 && believed.vote != hard.vote))
    fail(fmt::format("I-18: replica {} believes term {} vote {} durable, on disk are {} and {}",
                     replica, believed.term.value, believed.vote.value, hard.term.value,
                     hard.vote.value));
  view.term = core.term();
  view.vote = core.vote();
  view.commit = core.commit();
  view.applied = core.applied_index();
  view.boundary = boundary;
}

// --- Logs ----------------------------------------------------------------------------------------

// Brings the view's copy of the log in step and registers what is new.
void Observer::follow_log(const RaftCore& core, View& view) {
  const replication::RaftLog& log = core.log();
  const ReplicaId replica = core.config().self.replica;
  if (log.first() > view.first) {
    const uint64_t gone = std::min<uint64_t>(log.first().value - view.first.value, view.log.size());
    view.log.erase(view.log.begin(), view.log.begin() + static_cast<std::ptrdiff_t>(gone));
    view.first = log.first();
  }
  while (!view.log.empty() && view.last() > log.last()) view.log.pop_back();
  size_t same = view.log.size();
  while (same > 0 &&
         view.log[same - 1].chain != log.chain_at(LogIndex{view.first.value + same - 1}))
    --same;
  view.log.resize(same);
  for (LogIndex i{view.first.value + same}; i <= log.last(); i = i.next()) {
    view.log.push_back({log.term_at(i), log.chain_at(i)});
    register_entry(replica, i, view.log.back());
  }
}

void Observer::register_entry(ReplicaId replica, LogIndex index, const DurableImage::Mark& mark) {
  if (entries_.size() <= index.value) entries_.resize(index.value + 1);
  for (const DurableImage::Mark& seen : entries_[index.value]) {
    if (seen.term != mark.term) continue;
    if (seen.chain != mark.chain)
      fail(fmt::format("I-2, I-4: replica {}: entry {} of term {} has another history elsewhere",
                       replica.value, index.value, mark.term.value));
    return;
  }
  entries_[index.value].push_back(mark);
}

// --- Commit --------------------------------------------------------------------------------------

void Observer::follow_commit(const RaftCore& core) {
  const replication::RaftLog& log = core.log();
  const ReplicaId replica = core.config().self.replica;
  const LogIndex known = std::min(core.commit(), committed());
  // The chain covers everything before: comparing the last common place compares all.
  if (known.value > 0 && log.has(known) && log.chain_at(known) != committed_[known.value - 1].chain)
    return fail(fmt::format("I-3, I-6: replica {}: committed entry {} (term {}) differs (term {})",
                            replica.value, known.value, committed_[known.value - 1].term.value,
                            log.term_at(known).value));
  if (core.commit() <= committed()) return;
  for (LogIndex i = committed().next(); i <= core.commit(); i = i.next()) {
    if (!log.has(i))
      return fail(fmt::format("I-6: replica {} has a snapshot of entry {}, which nobody committed",
                              replica.value, i.value));
    committed_.push_back({log.term_at(i), log.chain_at(i), core.term(), false, {}});
  }
  check_committed_durable(core, core.commit(), log.chain_at(core.commit()));
  follow_config(core);
}

// I-7, from the images of the disks; a majority of each half of the config in force.
void Observer::check_committed_durable(const RaftCore& core, LogIndex index, Chain chain) {
  const replication::Membership& config = core.log().config();
  const bool is_durable = replication::joint_majority(
      config, [&](ReplicaId replica) { return is_durable_at(replica, index, chain); });
  if (is_durable) return;
  // An entry can commit under the config before one that was appended in the same step.
  const replication::ConfigAt& at = core.log().config_at(index);
  if (replication::joint_majority(
          at.config, [&](ReplicaId replica) { return is_durable_at(replica, index, chain); }))
    return;
  fail(fmt::format("I-7: replica {}: entry {} is committed without a durable majority",
                   core.config().self.replica.value, index.value));
}

bool Observer::is_durable_at(ReplicaId replica, LogIndex index, Chain chain) const {
  if (const auto disk = disks_.find(replica); disk != disks_.end())
    return disk->second->covers(index, chain);
  const auto lost = lost_disks_.find(replica);
  return lost != lost_disks_.end() && lost->second.covers(index, chain);
}

void Observer::follow_config(const RaftCore& core) {
  const replication::ConfigAt& at = core.log().config_at(core.commit());
  if (at.index <= config_index_) return;
  config_ = at.config;
  config_index_ = at.index;
  for (const replication::MemberInfo& member : config_.members) ever_member_[member.replica] = true;
}

bool Observer::is_removed(ReplicaId replica) const {
  return ever_member_.contains(replica) && !config_.contains(replica);
}

// --- Leaders -------------------------------------------------------------------------------------

void Observer::check_leader(const RaftCore& core, const View& view) {
  const replication::Address& self = core.config().self;
  const auto [place, is_new] =
      leaders_.try_emplace(core.term().value, Leader{self.replica, self.incarnation});
  if (is_new) {
    ++leader_count_;
    check_new_leader(core);
  }
  if (place->second.replica != self.replica || place->second.incarnation != self.incarnation)
    fail(fmt::format("I-1: term {} is led by replica {} and replica {}", core.term().value,
                     place->second.replica.value, self.replica.value));
  const storage::HardState& hard = view.disk->hard;
  if (hard.term != core.term() || hard.vote != self.replica)
    fail(fmt::format("I-13: replica {} leads term {} with vote {} in term {} on disk",
                     self.replica.value, core.term().value, hard.vote.value, hard.term.value));
  // A new leader may not know yet that the first of the two is committed; the observer does.
  const replication::ConfigAt* before = core.log().config_before_last();
  if (before != nullptr && before->index > committed())
    fail(fmt::format("I-15: replica {} leads with the configs of entries {} and {} uncommitted",
                     self.replica.value, before->index.value, core.log().config_index().value));
  check_commit_keeps_up(core);
}

void Observer::check_new_leader(const RaftCore& core) {
  size_t count = committed_.size();
  while (count > 0 && committed_[count - 1].in_term >= core.term()) --count;
  if (count == 0) return;
  const LogIndex index{count};
  const replication::RaftLog& log = core.log();
  const bool is_there = index <= log.last() &&
                        (!log.has(index) || log.chain_at(index) == committed_[count - 1].chain);
  if (!is_there)
    fail(fmt::format("I-5: replica {} leads term {} without entry {}, committed in term {}",
                     core.config().self.replica.value, core.term().value, count,
                     committed_[count - 1].in_term.value));
}

// I-14, counted anew: sorts instead of the core's selection.
void Observer::check_commit_keeps_up(const RaftCore& core) {
  const auto reached = [&core](const replication::ReplicaSet& half) {
    if (half.empty()) return LogIndex{UINT64_MAX};
    std::vector<LogIndex> matches;
    for (const ReplicaId voter : half) {
      const replication::Progress* progress = core.progress(voter);
      const bool is_self = voter == core.config().self.replica;
      matches.push_back(is_self               ? core.stable()
                        : progress == nullptr ? LogIndex{}
                                              : progress->match);
    }
    std::sort(matches.rbegin(), matches.rend());
    return matches[half.size() / 2];
  };
  const replication::Membership& config = core.log().config();
  const LogIndex q =
      std::min({reached(config.voters), reached(config.voters_outgoing), core.log().last()});
  const bool counts = q > core.commit() && q >= core.barrier() && core.log().has(q) &&
                      core.log().term_at(q) == core.term();
  if (counts)
    fail(fmt::format("I-14: replica {}: commit {} is behind {}, which a quorum has",
                     core.config().self.replica.value, core.commit().value, q.value));
}

// --- Messages ------------------------------------------------------------------------------------

// Promises must be on disk when they leave [S 08/1.17 S1].
void Observer::on_send(const RaftCore& core, const Envelope& message) {
  const ReplicaId self = core.config().self.replica;
  const auto found = views_.find(self);
  if (found == views_.end()) return;
  if (listener_ != nullptr) listener_->on_sent(self, message);
  const DurableImage& disk = *found->second.disk;
  const auto* vote = std::get_if<replication::VoteResp>(&message.body);
  const auto* append = std::get_if<replication::AppendResp>(&message.body);
  const auto* pre_vote = std::get_if<replication::PreVoteResp>(&message.body);
  const bool is_response = vote != nullptr || append != nullptr ||
                           (pre_vote != nullptr && !pre_vote->granted()) ||
                           std::holds_alternative<replication::HeartbeatResp>(message.body);
  if (is_response && message.term > disk.hard.term)
    fail(fmt::format("S1: replica {} answers with term {} and has term {} on disk", self.value,
                     message.term.value, disk.hard.term.value));
  if (vote != nullptr && vote->granted()) {
    if (disk.hard.term == message.term && disk.hard.vote != message.to.replica)
      fail(fmt::format("S1: replica {} votes for {} in term {}, on disk is a vote for {}",
                       self.value, message.to.replica.value, message.term.value,
                       disk.hard.vote.value));
    const auto [place, is_new] =
        votes_.try_emplace(place_key(self.value, message.term.value), message.to.replica);
    if (place->second != message.to.replica)
      fail(fmt::format("I-9: replica {} votes twice in term {}", self.value, message.term.value));
  }
  if (append == nullptr || !append->ok || !core.log().has(append->match)) return;
  if (!disk.covers(append->match, core.log().chain_at(append->match)))
    fail(fmt::format("S1: replica {} acknowledges entry {}, its disk ends at {}", self.value,
                     append->match.value, disk.last().value));
}

void Observer::on_notes(const replication::Ready& ready) {
  for (const replication::Note& note : ready.notes) ++marks_[static_cast<size_t>(note.kind)];
  for (const replication::Fatal& fatal : ready.fatal) {
    if (fatal.invariant == 12 && expects_loss(fatal.replica)) {
      mark(FaultMark::kLostTailFound);
      continue;
    }
    fail(fmt::format("the core reports I-{} of replica {}: {}", fatal.invariant,
                     fatal.replica.value, fatal.text));
  }
}

// --- States --------------------------------------------------------------------------------------

void Observer::on_apply(ReplicaId replica, const replication::Entry& entry,
                        const MachineState& state) {
  if (entry.index > committed())
    return fail(fmt::format("I-6: replica {} applies entry {}, which nobody committed",
                            replica.value, entry.index.value));
  if (!committed_[entry.index.value - 1].is_applied) count_op(entry, state);
  check_state("applies", replica, entry.index, entry.chain, state.digest());
  if (state.total() != kAccountTotal)
    fail(fmt::format("bank: replica {} has {} in all accounts at entry {}", replica.value,
                     state.total(), entry.index.value));
}

void Observer::on_install(ReplicaId replica, const replication::LogBoundary& at,
                          const MachineState& state) {
  if (at.id.index > committed())
    return fail(fmt::format("I-6: replica {} installs entry {}, which nobody committed",
                            replica.value, at.id.index.value));
  check_state("installs", replica, at.id.index, at.chain, state.digest());
}

void Observer::check_state(const char* what, ReplicaId replica, LogIndex index, Chain chain,
                           const storage::Digest128& digest) {
  Committed& known = committed_[index.value - 1];
  if (known.chain != chain)
    return fail(
        fmt::format("I-6: replica {} {} another entry {}", replica.value, what, index.value));
  if (!known.is_applied) {
    known.is_applied = true;
    known.digest = digest;
  } else if (!(known.digest == digest)) {
    fail(fmt::format("I-19: replica {} {} entry {} and has another state than others",
                     replica.value, what, index.value));
  }
}

void Observer::count_op(const replication::Entry& entry, const MachineState& state) {
  if (entry.kind != EntryKind::kBundle) return;
  const std::optional<Command> command = decode_command(*entry.payload);
  if (!command) return fail(fmt::format("entry {} is no command", entry.index.value));
  if (command->op != 0) ++ops_[command->op];
  if (command->kind != OpKind::kAppend) return;
  if (state.list_length != list_hashes_.size())
    return fail(
        fmt::format("list: length {} after {} values", state.list_length, list_hashes_.size()));
  list_hashes_.push_back(state.list_hash);
}

uint32_t Observer::times_applied(uint64_t op) const {
  const auto found = ops_.find(op);
  return found != ops_.end() ? found->second : 0;
}

uint64_t Observer::list_hash(uint64_t length) const {
  return length < list_hashes_.size() ? list_hashes_[length] : 1;
}

}  // namespace worldline::simulation
