#include "actors/subscription.h"

#include <algorithm>
#include <utility>

#include <caf/send.hpp>

#include "actors/caf_types.h"

namespace worldline::actors {
namespace {

using SubscriptionSelf = caf::stateful_actor<SubscriptionState>*;

// Runs the reads of one desk in the pool of the node.
class PoolPort final : public ReadPort {
 public:
  PoolPort(ReaderPool& pool, caf::actor_addr desk) : pool_(pool), desk_(std::move(desk)) {}

  Status submit(PendingReadPtr read) override {
    // Weak: a read must not keep a retired desk.
    return pool_.submit(std::move(read), [desk = desk_](uint64_t id) {
      if (const auto actor = caf::actor_cast<caf::actor>(desk))
        caf::anon_send(actor, done_atom_v, id);
    });
  }

 private:
  ReaderPool& pool_;  // Borrowed; outlives the actors.
  const caf::actor_addr desk_;
};

void arm_timer(SubscriptionSelf self, const SubscriptionArgs& args) {
  const auto deadline = self->state.desk->next_deadline();
  if (!deadline || (self->state.timer && *self->state.timer <= *deadline)) return;
  self->state.timer = deadline;
  const auto now = args.clock->steady();
  self->delayed_send(self, std::max(*deadline, now) - now, due_atom_v);
}

void report(SubscriptionState& state, const SubscriptionArgs& args) {
  set(args.counters->sessions, state.desk->session_count());
  set(args.counters->query_sets, state.desk->query_set_count());
  set(args.counters->distinct_queries, state.desk->distinct_query_count());
  set(args.counters->clients_subscribed, state.desk->client_count());
  const DeliveryFigures& figures = state.desk->figures();
  set(args.counters->delta_queries_evaluated, figures.delta_queries_evaluated);
  set(args.counters->delta_queries_matched, figures.delta_queries_matched);
  set(args.counters->queries_subscribed, figures.queries_subscribed);
  set(args.counters->new_queries_subscribed, figures.new_queries_subscribed);
  set(args.counters->queries_evaluated_by_subscribe, figures.queries_evaluated_by_subscribe);
  set(args.counters->queries_evaluated_by_unsubscribe, figures.queries_evaluated_by_unsubscribe);
  set(args.counters->subscriptions, state.desk->subscription_count());
  for (size_t i = 0; i < figures.sent_bytes.size(); ++i)
    set(args.counters->sent_bytes[i], figures.sent_bytes[i]);
  if (auto hint = state.desk->take_snapshot_hint())
    args.host->push(SnapshotHintWork{std::move(*hint)});
}

void count_answers(SubscriptionState& state, const SubscriptionArgs& args) {
  const std::vector<AnswerMark> answered = state.desk->take_answered();
  if (answered.empty()) return;
  const auto now = args.clock->steady();
  for (const AnswerMark& one : answered)
    one.figures->answered.observe(
        static_cast<uint64_t>((now - one.arrived) / std::chrono::microseconds(1)));
}

}  // namespace

caf::behavior subscription_actor(SubscriptionSelf self, SubscriptionArgs args) {
  self->state.readers =
      std::make_unique<PoolPort>(*args.readers, caf::actor_cast<caf::actor_addr>(self));
  self->state.desk = std::make_unique<DeliveryDesk>(
      DeskParts{self->state.readers.get(), args.clock, args.read_limits});
  return {
      [self, args](const ExecutedBatchPtr& batch) {
        self->state.desk->execute(*batch);
        set(args.counters->held_batches, self->state.desk->held_count());
        report(self->state, args);
        count_answers(self->state, args);
        arm_timer(self, args);
      },
      [self, args](due_atom) {
        self->state.timer.reset();
        self->state.desk->expire(args.clock->steady());
        arm_timer(self, args);
      },
      [self, args](const CommitNotice& notice) {
        self->state.desk->committed(notice.proposal);
        set(args.counters->held_batches, self->state.desk->held_count());
        count_answers(self->state, args);
      },
      [self, args](const GroupFailure& failure) {
        self->state.desk->fail(failure.why);
        set(args.counters->held_batches, 0);
        report(self->state, args);
      },
      [self, args](done_atom, uint64_t read) {
        self->state.desk->on_read(read);
        report(self->state, args);
        arm_timer(self, args);
      },
      [self](retire_atom) {
        self->state.desk->retire();
        self->quit();
      },
  };
}

}  // namespace worldline::actors
