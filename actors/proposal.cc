#include "actors/proposal.h"

#include <utility>

namespace worldline::actors {

ProposalBatchPtr make_proposal(GroupId group, Term term, ProposalSeq seq,
                               std::vector<storage::EntryDraft> drafts) {
  auto batch = std::make_shared<ProposalBatch>();
  batch->group = group;
  batch->term = term;
  batch->seq = seq;
  for (storage::EntryDraft& draft : drafts) {
    batch->bytes += draft.payload->size();
    batch->entries.push_back({draft.kind, std::move(draft.payload), draft.transactions});
  }
  return batch;
}

}  // namespace worldline::actors
