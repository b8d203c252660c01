#include "actors/catalog_desk.h"

#include <algorithm>
#include <utility>

namespace worldline::actors {

const storage::DatabaseRecord* CatalogIndex::find_database(const schema::Identity& database) const {
  const auto found = databases.find(database);
  return found == databases.end() ? nullptr : &found->second;
}

const storage::NameRecord* CatalogIndex::find_name(std::string_view name) const {
  const auto found = names.find(name);
  return found == names.end() ? nullptr : &found->second;
}

std::vector<std::string> CatalogIndex::names_of(const schema::Identity& database) const {
  std::vector<std::string> result;
  for (const auto& [name, record] : names)
    if (record.database == database) result.push_back(name);
  return result;
}

Result<storage::DatabaseRecord> CatalogIndex::resolve(const DatabaseRef& ref) const {
  std::optional<schema::Identity> identity = ref.identity;
  if (!identity) {
    const storage::NameRecord* const name = find_name(ref.name);
    if (name == nullptr) return Status::not_found("`{}` not found", ref.name);
    identity = name->database;
  }
  const storage::DatabaseRecord* const record = find_database(*identity);
  if (record == nullptr) return Status::not_found("No such database.");
  return *record;
}

CatalogDesk::CatalogDesk(CatalogDeskParts parts)
    : parts_(std::move(parts)),
      builder_(parts_.cluster_time_ns, parts_.clock->steady(), parts_.last_timestamp),
      checkpoint_pacer_(parts_.checkpoint_policy, storage::kCatalogGroup.value,
                        parts_.clock->steady()),
      last_timestamp_(parts_.last_timestamp) {
  parts_.state->continue_after(parts_.last_timestamp);
  checkpoint_pacer_.add_log(parts_.replayed_bytes);
}

Status CatalogDesk::lead(Term term) {
  term_ = term;
  WL_RETURN_IF_ERROR(parts_.state->prepare(parts_.clock->now()));
  propose_committed();
  publish();
  return {};
}

void CatalogDesk::propose_committed() {
  for (const auto& tx : parts_.state->take_committed()) {
    last_timestamp_ = std::max(last_timestamp_, tx->timestamp);
    checkpoint_pacer_.add_transactions(1);
    if (tx->consumed_offset) builder_.add(*tx);
  }
  if (builder_.empty()) return;
  proposed_ = proposed_.next();
  ProposalBatchPtr batch = make_proposal(
      storage::kCatalogGroup, term_, proposed_,
      builder_.seal(parts_.state->state().digest(), proposed_.value, parts_.clock->steady()));
  checkpoint_pacer_.add_log(batch->bytes);
  parts_.propose(std::move(batch));
  checkpoint_if_due(CheckpointPacer::Occasion::kRunning);
}

void CatalogDesk::write_last_checkpoint() {
  WL_CHECK(is_done());
  if (term_.value != 0) checkpoint_if_due(CheckpointPacer::Occasion::kShuttingDown);
}

// REQUIRES: everything that was executed is proposed.
void CatalogDesk::checkpoint_if_due(CheckpointPacer::Occasion occasion) {
  const auto now = parts_.clock->steady();
  const auto newest_bytes = [this] { return parts_.checkpoint_writer->newest_bytes(); };
  if (!checkpoint_pacer_.is_due(now, occasion, newest_bytes)) return;
  storage::CheckpointCut cut;
  cut.cluster_time_ns = builder_.cluster_time_ns();
  cut.last_timestamp = last_timestamp_;
  parts_.checkpoint(proposed_, CheckpointJob{storage::kCatalogGroup, parts_.checkpoint_writer,
                                             parts_.state->state().pin(), std::move(cut),
                                             checkpoint_pacer_.begin(now)});
}

void CatalogDesk::run(const Change& change, Callback<Status> done) {
  if (is_closed_) return done(Status::unavailable("the node is stopping"));
  if (term_.value == 0) return done(Status::unavailable("the catalog is not led here yet"));
  const Status outcome = change(*parts_.state, parts_.clock->now());
  propose_committed();
  if (!outcome.ok()) return done(outcome);
  held_.push_back({proposed_, std::move(done)});
  committed(committed_);
}

void CatalogDesk::committed(ProposalSeq proposal) {
  committed_ = std::max(committed_, proposal);
  if (held_.empty() || held_.front().depends_on > committed_) return;
  // Changes behind the committed ones may be executed already: publishing waits for them, so that
  // the index never shows what is not stable; their answers come with it.
  if (proposed_ <= committed_) publish();
  while (!held_.empty() && held_.front().depends_on <= committed_ && proposed_ <= committed_) {
    const Callback<Status> done = std::move(held_.front().done);
    held_.pop_front();
    done({});
  }
}

void CatalogDesk::publish() {
  auto index = std::make_shared<CatalogIndex>();
  for (auto& record : parts_.state->databases()) index->databases.emplace(record.database, record);
  for (auto& record : parts_.state->names()) index->names.emplace(record.name, record);
  parts_.board->publish(std::move(index));
}

}  // namespace worldline::actors
