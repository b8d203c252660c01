#include "tests/replication/raft_cluster.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "tests/replication/raft_fixture.h"
#include "tests/replication/raft_trace.h"

namespace worldline::replication::testing {
namespace {

constexpr size_t kDrainsMax = 1000;
constexpr size_t kLogCheckedAlways = 48;  // Longer ones are checked in full now and then.

std::string head(const TestReplica& replica) {
  return fmt::format("{}: ", replica.id().value);
}

// What messages of these kinds say must not be undone by a crash [S 08/1.3].
bool is_response(const MessageBody& body) {
  return std::holds_alternative<VoteResp>(body) || std::holds_alternative<AppendResp>(body) ||
         std::holds_alternative<HeartbeatResp>(body);
}

}  // namespace

LogIndex DiskImage::last() const {
  return entries.empty() ? boundary.id.index : entries.back().index;
}

bool DiskImage::has(EntryId id) const {
  if (id.index <= boundary.id.index) return true;  // Compacted, so it was committed.
  const uint64_t place = id.index.value - boundary.id.index.value - 1;
  return place < entries.size() && entries[place].id() == id;
}

bool MessageFilter::matches(const Envelope& message) const {
  if (!from.empty() && from.count(message.from.replica) == 0) return false;
  if (!to.empty() && to.count(message.to.replica) == 0) return false;
  if (term && *term != message.term) return false;
  return types.empty() || types.count(message_name(message.body)) != 0;
}

// What a job brings beside its hard state.
void DiskImage::write(const PersistJob& job) {
  if (job.new_boundary) {
    boundary = *job.new_boundary;
    entries.clear();
    kept.clear();
    kept_from.reset();
    checkpoints.clear();
  }
  if (job.truncate_from)
    std::erase_if(entries, [&job](const Entry& e) { return e.index >= *job.truncate_from; });
  entries.insert(entries.end(), job.entries.begin(), job.entries.end());
}

bool DiskImage::begin_at(LogIndex place) {
  LogBoundary begin = kept_from.value_or(boundary);
  if (place < begin.id.index || place > last()) return false;
  std::vector<Entry> all = std::exchange(kept, {});
  all.insert(all.end(), entries.begin(), entries.end());
  kept_from = begin;
  entries.clear();
  for (Entry& entry : all) {
    if (entry.index > place) {
      entries.push_back(std::move(entry));
      continue;
    }
    begin.id = entry.id();
    begin.chain = entry.chain;
    if (entry.kind == EntryKind::kConfig) {
      begin.config = decode_membership(Bytes(*entry.payload)).value();
      begin.config_index = entry.index;
    }
    kept.push_back(std::move(entry));
  }
  boundary = begin;
  return true;
}

namespace {

simulation::OnDisk on_disk(const TestReplica& replica) {
  const DiskImage& disk = replica.disk;
  const LogIndex last =
      simulation::on_disk_up_to(replica.core->log(), [&disk](LogIndex index, Chain chain) {
        if (index <= disk.boundary.id.index) return true;
        const uint64_t place = index.value - disk.boundary.id.index.value - 1;
        return place < disk.entries.size() && disk.entries[place].chain == chain;
      });
  return {disk.hard.term, disk.hard.vote, last};
}

}  // namespace

// --- Replicas
// --------------------------------------------------------------------------------------

void RaftCluster::add(ReplicaSpec spec) {
  const ReplicaId id = spec.config.self.replica;
  TestReplica& replica = replicas_[id];
  replica = TestReplica{};
  if (listener_ != nullptr) listener_->on_created(id);
  replica.spec = std::move(spec);
  const RestoredState& state = replica.spec.state;
  replica.disk.hard = state.hard;
  replica.disk.boundary = state.boundary;
  replica.disk.entries = state.entries;
  const StateImage image{state.boundary, {}};
  replica.disk.checkpoints[state.boundary.id.index] = image;
  if (state.boundary.id.index.value != 0) images_[state.boundary.id] = image;
  replica.state = image;
  start(replica, state);
}

bool RaftCluster::restart(ReplicaId id, const Restart& how) {
  TestReplica* replica = find(id);
  if (replica == nullptr || !crash(*replica, how)) return false;
  DiskImage disk = std::move(replica->disk);
  ReplicaSpec spec = std::move(replica->spec);
  *replica = TestReplica{};
  replica->disk = std::move(disk);
  replica->spec = std::move(spec);
  RaftConfig& config = replica->spec.config;
  config.self.incarnation = how.incarnation.value_or(config.self.incarnation + 1);
  config.seed = how.seed.value_or(config.seed + 1);
  RestoredState state;
  state.hard = replica->disk.hard;
  state.boundary = replica->disk.boundary;
  state.entries = replica->disk.entries;
  auto& checkpoints = replica->disk.checkpoints;
  if (checkpoints.empty() || checkpoints.rbegin()->first < state.boundary.id.index)
    problem(head(*replica) + "has no checkpoint for its boundary (S14)");
  replica->state =
      checkpoints.empty() ? StateImage{state.boundary, {}} : checkpoints.rbegin()->second;
  state.applied = replica->state.at.id.index;
  if (replica->spec.fetch == Pace::kManual)
    for (Entry& entry : state.entries)
      if (entry.index <= state.applied && entry.kind != EntryKind::kConfig) entry.payload.reset();
  start(*replica, std::move(state));
  return true;
}

// What is on the disk when the process is gone.
bool RaftCluster::crash(TestReplica& replica, const Restart& how) {
  if (how.written > replica.jobs.size()) return false;
  for (size_t i = 0; i < how.written; ++i) store(replica, replica.jobs[i]);
  DiskImage& disk = replica.disk;
  if (how.checkpoint) {
    std::optional<StateImage> image = image_at(replica, *how.checkpoint);
    if (!image) return false;
    images_[image->at.id] = *image;
    disk.checkpoints[*how.checkpoint] = std::move(*image);
  }
  if (how.last) std::erase_if(disk.entries, [&how](const Entry& e) { return e.index > *how.last; });
  if (!how.boundary || *how.boundary == disk.boundary.id.index) return true;
  return disk.begin_at(*how.boundary);
}

void RaftCluster::lose(ReplicaId id, const Restart& how) {
  TestReplica* replica = find(id);
  if (replica == nullptr) return;
  lost_disks_.emplace_back(id, std::move(replica->disk));
  ReplicaSpec spec = std::move(replica->spec);
  spec.config.self.incarnation = how.incarnation.value_or(spec.config.self.incarnation + 1);
  spec.config.seed = how.seed.value_or(spec.config.seed + 1);
  spec.state = RestoredState{};
  add(std::move(spec));
}

bool RaftCluster::is_durable(ReplicaId id, EntryId entry) const {
  const auto found = replicas_.find(id);
  if (found != replicas_.end() && found->second.disk.has(entry)) return true;
  return std::any_of(lost_disks_.begin(), lost_disks_.end(),
                     [&](const auto& lost) { return lost.first == id && lost.second.has(entry); });
}

void RaftCluster::start(TestReplica& replica, RestoredState state) {
  replica.texts_at[replica.state.at.id.index] = replica.state.texts.size();
  replica.core = std::make_unique<RaftCore>(replica.spec.config, std::move(state));
  if (listener_ != nullptr) listener_->on_start(*replica.core, on_disk(replica));
  check(replica, [](RaftCore&) {});
  drain(replica);
}

TestReplica* RaftCluster::find(ReplicaId id) {
  const auto found = replicas_.find(id);
  if (found != replicas_.end()) return &found->second;
  problem(fmt::format("there is no replica {}", id.value));
  return nullptr;
}

std::vector<ReplicaId> RaftCluster::ids() const {
  std::vector<ReplicaId> all;
  for (const auto& [id, replica] : replicas_) all.push_back(id);
  return all;
}

void RaftCluster::feed(ReplicaId id, const std::function<void(RaftCore&)>& input) {
  TestReplica* replica = find(id);
  if (replica == nullptr) return;
  check(*replica, input);
  drain(*replica);
}

// U-59: the invariants hold after every input.
void RaftCluster::check(TestReplica& replica, const std::function<void(RaftCore&)>& input) {
  input(*replica.core);
  if (replica.core->is_stopped()) return;
  // One in quarantine without a log has no config either; it takes part in nothing.
  if (replica.core->role() == RoleKind::kQuarantined && replica.core->log().last().value == 0)
    return;
  const RaftLog& log = replica.core->log();
  const uint64_t length = log.last().value - log.boundary().id.index.value;
  if (length <= kLogCheckedAlways || ++replica.checks % (length / 16) == 0) {
    const Status status = replica.core->check_invariants();
    if (!status.ok()) problem(head(replica) + status.message());
  }
  if (!is_observing_) return;
  observer_.look(*replica.core,
                 [this](ReplicaId id, EntryId entry) { return is_durable(id, entry); });
  for (const std::string& finding : observer_.take_findings()) problem(finding);
}

void RaftCluster::drain(TestReplica& replica) {
  for (size_t i = 0; i < kDrainsMax; ++i) {
    Ready ready = replica.core->take_ready();
    const bool is_quiet = ready.empty();
    if (!is_quiet) {
      take_notices(replica, ready);
      take_work(replica, ready);
    }
    if (listener_ != nullptr) listener_->on_step(*replica.core, on_disk(replica));
    if (is_quiet && !advance(replica)) return;
  }
  problem(head(replica) + "never comes to rest");
}

// The automatic part of disk and state machine. False: nothing to do.
bool RaftCluster::advance(TestReplica& replica) {
  if (replica.core->is_stopped()) return false;
  if (replica.spec.disk == Pace::kAutomatic && !replica.jobs.empty()) {
    write_front(replica);
    return true;
  }
  if (replica.spec.apply == Pace::kAutomatic && !replica.apply_steps.empty()) {
    apply_front(replica);
    return true;
  }
  return false;
}

// --- Output of a core
// -------------------------------------------------------------------------------

void RaftCluster::take_notices(TestReplica& replica, const Ready& ready) {
  const std::string who = "  " + head(replica);
  for (const Note& note : ready.notes) {
    replica.notes.push_back(lower_name(note_name(note.kind)));
    line(who + "(" + replica.notes.back() + ")");
  }
  for (const RoleChange& change : ready.role_changes) {
    replica.role_changes.push_back(print(change));
    line(who + print(change));
  }
  for (const ConfigChange& change : ready.config_changes)
    line(who + fmt::format("config {} {}", change.index.value, print(change.config)));
  for (const Fatal& fatal : ready.fatal) {
    replica.fatals.push_back(print(fatal));
    line(who + fmt::format("FATAL {}: {}", replica.fatals.back(), fatal.text));
  }
  for (const ReadReady& read : ready.read_ready) {
    replica.reads[read.token.value] = std::to_string(read.index.value);
    line(who + fmt::format("read {} at {}", read.token.value, read.index.value));
  }
  for (const ReadToken token : ready.read_failed) {
    replica.reads[token.value] = "failed";
    line(who + fmt::format("read {} failed", token.value));
  }
}

void RaftCluster::take_work(TestReplica& replica, Ready& ready) {
  const std::string who = "  " + head(replica);
  if (ready.persist) {
    line(who + "write " + print(*ready.persist));
    if (listener_ != nullptr) listener_->on_job(*replica.core, *ready.persist);
    replica.jobs.push_back(std::move(*ready.persist));
  }
  for (const Envelope& message : ready.send_now) send(replica, message);
  if (ready.install) {
    line(who + "install " + print(ready.install->boundary.id));
    replica.apply_steps.push_back({*ready.install, {}});
  }
  std::string applied;
  for (const ApplyEntry& entry : ready.apply) {
    applied += (applied.empty() ? "" : " ") + print(entry.entry) + (entry.local_stable ? "" : "~");
    if (entry.local_stable && !replica.disk.has(entry.entry.id()))
      problem(who + "calls stable what is not on its disk: " + print(entry.entry));
    replica.apply_steps.push_back({std::nullopt, entry});
  }
  if (!applied.empty()) line(who + "apply [" + applied + "]");
  for (const SnapshotMeta& meta : ready.offers) {
    line(who + "is offered " + print(meta.boundary.id));
    replica.offers.push_back(meta);
  }
  for (const ReplicaId peer : ready.send_snapshot) {
    line(who + fmt::format("wants a snapshot for {}", peer.value));
    replica.wants_snapshot.insert(peer);
  }
  for (const ReplicaId peer : ready.cancel_snapshot) {
    line(who + fmt::format("cancels the snapshot for {}", peer.value));
    replica.wants_snapshot.erase(peer);
  }
  if (ready.compact) {
    line(who + fmt::format("compact {}", ready.compact->value));
    compact(replica);
  }
  for (const FetchRequest& request : ready.fetch) {
    line(who + fmt::format("fetch {}..{} for {}", request.first.value, request.last.value,
                           request.peer.value));
    if (replica.spec.fetch == Pace::kManual) {
      replica.fetches.push_back(request);
    } else {
      fetch(replica, request, replica.disk);
    }
  }
}

void RaftCluster::compact(TestReplica& replica) {
  DiskImage& disk = replica.disk;
  const LogBoundary before = std::exchange(disk.boundary, replica.core->log().boundary());
  const auto is_behind = [&disk](const Entry& e) { return e.index <= disk.boundary.id.index; };
  if (replica.spec.fetch == Pace::kManual) {
    if (!disk.kept_from) disk.kept_from = before;
    std::copy_if(disk.entries.begin(), disk.entries.end(), std::back_inserter(disk.kept),
                 is_behind);
  }
  std::erase_if(disk.entries, is_behind);
  if (disk.checkpoints.lower_bound(disk.boundary.id.index) == disk.checkpoints.end())
    problem("  " + head(replica) + "compacts past its newest checkpoint (S14)");
}

bool RaftCluster::fetch_one(ReplicaId id, Found found, LogIndex last) {
  TestReplica* replica = find(id);
  if (replica == nullptr || replica->fetches.empty()) return false;
  const FetchRequest request = replica->fetches.front();
  replica->fetches.pop_front();
  DiskImage disk = found == Found::kYes ? replica->disk : DiskImage{};
  for (size_t i = 0; i < replica->jobs.size() && disk.last() < last; ++i)
    disk.write(replica->jobs[i]);
  fetch(*replica, request, disk);
  drain(*replica);
  return true;
}

void RaftCluster::fetch(TestReplica& replica, const FetchRequest& request, const DiskImage& disk) {
  std::vector<Entry> entries;
  size_t bytes = 0;
  std::vector<Entry> all = disk.kept;
  all.insert(all.end(), disk.entries.begin(), disk.entries.end());
  for (const Entry& entry : all) {
    if (entry.index < request.first || entry.index > request.last) continue;
    if (!entries.empty() && bytes + entry.payload_bytes > request.bytes_max) break;
    bytes += entry.payload_bytes;
    entries.push_back(entry);
  }
  if (!entries.empty() && entries.front().index != request.first) entries.clear();
  check(replica, [&](RaftCore& core) { core.fetched(request.peer, entries); });
}

// --- Network
// ----------------------------------------------------------------------------------------

void RaftCluster::send(TestReplica& replica, const Envelope& message) {
  line(fmt::format("  {}>{} {} t{}", message.from.replica.value, message.to.replica.value,
                   print(message.body), message.term.value));
  check_promise(replica, message);
  if (listener_ != nullptr) listener_->on_sent(replica.id(), message);
  for (const MessageFilter& filter : blocks_)
    if (filter.matches(message)) return;
  post(message);
}

void RaftCluster::post(const Envelope& message) {
  if (network_.size() < kUnderWayMax) return network_.push_back(message);
  if (!std::exchange(was_full_, true)) problem("too many messages are under way");
}

// I-18, S1: what an answer promises is on the disk of the one who answers.
void RaftCluster::check_promise(const TestReplica& replica, const Envelope& message) {
  const HardState& hard = replica.disk.hard;
  if (is_response(message.body) && message.term > hard.term &&
      replica.core->role() != RoleKind::kUninit)
    problem(head(replica) + "answers in a term that is not durable (S1)");
  const auto* vote = std::get_if<VoteResp>(&message.body);
  if (vote != nullptr && vote->granted() &&
      (hard.term != message.term || hard.vote != message.to.replica))
    problem(head(replica) + "grants a vote that is not durable (S1)");
  const auto* append = std::get_if<AppendResp>(&message.body);
  if (append != nullptr && append->ok && append->match > replica.disk.last())
    problem(head(replica) + "acknowledges what is not durable (S1)");
  if (append != nullptr && append->ok && append->match >= replica.core->log().first() &&
      !replica.disk.has({replica.core->log().term_at(append->match), append->match}))
    problem(head(replica) + "acknowledges what another write replaced (S1)");
}

void RaftCluster::receive(const Envelope& message) {
  line(fmt::format("{}<{} {} t{}", message.to.replica.value, message.from.replica.value,
                   print(message.body), message.term.value));
  if (replicas_.count(message.to.replica) == 0) return line("  nobody there");
  if (listener_ != nullptr) listener_->on_message(message.to.replica, message);
  feed(message.to.replica, [&message](RaftCore& core) { core.recv(message); });
}

void RaftCluster::inject(const Envelope& message) {
  receive(message);
}

std::vector<Envelope> RaftCluster::take(const MessageFilter& filter) {
  std::vector<Envelope> taken;
  size_t skipped = 0;
  for (auto at = network_.begin(); at != network_.end() && taken.size() < filter.count;) {
    if (!filter.matches(*at) || skipped++ < filter.skip) {
      ++at;
      continue;
    }
    taken.push_back(std::move(*at));
    at = network_.erase(at);
  }
  return taken;
}

size_t RaftCluster::deliver(const MessageFilter& filter) {
  const std::vector<Envelope> messages = take(filter);
  for (const Envelope& message : messages) receive(message);
  return messages.size();
}

size_t RaftCluster::drop(const MessageFilter& filter) {
  return take(filter).size();
}

size_t RaftCluster::duplicate(const MessageFilter& filter) {
  const std::vector<Envelope> messages = take(filter);
  for (int copy = 0; copy < 2; ++copy)
    for (const Envelope& message : messages) post(message);
  return messages.size();
}

size_t RaftCluster::reverse(const MessageFilter& filter) {
  std::vector<Envelope> messages = take(filter);
  network_.insert(network_.end(), messages.rbegin(), messages.rend());
  return messages.size();
}

size_t RaftCluster::count(const MessageFilter& filter) const {
  return static_cast<size_t>(std::count_if(network_.begin(), network_.end(),
                                           [&](const Envelope& m) { return filter.matches(m); }));
}

// --- Disk and state machine
// ------------------------------------------------------------------------

bool RaftCluster::write_one(ReplicaId id) {
  TestReplica* replica = find(id);
  if (replica == nullptr || replica->jobs.empty()) return false;
  write_front(*replica);
  drain(*replica);
  return true;
}

void RaftCluster::write_front(TestReplica& replica) {
  const PersistJob job = std::move(replica.jobs.front());
  replica.jobs.pop_front();
  store(replica, job);
  if (replica.spec.disk == Pace::kManual)
    line("  " + head(replica) + fmt::format("stable #{}", job.job.value));
  if (listener_ != nullptr) listener_->on_job_written(replica.id(), job.job);
  check(replica, [&job](RaftCore& core) { core.persisted(job.job); });
}

void RaftCluster::store(TestReplica& replica, const PersistJob& job) {
  DiskImage& disk = replica.disk;
  if (job.hard_state) {
    const HardState& hard = *job.hard_state;
    const bool is_next =
        hard.term > disk.hard.term ||
        (hard.term == disk.hard.term && (disk.hard.vote.value == 0 || disk.hard.vote == hard.vote));
    if (!is_next) problem(head(replica) + "writes another vote or an older term (I-9)");
    disk.hard = hard;
  }
  LogIndex last = job.new_boundary ? job.new_boundary->id.index : disk.last();
  if (job.truncate_from) last = std::min(last, LogIndex{job.truncate_from->value - 1});
  for (const Entry& entry : job.entries) {
    if (entry.index != last.next())
      problem(head(replica) + "writes an entry that does not follow: " + print(entry));
    if (!entry.payload) problem(head(replica) + "writes an entry without its payload");
    last = entry.index;
  }
  disk.write(job);
  if (!job.new_boundary) return;
  const auto staged = replica.staged.find(disk.boundary.id.index);
  if (staged == replica.staged.end())
    return problem(head(replica) + "adopts a boundary whose snapshot it does not hold");
  disk.checkpoints.insert(*staged);
}

bool RaftCluster::apply_one(ReplicaId id) {
  TestReplica* replica = find(id);
  if (replica == nullptr || replica->apply_steps.empty()) return false;
  apply_front(*replica);
  drain(*replica);
  return true;
}

void RaftCluster::apply_front(TestReplica& replica) {
  const ApplyStep step = std::move(replica.apply_steps.front());
  replica.apply_steps.pop_front();
  if (step.install) {
    const LogIndex index = step.install->boundary.id.index;
    const auto staged = replica.staged.find(index);
    if (staged == replica.staged.end())
      return problem(head(replica) + "installs a snapshot it does not hold");
    replica.state = staged->second;
    replica.texts_at[index] = replica.state.texts.size();
    if (replica.spec.apply == Pace::kManual)
      line("  " + head(replica) + fmt::format("installed {}", index.value));
    return check(replica, [index](RaftCore& core) { core.installed(index); });
  }
  const Entry& entry = step.entry.entry;
  if (entry.index != replica.state.at.id.index.next())
    problem(head(replica) + "applies out of order: " + print(entry));
  replica.state.at.id = entry.id();
  if (entry.kind == EntryKind::kBundle) replica.state.texts.push_back(text_of(entry.payload));
  replica.texts_at[entry.index] = replica.state.texts.size();
  if (is_observing_) observer_.on_applied(replica.id(), entry);
  if (replica.spec.apply == Pace::kManual)
    line("  " + head(replica) + fmt::format("applied {}", entry.index.value));
  check(replica, [&entry](RaftCore& core) { core.applied(entry.index); });
}

// --- Snapshots
// --------------------------------------------------------------------------------------

void RaftCluster::checkpoint(ReplicaId id) {
  TestReplica* replica = find(id);
  if (replica == nullptr) return;
  const RaftLog& log = replica->core->log();
  const LogIndex index = std::min(replica->state.at.id.index, replica->core->stable());
  if (index < replica->state.at.id.index || !log.has(index))
    return problem(head(*replica) + "has applied more than is stable: no checkpoint now");
  checkpoint_at(id, index);
}

// A checkpoint takes a while: it may be of an earlier state. False: not of this one.
bool RaftCluster::checkpoint_at(ReplicaId id, LogIndex index) {
  TestReplica* replica = find(id);
  if (replica == nullptr) return false;
  std::optional<StateImage> image = image_at(*replica, index);
  if (!image) return false;
  images_[image->at.id] = *image;
  const EntryId at = image->at.id;
  const Chain chain = image->at.chain;
  replica->disk.checkpoints[index] = std::move(*image);
  feed(id, [at, chain](RaftCore& core) { core.checkpointed(at, chain); });
  return true;
}

std::optional<StateImage> RaftCluster::image_at(const TestReplica& replica, LogIndex index) const {
  const RaftLog& log = replica.core->log();
  const auto texts = replica.texts_at.find(index);
  const bool is_there =
      texts != replica.texts_at.end() && index <= replica.core->stable() && log.has(index);
  if (!is_there) return std::nullopt;
  StateImage image;
  const ConfigAt& config = log.config_at(index);
  image.at = {{log.term_at(index), index}, log.chain_at(index), config.config, config.index};
  image.texts = replica.state.texts;
  image.texts.resize(texts->second);
  return image;
}

// The newest checkpoint whose config knows the peer, or a fresh one: a replica installs only what
// names it a member [S 08/1.11].
const StateImage* RaftCluster::image_for(TestReplica& sender, ReplicaId peer,
                                         std::optional<LogIndex> index) {
  auto& checkpoints = sender.disk.checkpoints;
  if (index) {
    const auto found = checkpoints.find(*index);
    if (found != checkpoints.end()) return &found->second;
    // It may be durable though the core was not told yet.
    std::optional<StateImage> image = image_at(sender, *index);
    if (!image) return nullptr;
    images_[image->at.id] = *image;
    return &(checkpoints[*index] = std::move(*image));
  }
  if (checkpoints.empty()) return nullptr;
  if (!checkpoints.rbegin()->second.at.config.contains(peer)) checkpoint(sender.id());
  return &checkpoints.rbegin()->second;
}

bool RaftCluster::offer_snapshot(ReplicaId leader, ReplicaId peer, std::optional<LogIndex> index,
                                 Pinned pinned) {
  TestReplica* sender = find(leader);
  if (sender == nullptr) return false;
  sender->wants_snapshot.erase(peer);
  const StateImage* image = image_for(*sender, peer, index);
  if (image == nullptr) return false;
  SnapshotMeta meta;
  meta.boundary = image->at;
  meta.snap_id = ++snapshots_;
  meta.total_bytes = 1;
  meta.chunk_count = 1;
  const RaftCore& core = *sender->core;
  const LogIndex place = meta.boundary.id.index;
  Address to = address_of(peer.value, 0);
  if (const MemberInfo* member = core.log().config().find(peer); member != nullptr)
    to.node = member->node;
  send(*sender, {kGroup, sender->spec.config.self, to, core.term(), core.log().config_index(),
                 SnapOffer{meta}});
  if (pinned == Pinned::kYes)
    feed(leader, [peer, place](RaftCore& c) { c.snapshot_pinned(peer, place); });
  return true;
}

bool RaftCluster::stage_one(ReplicaId id, std::optional<LogIndex> index) {
  TestReplica* replica = find(id);
  if (replica == nullptr) return false;
  const auto is_meant = [index](const SnapshotMeta& meta) {
    return !index || meta.boundary.id.index == *index;
  };
  const auto offer = std::find_if(replica->offers.begin(), replica->offers.end(), is_meant);
  if (offer == replica->offers.end()) return false;
  replica->offers.erase(replica->offers.begin(), offer);
  const SnapshotMeta meta = std::move(replica->offers.front());
  replica->offers.pop_front();
  const auto image = images_.find(meta.boundary.id);
  if (image == images_.end()) {
    problem(head(*replica) + "was offered a snapshot nobody made");
    return true;
  }
  replica->staged[meta.boundary.id.index] = image->second;
  line("  " + head(*replica) + "staged " + print(meta.boundary.id));
  if (listener_ != nullptr) listener_->on_snapshot(id, meta.boundary.id.index);
  feed(id, [&meta](RaftCore& core) { core.snapshot_staged(meta); });
  return true;
}

void RaftCluster::snapshot_result(ReplicaId leader, ReplicaId peer, SnapshotOutcome outcome) {
  feed(leader, [peer, outcome](RaftCore& core) { core.snapshot_result(peer, outcome); });
}

// --- All of it
// ---------------------------------------------------------------------------------------

void RaftCluster::stabilise(const std::set<ReplicaId>& replicas) {
  std::set<ReplicaId> all = replicas;
  if (all.empty())
    for (const auto& [id, replica] : replicas_) all.insert(id);
  for (size_t step = 0; step < kStepsMax; ++step)
    if (!move(all)) return;
  problem("does not come to rest");
}

bool RaftCluster::move(const std::set<ReplicaId>& replicas) {
  if (move_message(replicas)) return true;
  for (const ReplicaId id : replicas) {
    if (write_one(id) || apply_one(id)) return true;
    TestReplica* replica = find(id);
    if (replica == nullptr) continue;
    if (!replica->wants_snapshot.empty()) {
      const ReplicaId peer = *replica->wants_snapshot.begin();
      if (replicas.count(peer) == 0) continue;
      offer_snapshot(id, peer, std::nullopt);
      return true;
    }
    if (replica->offers.empty()) continue;
    stage_one(id);
    // The snapshot service of the sender hears of the end by a channel of its own.
    const ReplicaId leader = replica->core->leader();
    if (replicas.count(leader) != 0) snapshot_result(leader, id, SnapshotOutcome::kOk);
    return true;
  }
  return false;
}

bool RaftCluster::move_message(const std::set<ReplicaId>& replicas) {
  MessageFilter filter;
  filter.to = replicas;
  filter.count = 1;
  return deliver(filter) != 0;
}

// --- Trace
// -------------------------------------------------------------------------------------------

void RaftCluster::line(std::string text) {
  if (is_tracing_) trace_.push_back(std::move(text));
}

std::vector<std::string> RaftCluster::take_trace() {
  return std::exchange(trace_, {});
}

void RaftCluster::clear_notes() {
  for (auto& [id, replica] : replicas_) {
    replica.notes.clear();
    replica.role_changes.clear();
  }
}

void RaftCluster::problem(const std::string& text) {
  problems_.push_back(text);
  trace_.push_back("PROBLEM: " + text);
}

}  // namespace worldline::replication::testing
