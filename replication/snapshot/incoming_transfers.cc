#include "replication/snapshot/incoming_transfers.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace worldline::replication {
namespace {

constexpr uint32_t kBeginTicksMax = 1 * kTicksPerSecond;  // Offer or SnapBegin without the other.
constexpr size_t kGroupsMax = 65'536;                     // Named by peers, or offered here.

}  // namespace

IncomingTransfers::IncomingTransfers(const IncomingLimits& limits_in)
    : limits_(limits_in), slots_(limits_in.slots), throttle_(limits_in.bytes_per_second) {}

// --- Offers --------------------------------------------------------------------------------------

void IncomingTransfers::offer(const SnapshotOffer& offer) {
  Group& group = groups_[offer.group];
  // A deposed leader's, or one that was overtaken on the way.
  const std::pair order{offer.leader_term, offer.id};
  if (order <= group.newest) return;
  group.newest = order;
  group.waiting = offer;
  group.waiting_ticks = 0;
  admit(offer.group, group);
}

// Offer and SnapBegin travel on different streams: the second one to come starts the transfer.
void IncomingTransfers::admit(GroupId id, Group& group) {
  if (!group.waiting) return;
  const bool has_begin = group.begun && group.begun->id == group.waiting->id &&
                         group.begun->from == group.waiting->leader;
  if (!has_begin && group.waiting_ticks < kBeginTicksMax) return;
  const SnapshotOffer offer = *std::exchange(group.waiting, std::nullopt);
  const SnapBegin begin_in = has_begin ? group.begun->begin : SnapBegin{};
  group.begun.reset();
  begin(id, group, offer, begin_in);
}

void IncomingTransfers::begin(GroupId id, Group& group, const SnapshotOffer& offer,
                              const SnapBegin& begin) {
  if (group.receiver && group.receiver->rebind(offer, begin)) {
    pump(id, group);
    return;
  }
  if (group.receiver) {
    group.receiver->cancel(AbortReason::kSuperseded);
    end(id, group);
  }
  const TransferKey slot{id, offer.target};
  if (!slots_.try_take({slot, begin.transfer_class, begin.is_needed_for_quorum})) {
    output_.send.push_back(
        {offer.id, id, offer.target, offer.leader, SnapAbort{AbortReason::kBusy}});
    return;
  }
  group.slot = slot;
  group.ticket = Ticket{++last_ticket_};
  group.taker = TakerId{++last_taker_};
  throttle_.add(group.taker);
  group.receiver.emplace(offer, begin);
  group.has_staged = true;
  group.stale_ticks = 0;
  group.progress = 0;
  pump(id, group);
}

void IncomingTransfers::cancel(GroupId id) {
  const auto found = groups_.find(id);
  if (found == groups_.end()) return;
  Group& group = found->second;
  group.waiting.reset();
  if (group.receiver) {
    group.receiver->cancel(AbortReason::kSuperseded);
    end(id, group);
  }
  if (std::exchange(group.has_staged, false)) output_.discards.push_back(id);
}

void IncomingTransfers::installed(GroupId id) {
  const auto found = groups_.find(id);
  if (found != groups_.end()) found->second.has_staged = false;
}

// --- Traffic -------------------------------------------------------------------------------------

void IncomingTransfers::recv(const SnapMessage& message) {
  if (const auto* begin = std::get_if<SnapBegin>(&message.body)) {
    if (groups_.size() >= kGroupsMax && !groups_.contains(message.group)) return;
    Group& group = groups_[message.group];
    group.begun = {message.id, message.from, *begin};
    group.begun_ticks = 0;
    admit(message.group, group);
    return;
  }
  const auto found = groups_.find(message.group);
  if (found == groups_.end() || !found->second.receiver) return;
  found->second.receiver->recv(message);
  pump(message.group, found->second);
}

void IncomingTransfers::source_lost(GroupId id, ReplicaId source) {
  const auto found = groups_.find(id);
  if (found == groups_.end() || !found->second.receiver) return;
  found->second.receiver->source_lost(source);
  pump(id, found->second);
}

