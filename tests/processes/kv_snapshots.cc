#include "tests/processes/kv_snapshots.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "storage/log/checkpoint_store.h"

namespace worldline::kv {

using replication::BootTime;
using replication::GroupReplica;
using replication::SnapshotOutcome;

namespace {

constexpr uint64_t kPartBytes = 256 * limits::KiB;
constexpr uint64_t kWindowParts = 8;
constexpr uint64_t kImageBytesMax = 256 * limits::MiB;
constexpr std::chrono::seconds kAskAgainAfter{1};
constexpr std::chrono::seconds kGiveUpAfter{10};
constexpr std::chrono::milliseconds kOfferAgainAfter{250};
constexpr uint32_t kOfferTriesMax = 200;  // Of 25 ms each.

storage::Digest128 hash_of(const ByteBuffer& name) {
  storage::Digest128 hash{};
  if (name.size() == sizeof hash) hash = load_le<storage::Digest128>(name.data());
  return hash;
}
ByteBuffer name_of(const storage::Digest128& hash) {
  const auto* begin = reinterpret_cast<const Byte*>(&hash);
  return {begin, begin + sizeof hash};
}

}  // namespace

replication::CheckpointPlace KvCheckpoint::place() const {
  return {{storage::CheckpointId{boundary.id.index.value}, hash}, hash};
}

std::filesystem::path KvSnapshots::file_of(const storage::Digest128& hash) const {
  return parts_.log->directory().checkpoints() / (to_hex(name_of(hash)) + ".image");
}

Result<KvState> KvSnapshots::load(const replication::LogBoundary& boundary,
                                  const storage::CheckpointRef& ref) {
  next_cut_ = LogIndex{boundary.id.index.value + parts_.checkpoint_entries};
  if (ref.id.value == 0) return KvState{};
  WL_ASSIGN_OR_RETURN(ByteBuffer image,
                      storage::read_file(file_of(ref.manifest_hash), kImageBytesMax));
  if (storage::content_hash(image) != ref.manifest_hash)
    return Status::corruption("checkpoint {} has not the hash of its name", ref.id.value);
  counting_ = KvCheckpoint{boundary, std::make_shared<const ByteBuffer>(std::move(image)),
                           ref.manifest_hash};
  return KvState::parse(*counting_->image);
}

// --- Cutting -------------------------------------------------------------------------------------

void KvSnapshots::settle(GroupReplica& replica, const KvState& state) {
  const LogIndex applied = replica.core().applied_index();
  const bool is_due = applied >= next_cut_ || wants_cut_;
  const bool may_cut = !writing_ && !replica.core().is_installing() && applied.value > 0 &&
                       applied <= replica.core().stable();
  if (is_due && may_cut) cut(replica, state);
}

void KvSnapshots::cut(GroupReplica& replica, const KvState& state) {
  const LogIndex at = replica.core().applied_index();
  next_cut_ = LogIndex{at.value + parts_.checkpoint_entries};
  wants_cut_ = false;
  const replication::RaftLog& log = replica.core().log();
  if (!log.has(at) || (counting_ && counting_->boundary.id.index >= at)) return;
  KvCheckpoint checkpoint;
  checkpoint.boundary.id = {log.term_at(at), at};
  checkpoint.boundary.chain = log.chain_at(at);
  checkpoint.boundary.config = log.config_at(at).config;
  checkpoint.boundary.config_index = log.config_at(at).index;
  checkpoint.image = std::make_shared<const ByteBuffer>(state.image());
  checkpoint.hash = storage::content_hash(*checkpoint.image);
  writing_ = checkpoint;
  parts_.worker->post([this, checkpoint] {
    const Status status = storage::write_file_atomically(
        file_of(checkpoint.hash), parts_.log->directory().temporary(), *checkpoint.image);
    parts_.loop->post([this, checkpoint, status] { written(checkpoint, status); });
  });
}

void KvSnapshots::written(const KvCheckpoint& checkpoint, const Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "checkpoint %lu: %s\n", checkpoint.boundary.id.index.value,
                 status.message().c_str());
    writing_.reset();
    return;
  }
  const bool is_overtaken =
      counting_ && counting_->boundary.id.index >= checkpoint.boundary.id.index;
  if (is_overtaken || staged_) {  // A snapshot came in between.
    writing_.reset();
    return;
  }
  parts_.write_boundary(checkpoint);
}

void KvSnapshots::checkpoint_counts(LogIndex index, GroupReplica& replica) {
  if (!writing_ || writing_->boundary.id.index != index) return;
  const KvCheckpoint checkpoint = *std::exchange(writing_, std::nullopt);
  if (counting_ && counting_->boundary.id.index >= index) return;  // A snapshot came in between.
  counting_ = checkpoint;
  ++counters_.cut;
  delete_others();
  replica.checkpointed(index);
}

void KvSnapshots::delete_others() {
  const std::filesystem::path kept = file_of(counting_->hash);
  parts_.worker->post([kept] {
    std::error_code ignored;
    for (const auto& file : std::filesystem::directory_iterator(kept.parent_path(), ignored))
      if (file.path() != kept && file.path().extension() == ".image")
        std::filesystem::remove(file.path(), ignored);
  });
}

