// replication/node/heartbeat_sender.h
//
// HeartbeatSender writes one batch per peer and interval from what this node's leaders would say
// one by one [S 08/3.2]. A leader offers its heartbeat for the next batch; one whose follower has
// everything and whose group is idle leaves a standing offer and need not be asked again.
//
// Invariants: a batch is coded against a list that the peer confirmed; without one, or with too
// many
//   batches unanswered, everything is full. Standing offers end with withdraw().
// Ownership: one RaftNode, one per peer. Limits: kHeartbeatItemsMax items, kUnansweredMax lists.
// Cost of a batch: O(items / 8) if nothing changed, else O(items).
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "replication/node/heartbeat_list.h"

namespace worldline::replication {

// An answer for one group, with the item it answers.
struct ItemAnswer {
  HeartbeatItem item;
  HeartbeatAnswer answer;
};

class HeartbeatSender {
 public:
  static constexpr size_t kUnansweredMax = 16;  // More than a second of silence.

  // The leader of item.group says this in the next batch.
  void offer(const HeartbeatItem& item);
  // And in every one from now on.
  void stand(const HeartbeatItem& item);
  // Ends both kinds of offer: not led here any more, asleep, awake again, or no member there.
  void withdraw(GroupId group);
  // The standing offer becomes one for the next batch only.
  void stop_standing(GroupId group);
  bool is_standing(GroupId group) const { return standing_.contains(group); }
  std::vector<GroupId> standing() const;  // Ascending.

  // The next batch, with this header.
  HeartbeatBatch make_batch(NodeHeader header);

  struct Answers {
    bool is_valid = false;  // Of a batch we wait for, and well formed.
    std::vector<ItemAnswer>
        given;                    // For offers of that batch, and standing items with more than ok.
    std::vector<GroupId> silent;  // Standing, but not answered. All others were: ok.
  };
  // A reply that makes no sense, or says that the peer knows no base, ends the base.
  Answers on_reply(const HeartbeatReply& reply);
  // The peer began a new life or its stream broke: nothing it knew counts.
  void start_afresh();

 private:
  struct Sent {
    uint64_t seq = 0;
    uint64_t monotonic_ns = 0;
    HeartbeatList list;
    std::vector<uint32_t> offers;  // Places of items that were offered for this batch only.
  };
  HeartbeatList next_list(std::vector<uint32_t>& offers);
  void find_silent(const HeartbeatItems& list, const HeartbeatReply& reply, Answers& answers) const;

  std::map<GroupId, HeartbeatItem> offered_;
  std::map<GroupId, HeartbeatItem> standing_;
  bool is_changed_ = true;  // standing_ since the last list, or that list had offers.
  HeartbeatList last_;      // Of the newest batch.
  std::deque<Sent> sent_;   // The confirmed one, then those not answered; ascending.
  bool has_base_ = false;   // sent_.front() is confirmed.
  uint64_t seq_ = 0;
};

}  // namespace worldline::replication