IncomingTransfers::Group* IncomingTransfers::find(Ticket ticket, GroupId& id) {
  for (auto& [group_id, group] : groups_) {
    if (!group.receiver || group.ticket != ticket) continue;
    id = group_id;
    return &group;
  }
  return nullptr;
}

void IncomingTransfers::found(Ticket ticket, const std::vector<bool>& present) {
  GroupId id;
  Group* group = find(ticket, id);
  if (group == nullptr) return;
  group->receiver->found(present);
  pump(id, *group);
}

void IncomingTransfers::stored(Ticket ticket, const ContentHash& hash) {
  GroupId id;
  Group* group = find(ticket, id);
  if (group == nullptr) return;
  group->receiver->stored(hash);
  pump(id, *group);
}

void IncomingTransfers::committed(Ticket ticket, const std::vector<ContentHash>& missing) {
  GroupId id;
  Group* group = find(ticket, id);
  if (group == nullptr) return;
  group->receiver->committed(missing);
  pump(id, *group);
}

void IncomingTransfers::failed(Ticket ticket, const Status& why) {
  GroupId id;
  Group* group = find(ticket, id);
  if (group == nullptr) return;
  group->receiver->failed(why);
  pump(id, *group);
}

// Moves what the receiver wants into our output, and ends it if it is done.
void IncomingTransfers::pump(GroupId id, Group& group) {
  SnapshotReceiver& receiver = *group.receiver;
  throttle_.spend(group.taker, receiver.take_spent());
  receiver.advance(throttle_.credit(group.taker));
  SnapshotReceiver::Output output = receiver.take_output();
  for (SnapMessage& message : output.send) output_.send.push_back(std::move(message));
  if (!output.find.empty()) output_.finds.push_back({group.ticket, id, std::move(output.find)});
  for (ReceivedPage& page : output.store)
    output_.stores.push_back({group.ticket, id, std::move(page)});
  if (output.commit) output_.commits.push_back({group.ticket, id, std::move(*output.commit)});
  if (receiver.pages_done() != group.progress) {
    group.progress = receiver.pages_done();
    group.stale_ticks = 0;
  }
  if (receiver.outcome()) end(id, group);
}

void IncomingTransfers::end(GroupId id, Group& group) {
  SnapshotReceiver& receiver = *group.receiver;
  for (SnapMessage& message : receiver.take_output().send)
    output_.send.push_back(std::move(message));
  const SnapshotOffer& offer = receiver.offer();
  output_.ended.push_back({id, offer.id, *receiver.outcome(), receiver.failure()});
  if (receiver.outcome() == TransferOutcome::kStaged) output_.staged.push_back(offer);
  slots_.release(group.slot);
  throttle_.remove(group.taker);
  group.receiver.reset();
}

// --- Time ----------------------------------------------------------------------------------------

void IncomingTransfers::age(GroupId id, Group& group) {
  if (group.waiting) {
    ++group.waiting_ticks;
    admit(id, group);
  }
  if (group.begun && ++group.begun_ticks > kBeginTicksMax) group.begun.reset();
  if (!group.has_staged || ++group.stale_ticks < limits_.stale_ticks) return;
  if (group.receiver) {
    group.receiver->cancel(AbortReason::kFailed);
    end(id, group);
  }
  group.has_staged = false;
  output_.discards.push_back(id);
}

void IncomingTransfers::tick() {
  for (auto& [id, group] : groups_) {
    if (!group.receiver) continue;
    group.receiver->tick();
    throttle_.want(group.taker, group.receiver->wants());
  }
  throttle_.refill();
  for (auto& [id, group] : groups_)
    if (group.receiver) pump(id, group);
  for (auto& [id, group] : groups_) age(id, group);
  std::erase_if(groups_, [](const auto& item) {
    const Group& group = item.second;
    return !group.receiver && !group.waiting && !group.has_staged && !group.begun &&
           group.newest.second.value == 0;
  });
}

IncomingTransfers::Output IncomingTransfers::take_output() {
  return std::exchange(output_, {});
}

}  // namespace worldline::replication
