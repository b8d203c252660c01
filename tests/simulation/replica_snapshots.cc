// Checkpoints of a simulated replica, and a snapshot service that is simple but not kind: it is
// busy, fails, stalls with the network, and offers again [S 08/3.8].
#include <algorithm>

#include "tests/simulation/cluster.h"

namespace worldline::simulation {
namespace {

using replication::RoleKind;
using replication::SnapshotOutcome;

constexpr uint32_t kOfferTriesMax = 20;
constexpr Micros kOfferRetry = 20 * kMillisecond;
constexpr Micros kOfferTimeout = 1500 * kMillisecond;
constexpr uint32_t kChunkStallsMax = 40;
constexpr uint32_t kChunksMax = 6;
constexpr uint64_t kChunkBytes = 4 * 1024;
constexpr Micros kChunkDelay = 2 * kMillisecond;
constexpr double kBusyShare = 0.1;
constexpr double kFailedShare = 0.1;
constexpr double kDropOldTransferShare = 0.5;

}  // namespace

// --- Checkpoints ---------------------------------------------------------------------------------

// Config and term are those at the index, not the current ones [S 08/4.9].
void ReplicaProcess::cut_checkpoint() {
  const LogIndex index = machine_index_;
  const replication::RaftLog& log = core_.log();
  const bool may_cut = writing_checkpoint_ == nullptr && !core_.is_installing() &&
                       core_.role() != RoleKind::kUninit && index <= core_.stable() &&
                       index > node_.disk().durable().boundary && log.has(index);
  if (!may_cut) return;
  const replication::ConfigAt& config = log.config_at(index);
  auto checkpoint = std::make_shared<Checkpoint>();
  checkpoint->id = cluster_.new_checkpoint_id();
  checkpoint->boundary = {
      {log.term_at(index), index}, log.chain_at(index), config.config, config.index};
  checkpoint->state = machine_;
  writing_checkpoint_ = std::move(checkpoint);
  const uint64_t entries = std::max<uint64_t>(cluster_.scenario().checkpoint_entries, 1);
  next_checkpoint_ = LogIndex{index.value + node_.chance().between(1, 2 * entries)};
  node_.schedule(node_.chance().exponential(4 * node_.disk().latency_mean()) + 1,
                 SimNode::kCheckpointDue);
}

// Its data is durable; the row that makes it count goes through the log writer.
void ReplicaProcess::on_checkpoint_written() {
  if (writing_checkpoint_ == nullptr) return;
  node_.did(Step::kCheckpoint);
  const LogIndex index = writing_checkpoint_->boundary.id.index;
  const bool is_overtaken = core_.log().boundary().id.index > index;
  if (!is_overtaken) {
    node_.disk().add_checkpoint(writing_checkpoint_);
    DiskJob job;
    job.checkpoint = writing_checkpoint_;
    node_.disk().submit(std::move(job));
  }
  writing_checkpoint_.reset();
}

void ReplicaProcess::on_checkpoint_counts(const CheckpointPtr& checkpoint) {
  node_.did(Step::kCheckpoint);
  inputs_.checkpointed(checkpoint->boundary.id, checkpoint->boundary.chain);
  drain();
}

// --- Sending -------------------------------------------------------------------------------------

// Offers the newest checkpoint; one whose config does not know the peer would be ignored there.
void ReplicaProcess::on_offer_due(ReplicaId peer) {
  const auto found = outgoing_.find(peer);
  if (found == outgoing_.end() || core_.role() != RoleKind::kLeader) return;
  const CheckpointPtr checkpoint = checkpoint_for(peer);
  if (checkpoint == nullptr) {
    if (++found->second.tries < kOfferTriesMax) {
      cut_checkpoint();
      return node_.schedule(kOfferRetry, SimNode::kOfferDue, peer.value);
    }
    outgoing_.erase(found);
    inputs_.snapshot_result(peer, SnapshotOutcome::kFailed);
    return drain();
  }
  inputs_.snapshot_pinned(peer, checkpoint->boundary.id.index);
  const uint64_t snap_id = send_offer(peer, checkpoint);
  found->second.snap_id = snap_id;
  node_.schedule(kOfferTimeout, SimNode::kOfferTimeout, peer.value, snap_id);
  drain();
}

CheckpointPtr ReplicaProcess::checkpoint_for(ReplicaId peer) const {
  CheckpointPtr checkpoint = node_.disk().counting_checkpoint();
  const bool fits = checkpoint != nullptr && core_.log().config().contains(peer) &&
                    checkpoint->boundary.id.index >= core_.log().boundary().id.index &&
                    checkpoint->boundary.config.contains(peer);
  return fits ? checkpoint : nullptr;
}

uint64_t ReplicaProcess::send_offer(ReplicaId peer, const CheckpointPtr& checkpoint) {
  replication::SnapshotMeta meta;
  meta.boundary = checkpoint->boundary;
  meta.snap_id = cluster_.offer(checkpoint, node_);
  const NodeId to = core_.log().config().find(peer)->node;
  replication::Envelope offer{
      kGroup,       core_.config().self,        {to, 0, peer},
      core_.term(), core_.log().config_index(), replication::SnapOffer{meta}};
  inputs_.offered(peer, offer);
  cluster_.send(node_.slot(), std::move(offer));
  node_.did(Step::kSnapshot);
  return meta.snap_id;
}

// A snapshot may come at any time and be of any use [S 08/3.8].
void ReplicaProcess::offer_unasked(ReplicaId peer) {
  const bool may_offer = core_.role() == RoleKind::kLeader && peer != core_.config().self.replica;
  const CheckpointPtr checkpoint = may_offer ? checkpoint_for(peer) : nullptr;
  if (checkpoint != nullptr) send_offer(peer, checkpoint);
}

void ReplicaProcess::on_offer_timeout(ReplicaId peer, uint64_t snap_id) {
  const auto found = outgoing_.find(peer);
  if (found == outgoing_.end() || found->second.snap_id != snap_id) return;
  outgoing_.erase(found);
  inputs_.snapshot_result(peer, SnapshotOutcome::kFailed);
  drain();
}

void ReplicaProcess::on_snapshot_result(uint64_t snap_id, SnapshotOutcome outcome) {
  for (const auto& [peer, outgoing] : outgoing_) {
    if (outgoing.snap_id != snap_id) continue;
    const ReplicaId receiver = peer;
    outgoing_.erase(receiver);
    inputs_.snapshot_result(receiver, outcome);
    return drain();
  }
}

// --- Receiving -----------------------------------------------------------------------------------

void ReplicaProcess::on_offer(const replication::SnapshotMeta& meta) {
  const Cluster::Offered* offered = cluster_.find_offer(meta.snap_id);
  if (offered == nullptr) return cluster_.observer().fail("an unknown snapshot is offered");
  if (incoming_ && incoming_->meta.snap_id == meta.snap_id) return;
  const bool is_unkind = cluster_.scenario().has(FaultClass::kCheckpoint);
  const bool is_busy = incoming_ && !node_.chance().with(kDropOldTransferShare);
  if (is_busy || (is_unkind && node_.chance().with(kBusyShare)))
    return send_result(offered->slot, meta.snap_id, SnapshotOutcome::kBusy);
  const auto chunks = static_cast<uint32_t>(node_.chance().between(1, kChunksMax));
  incoming_ = Incoming{meta, offered->slot, chunks, 0};
  node_.schedule(node_.chance().exponential(kChunkDelay), SimNode::kChunk, meta.snap_id);
}

// Chunks flow while the link is open both ways and the sender lives.
void ReplicaProcess::on_chunk(uint64_t snap_id) {
  if (!incoming_ || incoming_->meta.snap_id != snap_id) return;
  const Cluster::Offered* offered = cluster_.find_offer(snap_id);
  const SimNode& sender = cluster_.node(offered->slot);
  const bool flows = sender.is_running() && sender.incarnation() == offered->incarnation &&
                     cluster_.network().is_bulk_open(offered->slot, node_.slot()) &&
                     cluster_.network().is_bulk_open(node_.slot(), offered->slot);
  const bool fails = cluster_.scenario().has(FaultClass::kCheckpoint) &&
                     incoming_->chunks_left == 1 && node_.chance().with(kFailedShare);
  if (!flows && ++incoming_->stalls > kChunkStallsMax) {
    incoming_.reset();
    return;
  }
  if (fails) {
    const uint32_t slot = incoming_->from_slot;
    incoming_.reset();
    return send_result(slot, snap_id, SnapshotOutcome::kFailed);
  }
  if (flows) --incoming_->chunks_left;
  const Micros carried =
      flows ? cluster_.network().carry(offered->slot, node_.slot(), kChunkBytes) : 0;
  node_.schedule(carried + node_.chance().exponential(kChunkDelay) + 1,
                 incoming_->chunks_left == 0 ? SimNode::kStaged : SimNode::kChunk, snap_id);
}

void ReplicaProcess::on_staged(uint64_t snap_id) {
  if (!incoming_ || incoming_->meta.snap_id != snap_id) return;
  const replication::SnapshotMeta meta = incoming_->meta;
  const uint32_t slot = incoming_->from_slot;
  incoming_.reset();
  node_.disk().add_checkpoint(cluster_.find_offer(snap_id)->checkpoint);
  node_.did(Step::kSnapshot);
  cluster_.observer().on_staged(core_, meta.boundary.id.index);
  inputs_.snapshot_staged(meta);
  send_result(slot, snap_id, SnapshotOutcome::kOk);
  drain();
}

void ReplicaProcess::send_result(uint32_t slot, uint64_t snap_id, SnapshotOutcome outcome) {
  cluster_.send_snapshot_result(node_.slot(), slot, snap_id, outcome);
}

}  // namespace worldline::simulation
