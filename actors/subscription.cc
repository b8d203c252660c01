#include "actors/subscription.h"

#include <utility>

#include "actors/caf_types.h"

namespace worldline::actors {
namespace {

void report(SubscriptionState& state, const SubscriptionArgs& args) {
  set(args.counters->sessions, state.desk.session_count());
  set(args.counters->query_sets, state.desk.query_set_count());
  set(args.counters->distinct_queries, state.desk.distinct_query_count());
  if (auto hint = state.desk.take_snapshot_hint())
    args.host->push(SnapshotHintWork{std::move(*hint)});
}

}  // namespace

caf::behavior subscription_actor(caf::stateful_actor<SubscriptionState>* self,
                                 SubscriptionArgs args) {
  return {
      [self, args = std::move(args)](const ExecutedBatchPtr& batch) {
        self->state.desk.execute(*batch);
        report(self->state, args);
      },
      [self](const CommitNotice& notice) { self->state.desk.committed(notice.proposal); },
      [self](retire_atom) { self->quit(); },
  };
}

}  // namespace worldline::actors