// --- Sending -------------------------------------------------------------------------------------

void KvSnapshots::send(GroupId, ReplicaId to) {
  outgoing_[to] = Outgoing{};
}

void KvSnapshots::cancel(GroupId, ReplicaId to) {
  outgoing_.erase(to);
}

// One whose config does not know the peer would be ignored there.
bool KvSnapshots::offer(GroupReplica& replica, ReplicaId to, Outgoing& outgoing) {
  const replication::RaftCore& core = replica.core();
  const replication::MemberInfo* member = core.log().config().find(to);
  const bool fits = counting_ && member != nullptr && counting_->boundary.config.contains(to) &&
                    counting_->boundary.id.index >= core.log().boundary().id.index;
  if (!fits) {
    wants_cut_ = true;
    return false;
  }
  outgoing.snap_id = ++last_snap_id_;
  outgoing.checkpoint = *counting_;
  outgoing.heard_at = now_;
  ++counters_.offered;
  replica.snapshot_pinned(to, outgoing.checkpoint.boundary.id.index);
  return true;
}

// Again and again until the receiver asks for parts: any message may be lost.
void KvSnapshots::say_offer(GroupReplica& replica, ReplicaId to, Outgoing& outgoing) {
  const replication::RaftCore& core = replica.core();
  const replication::MemberInfo* member = core.log().config().find(to);
  if (outgoing.is_wanted || now_ < outgoing.offer_due || member == nullptr) return;
  outgoing.offer_due = now_ + kOfferAgainAfter;
  const KvCheckpoint& checkpoint = outgoing.checkpoint;
  replication::SnapshotMeta meta;
  meta.boundary = checkpoint.boundary;
  meta.snap_id = outgoing.snap_id;
  meta.manifest_hash = name_of(checkpoint.hash);
  meta.total_bytes = checkpoint.image->size();
  meta.chunk_count = static_cast<uint32_t>(meta.total_bytes / kPartBytes + 1);
  parts_.send(member->node, replication::Envelope{replica.group(),
                                                  core.config().self,
                                                  {member->node, 0, to},
                                                  core.term(),
                                                  core.log().config_index(),
                                                  replication::SnapOffer{meta}});
}

void KvSnapshots::finish_sending(GroupReplica& replica, ReplicaId to, SnapshotOutcome outcome) {
  outgoing_.erase(to);
  ++(outcome == SnapshotOutcome::kOk ? counters_.sent : counters_.failed);
  replica.snapshot_result(to, outcome);
}

// Offers what was not offered yet. The core's calls may change the set of receivers.
bool KvSnapshots::is_given_up(GroupReplica& replica, ReplicaId to) {
  const auto found = outgoing_.find(to);
  if (found == outgoing_.end()) return false;
  Outgoing& outgoing = found->second;
  const bool is_offered =
      outgoing.snap_id != 0 || (replica.is_leader() && offer(replica, to, outgoing));
  if (!is_offered) return ++outgoing.tries > kOfferTriesMax;
  say_offer(replica, to, outgoing);
  return now_ - outgoing.heard_at > kGiveUpAfter;
}

void KvSnapshots::on_time(GroupReplica& replica, BootTime now) {
  now_ = now;
  std::vector<ReplicaId> failed;
  std::vector<ReplicaId> receivers;
  for (const auto& [to, outgoing] : outgoing_) receivers.push_back(to);
  for (const ReplicaId to : receivers)
    if (is_given_up(replica, to)) failed.push_back(to);
  for (const ReplicaId to : failed) finish_sending(replica, to, SnapshotOutcome::kFailed);
  if (offer_) begin_receiving(replica);
  if (!incoming_) return;
  if (now - incoming_->heard_at > kGiveUpAfter) return abort_receiving("no part came");
  const bool is_silent = now - incoming_->heard_at > kAskAgainAfter;
  if (is_silent && incoming_->asked_to > incoming_->image.size()) {
    incoming_->asked_to = incoming_->image.size();
    ask();
  }
}

void KvSnapshots::recv_want(NodeId from, const PullWant& want) {
  const auto found = outgoing_.find(want.id.to);
  if (found == outgoing_.end() || found->second.snap_id != want.id.snap_id)
    return parts_.send(from, encode_pull(PullDone{want.id, false}));
  found->second.heard_at = now_;
  found->second.is_wanted = true;
  const KvCheckpoint& checkpoint = found->second.checkpoint;
  if (want.hash != checkpoint.hash) return;
  for (const uint64_t offset : want.offsets) {
    if (offset > checkpoint.image->size()) continue;
    const auto begin = checkpoint.image->begin() + static_cast<ptrdiff_t>(offset);
    const size_t bytes = std::min<size_t>(kPartBytes, checkpoint.image->size() - offset);
    PullPart part{want.id, want.hash, offset, checkpoint.image->size(), {}};
    part.data.assign(begin, begin + static_cast<ptrdiff_t>(bytes));
    parts_.send(from, encode_pull(std::move(part)));
  }
}

