#include "replication/node/heartbeat_list.h"

#include <algorithm>
#include <optional>

namespace worldline::replication {
namespace {

// Only commit and read context moved on.
bool is_advanced(const HeartbeatItem& base, const HeartbeatItem& item) {
  return item.from == base.from && item.to == base.to && item.term == base.term &&
         item.config_index == base.config_index && item.commit >= base.commit &&
         item.quiesce == base.quiesce;
}

// Item `place` of the base as the batch has it; nullopt: it is not in the batch.
std::optional<HeartbeatItem> item_of_base(const HeartbeatBatch& batch, const HeartbeatItem& base,
                                          size_t place, size_t& next_change) {
  const bool is_changed =
      next_change < batch.changed.size() && batch.changed[next_change].place == place;
  if (!is_changed && !has_bit(batch.light, place)) return std::nullopt;
  HeartbeatItem item = base;
  if (is_changed) {
    const HeartbeatDelta& delta = batch.changed[next_change++];
    item.commit.value += delta.commit_advance;
    item.read_ctx = delta.read_ctx;
  }
  return item;
}

bool is_ascending(const HeartbeatItems& items) {
  return std::adjacent_find(items.begin(), items.end(),
                            [](const HeartbeatItem& a, const HeartbeatItem& b) {
                              return a.group >= b.group;
                            }) == items.end();
}

Status validate(const HeartbeatBatch& batch, size_t base_count) {
  if (!is_ascending(batch.full)) return Status::invalid_argument("items are not ascending");
  for (size_t i = 0; i < batch.changed.size(); ++i) {
    const uint32_t place = batch.changed[i].place;
    const bool is_ordered = i == 0 || batch.changed[i - 1].place < place;
    if (!is_ordered || place >= base_count || has_bit(batch.light, place))
      return Status::invalid_argument("change {} of {} items is misplaced", place, base_count);
  }
  if (batch.light.size() > (base_count + 7) / 8)
    return Status::invalid_argument("{} bytes of bits for {} items", batch.light.size(),
                                    base_count);
  for (size_t i = base_count; i < batch.light.size() * 8; ++i)
    if (has_bit(batch.light, i)) return Status::invalid_argument("bit {} names no item", i);
  return Status::ok_status();
}

}  // namespace

bool is_same_item(const HeartbeatItem& a, const HeartbeatItem& b) {
  return a.group == b.group && a.from == b.from && a.to == b.to && a.term == b.term &&
         a.config_index == b.config_index && a.commit == b.commit && a.read_ctx == b.read_ctx &&
         a.quiesce == b.quiesce;
}

ByteBuffer all_bits(size_t count) {
  ByteBuffer bits((count + 7) / 8, 0xFF);
  if (count % 8 != 0) bits.back() = static_cast<Byte>((1u << (count % 8)) - 1);
  return bits;
}

void encode_list(const HeartbeatItems& list, const HeartbeatItems* base, HeartbeatBatch& batch) {
  batch.full.clear();
  batch.changed.clear();
  batch.light.clear();
  if (base == nullptr) {
    batch.full = list;
    return;
  }
  if (base == &list) {
    batch.light = all_bits(base->size());
    return;
  }
  batch.light.resize((base->size() + 7) / 8);
  size_t place = 0;
  for (const HeartbeatItem& item : list) {
    while (place < base->size() && (*base)[place].group < item.group) ++place;
    const bool is_known = place < base->size() && (*base)[place].group == item.group;
    if (!is_known || !is_advanced((*base)[place], item)) {
      batch.full.push_back(item);
    } else if (is_same_item((*base)[place], item)) {
      set_bit(batch.light, place);
    } else {
      batch.changed.push_back({static_cast<uint32_t>(place),
                               item.commit.value - (*base)[place].commit.value, item.read_ctx});
    }
  }
}

Result<HeartbeatList> decode_list(const HeartbeatBatch& batch, const HeartbeatList& base) {
  static const HeartbeatItems kNone;
  const HeartbeatItems& old = base ? *base : kNone;
  WL_RETURN_IF_ERROR(validate(batch, old.size()));
  const bool is_unchanged =
      base && batch.full.empty() && batch.changed.empty() && batch.light == all_bits(old.size());
  if (is_unchanged) return base;
  HeartbeatItems list;
  size_t next_full = 0;
  size_t next_change = 0;
  for (size_t place = 0; place < old.size(); ++place) {
    const GroupId group = old[place].group;
    while (next_full < batch.full.size() && batch.full[next_full].group < group)
      list.push_back(batch.full[next_full++]);
    const std::optional<HeartbeatItem> kept = item_of_base(batch, old[place], place, next_change);
    if (!kept) continue;
    if (next_full < batch.full.size() && batch.full[next_full].group == group)
      return Status::invalid_argument("group {} is in a batch twice", group.value);
    list.push_back(*kept);
  }
  list.insert(list.end(), batch.full.begin() + static_cast<std::ptrdiff_t>(next_full),
              batch.full.end());
  if (list.size() > kHeartbeatItemsMax)
    return Status::invalid_argument("a batch of {} items; the limit is {}", list.size(),
                                    kHeartbeatItemsMax);
  return std::make_shared<const HeartbeatItems>(std::move(list));
}

}  // namespace worldline::replication
