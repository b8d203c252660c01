// replication/node/heartbeat_list.h
//
// A heartbeat list is what one batch vouches for: the items of its groups, ascending. Batches carry
// the difference to a list both sides have; a group that did not change costs one bit [S 08/3.2].
//
// Invariants: ascending by group, no group twice, at most kHeartbeatItemsMax.
// Thread: pure; lists are frozen once shared. Cost: O(items), sequential.
// Errors: kInvalidArgument for a difference that no sender makes.
#pragma once

#include <memory>
#include <vector>

#include "base/status.h"
#include "replication/node/heartbeat_messages.h"

namespace worldline::replication {

using HeartbeatItems = std::vector<HeartbeatItem>;
using HeartbeatList = std::shared_ptr<const HeartbeatItems>;

bool is_same_item(const HeartbeatItem& a, const HeartbeatItem& b);

// Bits of a batch or reply.
inline bool has_bit(const ByteBuffer& bits, size_t i) {
  return i / 8 < bits.size() && (bits[i / 8] >> (i % 8) & 1) != 0;
}
inline void set_bit(ByteBuffer& bits, size_t i) {
  bits[i / 8] = static_cast<Byte>(bits[i / 8] | 1 << (i % 8));
}
ByteBuffer all_bits(size_t count);  // All set; those behind the last are clear.

// Fills full, changed and light of `batch`. `base` may be null: everything is full then.
void encode_list(const HeartbeatItems& list, const HeartbeatItems* base, HeartbeatBatch& batch);
// The list a batch stands for. The same list as `base` is the same object.
Result<HeartbeatList> decode_list(const HeartbeatBatch& batch, const HeartbeatList& base);

// Calls on_gone(item) and on_new(item) for what differs; an item that changed is gone and new.
template <typename OnGone, typename OnNew>
void compare_lists(const HeartbeatItems& before, const HeartbeatItems& after, const OnGone& on_gone,
                   const OnNew& on_new) {
  auto old = before.begin();
  auto now = after.begin();
  while (old != before.end() || now != after.end()) {
    const bool has_old = old != before.end() && (now == after.end() || old->group <= now->group);
    const bool has_now = now != after.end() && (old == before.end() || now->group <= old->group);
    const bool is_same = has_old && has_now && is_same_item(*old, *now);
    if (has_old && !is_same) on_gone(*old);
    if (has_now && !is_same) on_new(*now);
    if (has_old) ++old;
    if (has_now) ++now;
  }
}

}  // namespace worldline::replication
