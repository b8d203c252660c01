#include "replication/node/heartbeat_sender.h"

#include <algorithm>
#include <utility>

namespace worldline::replication {
namespace {

// What a set bit stands for.
HeartbeatAnswer ok_answer(uint32_t place, const HeartbeatItem& item) {
  return {place,         HeartbeatStatus::kOk, item.term,  item.config_index,
          item.read_ctx, item.commit,          item.commit};
}

// Answers ascending, none for an item whose bit is set. An item may have neither: its group could
// not answer yet.
bool is_well_formed(const HeartbeatReply& reply, size_t item_count) {
  if (reply.item_count != item_count || reply.ok.size() != (item_count + 7) / 8) return false;
  for (size_t i = 0; i < reply.answers.size(); ++i) {
    const uint32_t place = reply.answers[i].place;
    const bool is_ordered = i == 0 || reply.answers[i - 1].place < place;
    if (!is_ordered || place >= item_count || has_bit(reply.ok, place)) return false;
  }
  return true;
}

}  // namespace

void HeartbeatSender::offer(const HeartbeatItem& item) {
  if (standing_.erase(item.group) != 0) is_changed_ = true;
  if (offered_.size() + standing_.size() >= kHeartbeatItemsMax && !offered_.contains(item.group))
    return;  // Its follower's timer runs on; a node is limited to fewer groups than that.
  offered_.insert_or_assign(item.group, item);
}

void HeartbeatSender::stand(const HeartbeatItem& item) {
  offered_.erase(item.group);
  const auto [it, is_new] = standing_.try_emplace(item.group, item);
  if (!is_new && is_same_item(it->second, item)) return;
  it->second = item;
  is_changed_ = true;
}

void HeartbeatSender::withdraw(GroupId group) {
  offered_.erase(group);
  if (standing_.erase(group) != 0) is_changed_ = true;
}

void HeartbeatSender::stop_standing(GroupId group) {
  const auto found = standing_.find(group);
  if (found == standing_.end()) return;
  offer(HeartbeatItem(found->second));
}

std::vector<GroupId> HeartbeatSender::standing() const {
  std::vector<GroupId> groups;
  for (const auto& [group, item] : standing_) groups.push_back(group);
  return groups;
}

HeartbeatBatch HeartbeatSender::make_batch(NodeHeader header) {
  if (sent_.size() > kUnansweredMax) start_afresh();
  Sent next;
  next.seq = ++seq_;
  next.monotonic_ns = header.monotonic_ns;
  next.list = next_list(next.offers);
  HeartbeatBatch batch;
  batch.header = std::move(header);
  batch.seq = seq_;
  batch.base_seq = has_base_ ? sent_.front().seq : 0;
  encode_list(*next.list, has_base_ ? sent_.front().list.get() : nullptr, batch);
  last_ = next.list;
  sent_.push_back(std::move(next));
  return batch;
}

HeartbeatList HeartbeatSender::next_list(std::vector<uint32_t>& offers) {
  if (offered_.empty() && !is_changed_ && last_ != nullptr) return last_;
  HeartbeatItems items;
  items.reserve(offered_.size() + standing_.size());
  auto standing = standing_.begin();
  const auto take_standing_below = [&](GroupId group) {
    for (; standing != standing_.end() && standing->first < group; ++standing)
      items.push_back(standing->second);
  };
  for (const auto& [group, item] : offered_) {
    take_standing_below(group);
    offers.push_back(static_cast<uint32_t>(items.size()));
    items.push_back(item);
  }
  for (; standing != standing_.end(); ++standing) items.push_back(standing->second);
  is_changed_ = !offered_.empty();
  offered_.clear();
  return std::make_shared<const HeartbeatItems>(std::move(items));
}

HeartbeatSender::Answers HeartbeatSender::on_reply(const HeartbeatReply& reply) {
  Answers answers;
  const auto found = std::find_if(sent_.begin(), sent_.end(), [&reply](const Sent& sent) {
    return sent.seq == reply.seq_echo && sent.monotonic_ns == reply.monotonic_ns_echo;
  });
  if (found == sent_.end() || (has_base_ && found == sent_.begin())) return answers;
  const HeartbeatItems& list = *found->list;
  if (!is_well_formed(reply, list.size())) {
    start_afresh();
    return answers;
  }
  answers.is_valid = true;
  for (const uint32_t place : found->offers) {
    if (has_bit(reply.ok, place))
      answers.given.push_back({list[place], ok_answer(place, list[place])});
  }
  for (const HeartbeatAnswer& answer : reply.answers)
    answers.given.push_back({list[answer.place], answer});
  find_silent(list, reply, answers);
  sent_.erase(sent_.begin(), found);
  has_base_ = true;
  return answers;
}

void HeartbeatSender::find_silent(const HeartbeatItems& list, const HeartbeatReply& reply,
                                  Answers& answers) const {
  size_t next_answer = 0;
  for (size_t place = 0; place < list.size(); ++place) {
    // Eight set bits at once: in a quiet cluster nearly all are.
    if (place % 8 == 0 && reply.ok[place / 8] == 0xFF) {
      place += 7;
      continue;
    }
    if (has_bit(reply.ok, place)) continue;
    if (next_answer < reply.answers.size() && reply.answers[next_answer].place == place) {
      ++next_answer;
    } else if (standing_.contains(list[place].group)) {
      answers.silent.push_back(list[place].group);
    }
  }
}

void HeartbeatSender::start_afresh() {
  sent_.clear();
  has_base_ = false;
}

}  // namespace worldline::replication
