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

CatalogDesk::CatalogDesk(std::unique_ptr<storage::CatalogState> state, uint64_t cluster_time_ns,
                         Propose propose, CatalogBoard& board, const Clock& clock)
    : state_(std::move(state)),
      builder_(cluster_time_ns, clock.steady()),
      propose_(std::move(propose)),
      board_(board),
      clock_(clock) {}

Status CatalogDesk::lead(Term term) {
  term_ = term;
  WL_RETURN_IF_ERROR(state_->prepare(clock_.now()));
  propose_committed();
  publish();
  return {};
}

void CatalogDesk::propose_committed() {
  for (const auto& tx : state_->take_committed())
    if (tx->consumed_offset) builder_.add(*tx);
  if (builder_.empty()) return;
  proposed_ = proposed_.next();
  propose_(
      make_proposal(storage::kCatalogGroup, term_, proposed_,
                    builder_.seal(state_->state().digest(), proposed_.value, clock_.steady())));
}

void CatalogDesk::run(const Change& change, Callback<Status> done) {
  if (is_closed_) return done(Status::unavailable("the node is stopping"));
  if (term_.value == 0) return done(Status::unavailable("the catalog is not led here yet"));
  const Status outcome = change(*state_, clock_.now());
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
  for (auto& record : state_->databases()) index->databases.emplace(record.database, record);
  for (auto& record : state_->names()) index->names.emplace(record.name, record);
  board_.publish(std::move(index));
}

}  // namespace worldline::actors
