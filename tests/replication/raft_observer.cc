#include "tests/replication/raft_observer.h"

#include <utility>

#include <fmt/core.h>

#include "tests/replication/raft_trace.h"

namespace worldline::replication::testing {

void RaftObserver::look(const RaftCore& core, const DurableAt& durable_at) {
  if (core.is_stopped()) return;
  look_at_leader(core);
  look_at_log(core);
  look_at_commit(core, durable_at);
  look_at_configs(core);
}

void RaftObserver::on_applied(ReplicaId replica, const Entry& entry) {
  const auto [known, is_new] = applied_.emplace(entry.index, entry.chain);
  if (!is_new && known->second != entry.chain)
    find(fmt::format("I-6: replica {} applied another {}", replica.value, print(entry)));
}

std::vector<std::string> RaftObserver::take_findings() {
  return std::exchange(findings_, {});
}

void RaftObserver::look_at_leader(const RaftCore& core) {
  if (core.role() != RoleKind::kLeader) return;
  const ReplicaId self = core.config().self.replica;
  const auto [known, is_new] = leaders_.emplace(core.term(), self);
  if (known->second != self)
    find(fmt::format("I-1: replicas {} and {} lead term {}", known->second.value, self.value,
                     core.term().value));
  if (!is_new) return;
  for (const auto& [index, id] : committed_) {
    if (id.term >= core.term() || index < core.log().boundary().id.index) continue;
    if (!core.log().has(index) || core.log().term_at(index) != id.term)
      find(fmt::format("I-5: replica {} leads term {} without the committed {}", self.value,
                       core.term().value, print(id)));
  }
}

void RaftObserver::look_at_log(const RaftCore& core) {
  const RaftLog& log = core.log();
  Seen& seen = seen_[core.config().self.replica];
  const bool is_seen =
      seen.last == log.last() && seen.last_chain == log.last_chain() && seen.first <= log.first();
  if (is_seen) return;
  seen.first = log.first();
  seen.last = log.last();
  seen.last_chain = log.last_chain();
  for (LogIndex i = log.first(); i <= log.last(); i = i.next()) {
    const EntryId id{log.term_at(i), i};
    const auto known = chains_.emplace(id, log.chain_at(i)).first;
    if (known->second != log.chain_at(i))
      find(fmt::format("I-2: replica {} has another history behind {}",
                       core.config().self.replica.value, print(id)));
  }
}

void RaftObserver::look_at_commit(const RaftCore& core, const DurableAt& durable_at) {
  const RaftLog& log = core.log();
  const bool leads = core.role() == RoleKind::kLeader;
  const LogIndex commit = core.commit();
  Seen& seen = seen_[core.config().self.replica];
  const Chain chain = log.has(commit) ? log.chain_at(commit) : Chain{};
  if (seen.commit == commit && seen.commit_chain == chain) return;
  seen.commit = commit;
  seen.commit_chain = chain;
  for (LogIndex i = log.first(); i <= core.commit(); i = i.next()) {
    const EntryId id{log.term_at(i), i};
    const auto [known, is_new] = committed_.emplace(i, id);
    if (known->second != id)
      find(fmt::format("I-6: replica {} committed {} instead of {}",
                       core.config().self.replica.value, print(id), print(known->second)));
    if (!is_new || !leads) continue;
    // The commit was decided by this leader with the config in force [S 08/1.9].
    const bool is_durable =
        joint_majority(log.config(), [&](ReplicaId replica) { return durable_at(replica, id); });
    if (!is_durable)
      find(fmt::format("I-7: leader {} committed {} without a durable majority",
                       core.config().self.replica.value, print(id)));
  }
}

// A new leader may not know that the first of the two is committed; whoever sees all does.
void RaftObserver::look_at_configs(const RaftCore& core) {
  const ConfigAt* before = core.log().config_before_last();
  if (core.role() != RoleKind::kLeader || before == nullptr || committed_.empty()) return;
  if (before->index > committed_.rbegin()->first)
    find(fmt::format("I-15: replica {} leads with the configs of entries {} and {} uncommitted",
                     core.config().self.replica.value, before->index.value,
                     core.log().config_index().value));
}

}  // namespace worldline::replication::testing
