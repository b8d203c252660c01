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

CatalogDesk::CatalogDesk(std::unique_ptr<storage::CatalogState> state,
                         storage::GroupAppender appender, storage::LogWriterQueue& queue,
                         CatalogBoard& board, const Clock& clock)
    : state_(std::move(state)),
      appender_(std::move(appender)),
      queue_(queue),
      board_(board),
      clock_(clock) {}

Status CatalogDesk::begin_term(const storage::LeaderInfo& leader) {
  const auto& state = state_->state();
  WL_RETURN_IF_ERROR(queue_
                         .push(appender_.begin_term({leader, clock_.now(), clock_.steady(),
                                                     state.next_offset(), state.digest()}))
                         .status());
  WL_RETURN_IF_ERROR(state_->prepare(clock_.now()));
  WL_RETURN_IF_ERROR(append_committed());
  publish();
  return {};
}

Status CatalogDesk::append_committed() {
  for (const auto& tx : state_->take_committed())
    if (tx->consumed_offset) appender_.add(*tx);
  if (appender_.empty()) return {};
  return queue_.push(appender_.seal(state_->state().digest(), clock_.steady())).status();
}

void CatalogDesk::run(const Change& change, Callback<Status> done) {
  if (is_closed_) return done(Status::unavailable("the node is stopping"));
  const Status outcome = change(*state_, clock_.now());
  const Status appended = append_committed();
  if (!appended.ok() || !outcome.ok()) {
    done(appended.ok() ? outcome : appended);
    return;
  }
  held_.push_back({appender_.last(), std::move(done)});
  committed(committed_);
}

void CatalogDesk::committed(LogIndex index) {
  committed_ = std::max(committed_, index);
  if (held_.empty() || held_.front().depends_on > committed_) return;
  // Changes behind the committed ones may be executed already: publishing waits for them, so that
  // the index never shows what is not stable; their answers come with it.
  if (appender_.last() <= committed_) publish();
  while (!held_.empty() && held_.front().depends_on <= committed_ &&
         appender_.last() <= committed_) {
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
