// actors/proposal.h
//
// What crosses between whoever executes a group's work (module host, catalog) and the replication
// actor: proposals one way, leadership and commits the other way.
//
// Invariants: proposals of a group are numbered from 1 in the order of execution; each carries the
//   term its effects were computed for, so that nothing of a lost leadership is ever appended.
// Thread: frozen batches and callbacks that only post messages.
// Sources: architecture 3, [S 08/4.2], [S 08/4.4].
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "actors/executed_batch.h"
#include "base/status.h"
#include "replication/raft_core.h"
#include "storage/log/bundle_builder.h"

namespace worldline::actors {

// One drain of one database: all its entries or none are appended.
struct ProposalBatch {
  GroupId group;
  Term term;
  ProposalSeq seq;
  std::vector<replication::Proposal> entries;
  size_t bytes = 0;  // Of the payloads.
};
using ProposalBatchPtr = std::shared_ptr<const ProposalBatch>;

ProposalBatchPtr make_proposal(GroupId group, Term term, ProposalSeq seq,
                               std::vector<storage::EntryDraft> drafts);

// How a group's executor is told. Called on the replication actor's thread; must only post.
struct GroupListener {
  // This replica leads `term`, its barrier is committed and everything before it applied: the lane
  // may open [S 08/4.4].
  std::function<void(Term)> leading;
  // Committed and applied: what was held back for it may leave.
  std::function<void(ProposalSeq)> committed;
  // The group is not to be had here: it could not be opened, or a broken invariant stopped it.
  std::function<void(const Status&)> failed;
};

}  // namespace worldline::actors
