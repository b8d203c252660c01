#include "replication/snapshot/transfer_slots.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::replication {
namespace {

auto has_key(const TransferKey& key) {
  return [&key](const SlotRequest& request) { return request.key == key; };
}

}  // namespace

// The reserved slots are on top: open ones go first to whoever comes, and those that a majority
// needs may use both kinds.
bool TransferSlots::may_run(const SlotRequest& request) const {
  const size_t most = limits_.open + (request.is_needed_for_quorum ? limits_.reserved : 0);
  return running_.size() < most;
}

bool TransferSlots::try_take(const SlotRequest& request) {
  WL_CHECK(!is_running(request.key));
  if (!may_run(request)) return false;
  std::erase_if(waiting_, has_key(request.key));
  running_.push_back(request);
  return true;
}

bool TransferSlots::enqueue(const SlotRequest& request) {
  WL_CHECK(!is_running(request.key));
  const auto same = std::find_if(waiting_.begin(), waiting_.end(), has_key(request.key));
  if (same != waiting_.end()) {
    *same = request;
    return true;
  }
  if (waiting_.size() >= limits_.waiting_max) return false;
  waiting_.push_back(request);
  return true;
}

std::optional<SlotRequest> TransferSlots::take_next() {
  auto best = waiting_.end();
  for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
    if (!may_run(*at)) continue;
    if (best == waiting_.end() || at->transfer_class < best->transfer_class) best = at;
  }
  if (best == waiting_.end()) return std::nullopt;
  const SlotRequest taken = *best;
  waiting_.erase(best);
  running_.push_back(taken);
  return taken;
}

void TransferSlots::release(const TransferKey& key) {
  std::erase_if(running_, has_key(key));
  std::erase_if(waiting_, has_key(key));
}

bool TransferSlots::is_running(const TransferKey& key) const {
  return std::any_of(running_.begin(), running_.end(), has_key(key));
}

bool TransferSlots::is_waiting(const TransferKey& key) const {
  return std::any_of(waiting_.begin(), waiting_.end(), has_key(key));
}

}  // namespace worldline::replication
