#include "replication/snapshot/snapshot_service.h"

#include <algorithm>
#include <memory>
#include <set>

#include "base/check.h"
#include "replication/snapshot/snapshot_codec.h"

namespace worldline::replication {
namespace {

constexpr GroupId kCatalogGroup{1};
constexpr uint32_t kOfferAgainTicks = 5;
constexpr uint32_t kCheckpointTicksMax = 10 * kTicksPerSecond;  // Until one is there to be offered.
constexpr size_t kHeldMax = 2;                                  // [S 08/4.9] Newest 2.
constexpr size_t kMetasMax = 4;                                 // Running, waiting, and late ones.
constexpr size_t kNotesMax = 256;

ByteBuffer bytes_of(const ContentHash& hash) {
  ByteBuffer out;
  append_le(out, hash);
  return out;
}

std::optional<ContentHash> hash_of(const SnapshotMeta& meta) {
  if (meta.manifest_hash.size() != sizeof(ContentHash)) return std::nullopt;
  return load_le<ContentHash>(meta.manifest_hash.data());
}

SnapshotOffer offer_of(const SnapshotMeta& meta, const ContentHash& hash) {
  SnapshotOffer offer;
  offer.id = SnapshotId{meta.snap_id};
  offer.index = meta.boundary.id.index;
  offer.term = meta.boundary.id.term;
  offer.chain = meta.boundary.chain;
  offer.manifest_hash = hash;
  offer.total_bytes = meta.total_bytes;
  return offer;
}

}  // namespace

SnapshotView view_of(const GroupReplica& replica) {
  const RaftCore& core = replica.core();
  SnapshotView view;
  view.self = core.config().self;
  view.leader = core.leader();
  view.term = core.term();
  view.commit = core.commit();
  view.log_boundary = core.log().boundary().id.index;
  view.config_index = core.log().config_index();
  view.config = &core.log().config();
  view.is_leader = replica.is_leader();
  view.is_installing = core.is_installing();
  if (!view.is_leader) return view;
  for (const MemberInfo& member : view.config->members) {
    const Progress* progress = core.progress(member.replica);
    const bool follows = progress != nullptr && progress->is_alive() && !progress->is_lost &&
                         progress->state == ProgressState::kReplicate;
    if (follows && member.replica != replica.id()) view.caught_up.push_back(member.replica);
  }
  return view;
}

SnapshotService::SnapshotService(const SnapshotServiceLimits& limits_in, SnapshotHost& host,
                                 SnapshotStore& store)
    : limits_(limits_in),
      host_(host),
      store_(store),
      incoming_(limits_in.incoming),
      outgoing_(limits_in.outgoing) {}

// --- SnapshotPort --------------------------------------------------------------------------------

void SnapshotService::offered(GroupId group, const SnapshotMeta& meta) {
  new_offers_.insert_or_assign(group, meta);
}

void SnapshotService::send(GroupId group, ReplicaId to) {
  std::erase(cancelled_, TransferKey{group, to});
  wanted_.insert_or_assign(TransferKey{group, to}, Wanted{});
}

void SnapshotService::cancel(GroupId group, ReplicaId to) {
  wanted_.erase({group, to});
  cancelled_.push_back({group, to});
}

void SnapshotService::settle() {
  for (const TransferKey& key : std::exchange(cancelled_, {}))
    outgoing_.cancel(key.group, key.peer);
  take_offers();
  offer_wanted();
  drain_outgoing();
  drain_incoming();
}

void SnapshotService::tick() {
  for (auto& [key, wanted] : wanted_) ++wanted.ticks;
  drop_useless();
  outgoing_.tick();
  incoming_.tick();
  repeat_offers();
  settle();
}

// What became useless without a message: leadership is lost, the log caught up.
void SnapshotService::drop_useless() {
  std::set<GroupId> led;
  for (const auto& [key, offered] : offered_) led.insert(key.group);
  for (const GroupId group : led) {
    const auto view = host_.find(group);
    if (!view || !view->is_leader) outgoing_.cancel_all(group);
  }
  for (auto at = metas_.begin(); at != metas_.end();) {
    const auto view = host_.find(at->first);
    const bool is_useless = !view || at->second.front().boundary.id.index <= view->commit;
    if (!is_useless || staged_.contains(at->first)) {
      ++at;
      continue;
    }
    incoming_.cancel(at->first);
    at = metas_.erase(at);
  }
}

// --- Offering ------------------------------------------------------------------------------------

void SnapshotService::offer_wanted() {
  for (auto at = wanted_.begin(); at != wanted_.end();) {
    const TransferKey key = at->first;
    const Wanted wanted = at->second;
    if (try_offer(key, wanted)) {
      at = wanted_.erase(at);
    } else if (wanted.ticks > kCheckpointTicksMax) {
      at = wanted_.erase(at);
      ++counters_.failed;
      host_.snapshot_result(key.group, key.peer, SnapshotOutcome::kFailed);
      at = wanted_.upper_bound(key);  // The core may have asked for others.
    } else {
      ++at;
    }
  }
}

bool SnapshotService::try_offer(const TransferKey& key, const Wanted& wanted) {
  const auto view = host_.find(key.group);
  if (!view || !view->is_leader || view->config->find(key.peer) == nullptr) return true;
  const auto held = held_.find(key.group);
  const HeldCheckpoint* newest = held != held_.end() ? &held->second.front() : nullptr;
  // A receiver ignores one whose config does not name it.
  const bool fits = newest != nullptr && newest->boundary.config.contains(key.peer) &&
                    newest->boundary.id.index >= view->log_boundary &&
                    newest->boundary.id.index > wanted.newer_than;
  if (!fits) {
    host_.need_checkpoint(key.group, newest != nullptr ? newest->boundary.id.index : LogIndex{0});
    return false;
  }
  Offered offered;
  offered.id = SnapshotId{++last_id_};
  offered.meta.boundary = newest->boundary;
  offered.meta.snap_id = offered.id.value;
  offered.meta.manifest_hash = bytes_of(newest->ref.manifest_hash);
  offered.meta.total_bytes = newest->total_bytes;
  offered.begin = begin_of(*view, key.group, key.peer);
  OutgoingRequest request;
  request.offer = offer_of(offered.meta, newest->ref.manifest_hash);
  request.offer.group = key.group;
  request.offer.leader = view->self.replica;
  request.offer.target = key.peer;
  request.offer.leader_term = view->term;
  request.begin = offered.begin;
  offered_.insert_or_assign(key, offered);
  outgoing_.request(request);
  return true;
}

SnapBegin SnapshotService::begin_of(const SnapshotView& view, GroupId group, ReplicaId to) const {
  const ReplicaSet& voters = view.config->voters;
  size_t healthy = 0;
  for (const ReplicaId voter : voters) {
    const bool follows =
        std::find(view.caught_up.begin(), view.caught_up.end(), voter) != view.caught_up.end();
    if (voter == view.self.replica || follows) ++healthy;
  }
  const size_t majority = voters.size() / 2 + 1;
  const bool is_voter = view.config->is_voter(to);
  SnapBegin begin;
  begin.is_needed_for_quorum = is_voter && healthy < majority;
  if (group == kCatalogGroup) {
    begin.transfer_class = TransferClass::kCatalog;
  } else if (is_voter) {
    begin.transfer_class = healthy < majority + 1 ? TransferClass::kQuorum : TransferClass::kRepair;
  }
  for (const ReplicaId delegate : view.caught_up)
    if (delegate != to && begin.delegates.size() < limits_.delegates_max)
      begin.delegates.push_back(delegate);
  return begin;
}

// The offer goes through the core of the receiver; what it does not say follows on the bulk stream.
void SnapshotService::say(const TransferKey& key, const Offered& offered) {
  const auto view = host_.find(key.group);
  const MemberInfo* member = view ? view->config->find(key.peer) : nullptr;
  if (member == nullptr) return;
  host_.send(member->node, Envelope{key.group,
                                    view->self,
                                    {member->node, 0, key.peer},
                                    view->term,
                                    view->config_index,
                                    SnapOffer{offered.meta}});
}

void SnapshotService::repeat_offers() {
  for (auto& [key, offered] : offered_) {
    if (!offered.was_said || offered.was_heard || ++offered.ticks < kOfferAgainTicks) continue;
    offered.ticks = 0;
    const auto view = host_.find(key.group);
    if (!view) continue;
    say(key, offered);
    send(SnapMessage{offered.id, key.group, view->self.replica, key.peer, offered.begin});
  }
}

// --- Peers ---------------------------------------------------------------------------------------

void SnapshotService::on_connected(NodeId peer) {
  for (auto& [key, offered] : offered_)
    if (node_of(key.group, key.peer) == peer) offered.was_heard = false;
}

void SnapshotService::on_disconnected(NodeId peer) {
  for (const auto& [group, metas] : metas_)
    for (const MemberInfo& member : metas.front().boundary.config.members)
      if (member.node == peer) incoming_.source_lost(group, member.replica);
}

std::optional<NodeId> SnapshotService::node_of(GroupId group, ReplicaId replica) const {
  const auto view = host_.find(group);
  const MemberInfo* member = view ? view->config->find(replica) : nullptr;
  // A replica without state knows its peers from the offer only.
  const auto metas = metas_.find(group);
  if (member == nullptr && metas != metas_.end())
    member = metas->second.front().boundary.config.find(replica);
  if (member == nullptr) return std::nullopt;
  return member->node;
}

void SnapshotService::send(const SnapMessage& message) {
  const auto node = node_of(message.group, message.to);
  if (!node) return;
  if (const auto* piece = std::get_if<SnapPiece>(&message.body))
    counters_.bytes_sent += piece->bytes->size();
  host_.send(*node, SnapBytes{std::make_shared<const ByteBuffer>(encode_snap_message(message))});
}

Status SnapshotService::check_speaker(NodeId from, const SnapMessage& message) const {
  const auto view = host_.find(message.group);
  if (!view || view->self.replica != message.to)
    return Status::not_found("snapshot message for replica {} of group {}: it is not here",
                             message.to.value, message.group.value);
  const auto node = node_of(message.group, message.from);
  // The first words to a replica without state may overtake the offer that names the members.
  if (!node && std::holds_alternative<SnapBegin>(message.body)) return {};
  if (node != from)
    return Status::invalid_argument("snapshot message of replica {} from node {}",
                                    message.from.value, from.value);
  return {};
}

void SnapshotService::note_traffic(const SnapMessage& message) {
  if (const auto* piece = std::get_if<SnapPiece>(&message.body))
    counters_.bytes_received += piece->bytes->size();
  const auto offered = offered_.find({message.group, message.from});
  if (offered != offered_.end() && offered->second.id == message.id)
    offered->second.was_heard = true;
}

Status SnapshotService::recv(NodeId from, const SnapBytes& bytes) {
  Result<SnapMessage> message = decode_snap_message(*bytes.payload);
  const Status status = message.ok() ? check_speaker(from, *message) : message.status();
  if (!status.ok()) {
    ++counters_.refused;
    return status;
  }
  note_traffic(*message);
  const SnapBody& body = message->body;
  const bool is_to_source =
      std::holds_alternative<SnapWant>(body) || std::holds_alternative<SnapAck>(body);
  const bool is_abort = std::holds_alternative<SnapAbort>(body);
  if (is_to_source || is_abort) outgoing_.recv(*message);
  if (!is_to_source) incoming_.recv(*message);
  return {};
}

// --- Receiving -----------------------------------------------------------------------------------

void SnapshotService::take_offers() {
  for (auto& [group, meta] : std::exchange(new_offers_, {})) {
    const auto view = host_.find(group);
    const auto hash = hash_of(meta);
    if (!view || view->leader.value == 0 || !hash || staged_.contains(group)) continue;
    if (meta.boundary.id.index <= view->commit) continue;
    SnapshotOffer offer = offer_of(meta, *hash);
    offer.group = group;
    offer.leader = view->leader;
    offer.target = view->self.replica;
    offer.leader_term = view->term;
    std::deque<SnapshotMeta>& metas = metas_[group];
    if (metas.empty() || metas.front() != meta) metas.push_front(meta);
    if (metas.size() > kMetasMax) metas.pop_back();
    incoming_.offer(offer);
  }
}

const SnapshotMeta* SnapshotService::meta_of(const SnapshotOffer& offer) const {
  const auto metas = metas_.find(offer.group);
  if (metas == metas_.end()) return nullptr;
  for (const SnapshotMeta& meta : metas->second)
    if (meta.snap_id == offer.id.value && hash_of(meta) == offer.manifest_hash &&
        meta.boundary.id.index == offer.index)
      return &meta;
  return nullptr;
}

void SnapshotService::drain_incoming() {
  IncomingTransfers::Output output = incoming_.take_output();
  for (auto& find : output.finds) store_.find(std::move(find));
  for (auto& store : output.stores) store_.store(std::move(store));
  for (auto& commit : output.commits) store_.commit(std::move(commit));
  for (const SnapMessage& message : output.send) send(message);
  for (const GroupId group : output.discards) {
    staged_.erase(group);
    store_.discard(group);
  }
  for (auto& note : output.ended)
    if (notes_.size() < kNotesMax) notes_.push_back(std::move(note));
  for (const SnapshotOffer& offer : output.staged) stage(offer);
}

void SnapshotService::stage(const SnapshotOffer& offer) {
  const SnapshotMeta* known = meta_of(offer);
  if (known != nullptr && staged_.contains(offer.group)) {
    const SnapshotMeta meta = *known;  // The core's calls may bring new offers.
    ++counters_.received;
    host_.snapshot_staged(offer.group, meta);
    const auto view = host_.find(offer.group);
    if (view && view->is_installing) return;
  }
  // The core kept its log, or is not what it was: the pages are of no use.
  staged_.erase(offer.group);
  metas_.erase(offer.group);
  incoming_.cancel(offer.group);
}

const storage::Boundary* SnapshotService::staged(GroupId group) const {
  const auto found = staged_.find(group);
  return found != staged_.end() ? &found->second : nullptr;
}

void SnapshotService::installed(GroupId group) {
  const auto found = staged_.find(group);
  if (found == staged_.end()) return;
  const storage::CheckpointRef ref = found->second.checkpoint;
  const LogIndex index = found->second.index;
  staged_.erase(found);
  incoming_.installed(group);
  held_.erase(group);  // The store drops all older ones.
  for (const SnapshotMeta& meta : metas_[group])
    if (meta.boundary.id.index == index) held_[group] = {{ref, meta.boundary, meta.total_bytes}};
  metas_.erase(group);
  store_.activate(group);
}

void SnapshotService::remove(GroupId group) {
  outgoing_.cancel_all(group);
  incoming_.cancel(group);
  held_.erase(group);
  staged_.erase(group);
  metas_.erase(group);
  new_offers_.erase(group);
  std::erase_if(wanted_, [group](const auto& item) { return item.first.group == group; });
}

void SnapshotService::checkpoint_counts(GroupId group, const HeldCheckpoint& checkpoint) {
  std::deque<HeldCheckpoint>& held = held_[group];
  held.push_front(checkpoint);
  if (held.size() > kHeldMax) held.pop_back();
}

// --- Answers of the store ------------------------------------------------------------------------

void SnapshotService::loaded(const OutgoingTransfers::Load& load, SharedBytes image) {
  outgoing_.loaded(load, std::move(image));
}

void SnapshotService::found(Ticket ticket, const std::vector<bool>& present) {
  counters_.pages_found += static_cast<uint64_t>(std::count(present.begin(), present.end(), true));
  incoming_.found(ticket, present);
}

void SnapshotService::stored(Ticket ticket, const ContentHash& hash) {
  ++counters_.pages_stored;
  incoming_.stored(ticket, hash);
}

void SnapshotService::committed(Ticket ticket, GroupId group,
                                storage::CheckpointWriter::Received received) {
  if (received.boundary) staged_.insert_or_assign(group, std::move(*received.boundary));
  incoming_.committed(ticket, received.missing);
}

// --- Sending -------------------------------------------------------------------------------------

void SnapshotService::drain_outgoing() {
  OutgoingTransfers::Output output = outgoing_.take_output();
  for (const SnapshotOffer& offer : output.offers) {
    const TransferKey key{offer.group, offer.target};
    const auto found = offered_.find(key);
    if (found == offered_.end() || found->second.id != offer.id) continue;
    found->second.was_said = true;
    ++counters_.offered;
    say(key, found->second);
  }
  for (const SnapMessage& message : output.send) send(message);
  for (const auto& load : output.loads) {
    std::optional<storage::CheckpointId> manifest;
    if (const auto held = held_.find(load.key.group); held != held_.end())
      for (const HeldCheckpoint& checkpoint : held->second)
        if (checkpoint.ref.manifest_hash == load.hash) manifest = checkpoint.ref.id;
    store_.load(load, manifest);
  }
  for (const auto& pin : output.pins)
    if (pin.index) host_.snapshot_pinned(pin.key.group, pin.key.peer, *pin.index);
  for (const auto& finished : output.finished) finish(finished);
}

void SnapshotService::finish(const OutgoingTransfers::Finished& finished) {
  const TransferKey& key = finished.key;
  const auto found = offered_.find(key);
  if (found == offered_.end() || found->second.id != finished.id)
    return;  // A newer one replaced it.
  const LogIndex index = found->second.meta.boundary.id.index;
  offered_.erase(found);
  switch (finished.outcome) {
    case TransferOutcome::kStaged:
      ++counters_.sent;
      host_.snapshot_result(key.group, key.peer, SnapshotOutcome::kOk);
      return;
    case TransferOutcome::kFailed:
      ++counters_.failed;
      host_.snapshot_result(key.group, key.peer, SnapshotOutcome::kFailed);
      return;
    case TransferOutcome::kBusy:
      wanted_.try_emplace(key);  // No failure: its turn comes.
      return;
    case TransferOutcome::kSuperseded:
      wanted_.try_emplace(key, Wanted{index, 0});
      return;
    case TransferOutcome::kCancelled:
      return;
  }
}

}  // namespace worldline::replication