// --- Receiving -----------------------------------------------------------------------------------

void KvSnapshots::offered(GroupId, const replication::SnapshotMeta& meta) {
  offer_ = meta;
}

void KvSnapshots::begin_receiving(GroupReplica& replica) {
  const replication::SnapshotMeta meta = *std::exchange(offer_, std::nullopt);
  const replication::RaftCore& core = replica.core();
  if (incoming_ && incoming_->meta.snap_id == meta.snap_id) return;
  if (staged_ && core.is_installing()) return;
  if (meta.total_bytes > kImageBytesMax) return;
  // A replica without state knows its leader from the offered config only.
  const replication::MemberInfo* leader = meta.boundary.config.find(core.leader());
  if (leader == nullptr) leader = core.log().config().find(core.leader());
  if (leader == nullptr) return;
  incoming_ = Incoming{};
  incoming_->meta = meta;
  incoming_->from_node = leader->node;
  incoming_->pull = {core.leader(), parts_.self, meta.snap_id};
  incoming_->heard_at = now_;
  ask();
}

void KvSnapshots::ask() {
  PullWant want{incoming_->pull, hash_of(incoming_->meta.manifest_hash), {}};
  const uint64_t window_end = incoming_->image.size() + kWindowParts * kPartBytes;
  const uint64_t total = incoming_->meta.total_bytes;
  while (incoming_->asked_to < window_end && (incoming_->asked_to < total || total == 0)) {
    want.offsets.push_back(incoming_->asked_to);
    incoming_->asked_to += kPartBytes;
    if (total == 0) break;
  }
  if (!want.offsets.empty()) parts_.send(incoming_->from_node, encode_pull(std::move(want)));
}

void KvSnapshots::recv(NodeId from, const replication::SnapBytes& bytes, GroupReplica& replica) {
  const Result<PullMessage> message = decode_pull(bytes);
  if (!message.ok()) {
    std::fprintf(stderr, "from node %lu: %s\n", from.value, message.status().message().c_str());
  } else if (const auto* want = std::get_if<PullWant>(&*message)) {
    recv_want(from, *want);
  } else if (const auto* part = std::get_if<PullPart>(&*message)) {
    recv_part(*part, replica);
  } else if (const auto* done = std::get_if<PullDone>(&*message)) {
    const auto found = outgoing_.find(done->id.to);
    if (found != outgoing_.end() && found->second.snap_id == done->id.snap_id)
      finish_sending(replica, done->id.to,
                     done->is_ok ? SnapshotOutcome::kOk : SnapshotOutcome::kFailed);
    if (!done->is_ok && incoming_ && incoming_->pull == done->id) incoming_.reset();
  }
}

// Parts come in the order they were asked for; anything else is asked for again.
void KvSnapshots::recv_part(const PullPart& part, GroupReplica& replica) {
  if (!incoming_ || incoming_->pull != part.id) return;
  incoming_->heard_at = now_;
  if (part.offset != incoming_->image.size() || part.total_bytes != incoming_->meta.total_bytes)
    return;
  append(incoming_->image, part.data);
  if (incoming_->image.size() < incoming_->meta.total_bytes) return ask();
  const storage::Digest128 hash = storage::content_hash(incoming_->image);
  if (hash_of(incoming_->meta.manifest_hash) != hash)
    return abort_receiving("the image has another hash");
  staged_ = KvCheckpoint{incoming_->meta.boundary,
                         std::make_shared<const ByteBuffer>(std::move(incoming_->image)), hash};
  incoming_->image.clear();
  parts_.worker->post(
      [this, staged = *staged_, snap_id = incoming_->meta.snap_id, core = &replica] {
        const Status status = storage::write_file_atomically(
            file_of(staged.hash), parts_.log->directory().temporary(), *staged.image);
        parts_.loop->post([this, status, snap_id, core] {
          if (!incoming_ || incoming_->meta.snap_id != snap_id) return;
          if (status.ok()) return complete(*core);
          staged_.reset();
          abort_receiving(status.message());
        });
      });
}

void KvSnapshots::complete(GroupReplica& replica) {
  const Incoming done = *std::exchange(incoming_, std::nullopt);
  ++counters_.received;
  replica.snapshot_staged(done.meta);
  parts_.send(done.from_node, encode_pull(PullDone{done.pull, true}));
  if (!replica.core().is_installing()) staged_.reset();  // It was of no use.
}

void KvSnapshots::abort_receiving(const std::string& why) {
  std::fprintf(stderr, "snapshot: %s\n", why.c_str());
  parts_.send(incoming_->from_node, encode_pull(PullDone{incoming_->pull, false}));
  incoming_.reset();
}

Result<KvState> KvSnapshots::install(const replication::SnapshotMeta& meta) {
  if (!staged_ || staged_->boundary != meta.boundary)
    return Status::internal("the snapshot at {} is not staged", meta.boundary.id.index.value);
  counting_ = std::exchange(staged_, std::nullopt);
  next_cut_ = LogIndex{meta.boundary.id.index.value + parts_.checkpoint_entries};
  return KvState::parse(*counting_->image);
}

}  // namespace worldline::kv
