#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>

namespace worldline::simulation {
namespace {

enum Code : uint32_t { kDeliver, kBroken, kOpened };

constexpr Micros kLateDuplicateMean = 2 * kSecond;
constexpr size_t kHeldMax = 128;

constexpr Micros kBacklogMax = 5 * kSecond;  // What would wait longer is dropped.
constexpr uint64_t kBandwidthSpread = 64;
constexpr uint64_t kEnvelopeBytes = 64;
constexpr uint64_t kEntryBytes = 40;

uint64_t bytes_of(const replication::MessageBody& body) {
  uint64_t bytes = kEnvelopeBytes;
  const auto* append = std::get_if<replication::Append>(&body);
  if (append == nullptr) return bytes;
  for (const replication::Entry& entry : append->entries)
    bytes += kEntryBytes + (entry.payload != nullptr ? entry.payload->size() : 0);
  return bytes;
}

size_t stream_of(const replication::MessageBody& body) {
  if (std::holds_alternative<replication::Append>(body)) return Network::kLog;
  if (std::holds_alternative<replication::SnapOffer>(body)) return Network::kBulk;
  return Network::kControl;
}

uint64_t pair_of(uint32_t from, uint32_t to) {
  return (uint64_t{from} << 32) | to;
}

}  // namespace

Network::Link::Link(uint64_t seed, uint32_t from, uint32_t to)
    : delay(seed, Purpose::kDelay, from, to),
      loss(seed, Purpose::kLoss, from, to),
      duplicate(seed, Purpose::kDuplicate, from, to),
      reorder(seed, Purpose::kReorder, from, to),
      misdelivery(seed, Purpose::kMisdelivery, from, to) {}

Network::Network(EventQueue& queue, const Scenario& scenario, NetworkListener& listener)
    : queue_(queue), listener_(listener), model_(scenario.network), slots_(scenario.slots()) {
  links_.reserve(slots_ * slots_);
  for (uint32_t from = 0; from < slots_; ++from)
    for (uint32_t to = 0; to < slots_; ++to) links_.emplace_back(scenario.seed, from, to);
  if (model_.bytes_per_second_min == 0) return;
  for (uint32_t from = 0; from < slots_; ++from) {
    for (uint32_t to = 0; to < slots_; ++to) {
      Chance chance(scenario.seed, Purpose::kBandwidth, 1 + from, to);
      const uint64_t bandwidth = chance.log_uniform(model_.bytes_per_second_min,
                                                    kBandwidthSpread * model_.bytes_per_second_min);
      link(from, to).micros_per_byte = 1e6 / static_cast<double>(bandwidth);
    }
  }
}

bool Network::is_open(uint32_t from, uint32_t to) const {
  const Link& path = link(from, to);
  return path.blocks == 0 && path.clogged_until[kControl] <= queue_.now();
}

bool Network::is_bulk_open(uint32_t from, uint32_t to) const {
  const Link& path = link(from, to);
  return path.blocks == 0 && path.clogged_until[kBulk] <= queue_.now();
}

Micros Network::draw_delay(uint32_t from, uint32_t to) {
  return model_.delay_min + link(from, to).delay.exponential(model_.delay_mean);
}

Micros Network::carry(uint32_t from, uint32_t to, uint64_t bytes) {
  Link& path = link(from, to);
  if (path.micros_per_byte == 0) return 0;
  const Micros begin = std::max(queue_.now(), path.free_at);
  if (begin > queue_.now()) ++waited_for_bytes_;
  if (begin > queue_.now() + kBacklogMax) return begin - queue_.now();
  path.free_at = begin + static_cast<Micros>(static_cast<double>(bytes) * path.micros_per_byte);
  return path.free_at - queue_.now();
}

void Network::send(uint32_t from, uint32_t to, replication::Envelope message) {
  Link& path = link(from, to);
  if (path.blocks > 0) {
    if (path.how == Blocking::kHold && path.held.size() < kHeldMax)
      path.held.push_back(std::move(message));
    return;
  }
  if (model_.loss > 0 && path.loss.with(model_.loss)) return;
  if (path.under_way >= model_.link_messages_max) return;
  if (model_.misdelivery > 0 && path.misdelivery.with(model_.misdelivery))
    to = static_cast<uint32_t>(path.misdelivery.below(slots_));
  if (model_.duplicate > 0 && path.duplicate.with(model_.duplicate)) {
    const bool is_late = path.duplicate.with(model_.late_duplicate);
    schedule(from, to, message, is_late ? path.duplicate.exponential(kLateDuplicateMean) : 1);
  }
  schedule(from, to, std::move(message), 0);
}

// A copy (`extra` > 0) keeps no order; nor does what is reordered.
void Network::schedule(uint32_t from, uint32_t to, replication::Envelope message, Micros extra) {
  Link& path = link(from, to);
  const Micros carried = carry(from, to, bytes_of(message.body));
  if (carried > kBacklogMax) return;
  Micros at = queue_.now() + carried + draw_delay(from, to) + extra;
  const size_t stream = stream_of(message.body);
  at = std::max(at, path.clogged_until[stream]);
  const bool is_free = extra > 0 || (model_.reorder > 0 && path.reorder.with(model_.reorder));
  if (!is_free) {
    Micros& last = path.last_at[stream];
    at = std::max(at, last + 1);
    last = at;
  }
  ++path.under_way;
  last_arrival_ = std::max(last_arrival_, at);
  const uint64_t place = store(std::move(message));
  queue_.push(at - queue_.now(), {0, 0, this, kDeliver, path.generation, place, pair_of(from, to)});
}

uint64_t Network::store(replication::Envelope message) {
  if (free_.empty()) {
    pool_.push_back(std::move(message));
    return pool_.size() - 1;
  }
  const uint64_t place = free_.back();
  free_.pop_back();
  pool_[place] = std::move(message);
  return place;
}

void Network::on_event(const Event& event) {
  const auto from = static_cast<uint32_t>(event.b >> 32);
  const auto to = static_cast<uint32_t>(event.b);
  if (event.code == kBroken) return listener_.on_stream_broken(to, from);
  if (event.code == kOpened) return listener_.on_stream_opened(to, from);
  replication::Envelope message = std::move(pool_[event.a]);
  free_.push_back(event.a);
  Link& path = link(from, to);
  --path.under_way;
  if (event.life != path.generation) return;
  // A partition also stops what is on its way.
  if (path.blocks > 0) {
    if (path.how == Blocking::kHold && path.held.size() < kHeldMax)
      path.held.push_back(std::move(message));
    return;
  }
  ++delivered_;
  listener_.on_arrival(to, std::move(message));
}

void Network::block(uint32_t from, uint32_t to, Blocking how) {
  Link& path = link(from, to);
  if (path.blocks++ == 0) path.how = how;
}

void Network::unblock(uint32_t from, uint32_t to) {
  Link& path = link(from, to);
  if (path.blocks == 0 || --path.blocks > 0) return;
  for (replication::Envelope& message : std::exchange(path.held, {}))
    send(from, to, std::move(message));
}

void Network::clog(uint32_t from, uint32_t to, uint32_t streams, Micros until) {
  for (size_t stream = 0; stream < kStreams; ++stream) {
    Micros& end = link(from, to).clogged_until[stream];
    if ((streams >> stream) & 1) end = std::max(end, until);
  }
}

void Network::break_streams(uint32_t a, uint32_t b, Micros reopen_after) {
  for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
    Link& path = link(from, to);
    ++path.generation;
    path.held.clear();
    queue_.push(draw_delay(from, to), {0, 0, this, kBroken, 0, 0, pair_of(from, to)});
    queue_.push(reopen_after, {0, 0, this, kOpened, 0, 0, pair_of(from, to)});
  }
}

void Network::heal() {
  model_.loss = model_.duplicate = model_.reorder = model_.misdelivery = 0;
  model_.delay_min = std::min<Micros>(model_.delay_min, kMillisecond);
  model_.delay_mean = std::min<Micros>(model_.delay_mean, kMillisecond);
  model_.link_messages_max = 1u << 20;
  for (uint32_t from = 0; from < slots_; ++from) {
    for (uint32_t to = 0; to < slots_; ++to) {
      Link& path = link(from, to);
      for (Micros& until : path.clogged_until) until = 0;
      path.micros_per_byte = 0;
      // Nothing that was sent before keeps what is sent now waiting.
      for (Micros& last : path.last_at) last = 0;
      path.blocks = std::min<uint32_t>(path.blocks, 1);
      unblock(from, to);
    }
  }
  drained_at_ = last_arrival_;
}

}  // namespace worldline::simulation
