#include "tests/processes/kv_snapshots.h"

#include <cstdio>
#include <utility>

namespace worldline::kv {

using replication::BootTime;
using replication::GroupReplica;
using replication::IncomingTransfers;
using replication::OutgoingTransfers;

namespace {

void say(const char* what, const Status& status) {
  std::fprintf(stderr, "%s: %s\n", what, status.message().c_str());
}

replication::SnapshotServiceLimits limits_of(const KvSnapshots::Parts& parts) {
  replication::SnapshotServiceLimits limits;
  limits.incoming.bytes_per_second = parts.bytes_per_second;
  limits.outgoing.bytes_per_second = parts.bytes_per_second;
  return limits;
}

}  // namespace

KvSnapshots::KvSnapshots(Parts parts)
    : parts_(std::move(parts)),
      service_(limits_of(parts_), static_cast<replication::SnapshotHost&>(*this),
               static_cast<replication::SnapshotStore&>(*this)) {}

Result<KvState> KvSnapshots::load(const replication::LogBoundary& boundary,
                                  const storage::CheckpointRef& ref) {
  next_cut_ = LogIndex{boundary.id.index.value + parts_.checkpoint_entries};
  if (ref.id.value == 0) return KvState{};
  WL_ASSIGN_OR_RETURN(const storage::Checkpoint found, parts_.disk->recover(ref.id));
  if (found.manifest_hash != ref.manifest_hash || found.index != boundary.id.index)
    return Status::corruption("checkpoint {} is not the one of the log", ref.id.value);
  newest_ = boundary.id.index;
  newest_bytes_ = found.page_bytes;
  service_.checkpoint_counts(kGroup, {ref, boundary, found.page_bytes});
  return parts_.disk->load_state(ref.id);
}

// --- Cutting -------------------------------------------------------------------------------------

void KvSnapshots::settle(GroupReplica& replica, const KvState& state) {
  const LogIndex applied = replica.core().applied_index();
  const bool is_due = applied >= next_cut_ || wants_cut_;
  const bool may_cut = !is_writing_ && !writing_ && !replica.core().is_installing() &&
                       applied.value > 0 && applied <= replica.core().stable();
  if (is_due && may_cut) cut(replica, state);
  service_.settle();
}

void KvSnapshots::cut(GroupReplica& replica, const KvState& state) {
  const LogIndex at = replica.core().applied_index();
  next_cut_ = LogIndex{at.value + parts_.checkpoint_entries};
  wants_cut_ = false;
  const replication::RaftLog& log = replica.core().log();
  if (!log.has(at) || newest_ >= at) return;
  replication::LogBoundary boundary;
  boundary.id = {log.term_at(at), at};
  boundary.chain = log.chain_at(at);
  boundary.config = log.config_at(at).config;
  boundary.config_index = log.config_at(at).index;
  is_writing_ = true;
  parts_.worker->post([this, boundary, pages = state.pages()] {
    Result<storage::Checkpoint> made = parts_.disk->write(boundary, pages);
    parts_.loop->post(
        [this, boundary, made = std::make_shared<Result<storage::Checkpoint>>(std::move(made))] {
          written(boundary, *made);
        });
  });
}

void KvSnapshots::written(const replication::LogBoundary& boundary,
                          const Result<storage::Checkpoint>& made) {
  is_writing_ = false;
  failures_in_row_ = made.ok() ? 0 : failures_in_row_ + 1;
  if (!made.ok()) return say("checkpoint", made.status());
  const GroupReplica* replica = parts_.replica();
  const bool is_overtaken = newest_ >= boundary.id.index || service_.staged(kGroup) != nullptr ||
                            replica == nullptr || replica->core().is_installing();
  if (is_overtaken) return;  // A snapshot came in between.
  writing_ = Written{boundary, {made->id, made->manifest_hash}, made->page_bytes};
  parts_.write_boundary(boundary, {writing_->ref, made->manifest_hash});
}

void KvSnapshots::checkpoint_counts(LogIndex index, GroupReplica& replica) {
  if (!writing_ || writing_->boundary.id.index != index) return;
  const Written made = *std::exchange(writing_, std::nullopt);
  if (newest_ >= index) return;  // A snapshot came in between.
  newest_ = index;
  newest_bytes_ = made.bytes;
  ++cut_count_;
  service_.checkpoint_counts(kGroup, {made.ref, made.boundary, made.bytes});
  parts_.worker->post([this] {
    if (const Status done = parts_.disk->activate(); !done.ok()) say("old checkpoint", done);
  });
  replica.checkpointed(made.boundary.id, made.boundary.chain);
}

// --- Snapshots -----------------------------------------------------------------------------------

void KvSnapshots::on_time(BootTime now) {
  if (now < tick_due_) return;
  tick_due_ = now + replication::kTransferTick;
  service_.tick();
  for (const IncomingTransfers::Note& note : service_.take_notes())
    std::fprintf(stderr, "snapshot %lu ended: %d %s\n", note.id.value,
                 static_cast<int>(note.outcome), note.text.c_str());
}

void KvSnapshots::recv(NodeId from, const replication::SnapBytes& bytes) {
  const Status taken = service_.recv(from, bytes);
  if (!taken.ok()) say("snapshot message", taken);
}

replication::CheckpointPlace KvSnapshots::staged_place() const {
  const storage::Boundary* staged = service_.staged(kGroup);
  WL_CHECK(staged != nullptr);
  return {staged->checkpoint, staged->checkpoint.manifest_hash};
}

Result<KvState> KvSnapshots::install(const replication::SnapshotMeta& meta) {
  const storage::Boundary* staged = service_.staged(kGroup);
  if (staged == nullptr || staged->index != meta.boundary.id.index)
    return Status::internal("the snapshot at {} is not staged", meta.boundary.id.index.value);
  newest_ = meta.boundary.id.index;
  newest_bytes_ = meta.total_bytes;
  next_cut_ = LogIndex{newest_.value + parts_.checkpoint_entries};
  writing_.reset();
  Result<KvState> state = parts_.disk->load_state(staged->checkpoint.id);
  is_swapped_ = true;
  use_installed();
  return state;
}

void KvSnapshots::log_replaced() {
  is_replaced_ = true;
  use_installed();
}

void KvSnapshots::use_installed() {
  if (!is_swapped_ || !is_replaced_) return;
  is_swapped_ = is_replaced_ = false;
  service_.installed(kGroup);
}

// --- SnapshotHost --------------------------------------------------------------------------------

std::optional<replication::SnapshotView> KvSnapshots::find(GroupId group) const {
  const GroupReplica* replica = group == kGroup ? parts_.replica() : nullptr;
  if (replica == nullptr) return std::nullopt;
  return replication::view_of(*replica);
}

void KvSnapshots::send(NodeId to, replication::WireMessage message) {
  parts_.send(to, std::move(message));
}

void KvSnapshots::snapshot_staged(GroupId, const replication::SnapshotMeta& meta) {
  if (GroupReplica* replica = parts_.replica(); replica != nullptr) replica->snapshot_staged(meta);
}

void KvSnapshots::snapshot_result(GroupId, ReplicaId peer, replication::SnapshotOutcome outcome) {
  GroupReplica* replica = parts_.replica();
  if (replica != nullptr) replica->snapshot_result(peer, outcome);
}

void KvSnapshots::snapshot_pinned(GroupId, ReplicaId peer, LogIndex index) {
  GroupReplica* replica = parts_.replica();
  if (replica != nullptr) replica->snapshot_pinned(peer, index);
}

// --- SnapshotStore -------------------------------------------------------------------------------

void KvSnapshots::load(const OutgoingTransfers::Load& load,
                       std::optional<storage::CheckpointId> manifest) {
  parts_.worker->post([this, load, manifest] {
    Result<ByteBuffer> image =
        manifest ? parts_.disk->load_manifest(*manifest) : parts_.disk->load_page(load.hash);
    SharedBytes bytes;
    if (image.ok()) bytes = std::make_shared<const ByteBuffer>(std::move(image).value());
    parts_.loop->post([this, load, bytes] { service_.loaded(load, bytes); });
  });
}

void KvSnapshots::find(IncomingTransfers::Find find) {
  parts_.worker->post([this, find = std::move(find)] {
    const Result<storage::CheckpointWriter*> writer = parts_.disk->receive();
    Result<std::vector<bool>> present = std::vector<bool>{};
    if (writer.ok()) {
      present = (*writer)->find_received(find.hashes);
    } else {
      present = writer.status();
    }
    parts_.loop->post([this, ticket = find.ticket, present = std::move(present)] {
      present.ok() ? service_.found(ticket, *present) : service_.failed(ticket, present.status());
    });
  });
}

void KvSnapshots::store(IncomingTransfers::Store store) {
  parts_.worker->post([this, store = std::move(store)] {
    const Result<storage::CheckpointWriter*> writer = parts_.disk->receive();
    const Status done =
        writer.ok() ? (*writer)->put_received(store.page.hash, *store.page.image) : writer.status();
    parts_.loop->post([this, ticket = store.ticket, hash = store.page.hash, done] {
      done.ok() ? service_.stored(ticket, hash) : service_.failed(ticket, done);
    });
  });
}

void KvSnapshots::commit(IncomingTransfers::Commit commit) {
  const auto shared = std::make_shared<IncomingTransfers::Commit>(std::move(commit));
  parts_.worker->post([this, shared] {
    const Result<storage::CheckpointWriter*> writer = parts_.disk->receive();
    auto received = std::make_shared<Result<storage::CheckpointWriter::Received>>(
        storage::CheckpointWriter::Received{});
    if (writer.ok()) {
      *received = (*writer)->store_received(std::move(shared->checkpoint));
    } else {
      *received = writer.status();
    }
    parts_.loop->post([this, ticket = shared->ticket, received] {
      if (!received->ok()) return service_.failed(ticket, received->status());
      service_.committed(ticket, kGroup, std::move(*received).value());
    });
  });
}

void KvSnapshots::activate(GroupId) {
  parts_.worker->post([this] {
    if (const Status done = parts_.disk->activate_received(); !done.ok()) say("activate", done);
  });
}

void KvSnapshots::discard(GroupId) {
  parts_.worker->post([this] {
    if (const Status done = parts_.disk->discard_received(); !done.ok()) say("discard", done);
  });
}

}  // namespace worldline::kv
