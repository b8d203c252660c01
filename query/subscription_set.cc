#include "query/subscription_set.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "query/delta_evaluator.h"
#include "query/interest_index.h"
#include "query/row_block.h"
#include "query/row_limit.h"
#include "query/sql_parser.h"
#include "query/subscribed_query.h"
#include "storage/tx_data.h"

namespace worldline::query {
namespace {

using storage::ReadView;
using storage::TableDelta;
using storage::TxData;

// A query set that holds a distinct query, `copies` times under different spellings.
struct Subscriber {
  ClientHandle client;
  uint32_t query_set_id = 0;
  uint32_t copies = 1;

  auto order() const { return std::tuple(client, query_set_id); }
};

struct DistinctQuery {
  SubscribedQuery query;
  std::string key;
  std::vector<Subscriber> subscribers;  // Ascending, distinct; never empty once registered.

  // Scratch of the transaction being evaluated; `mark` says which one it belongs to.
  uint64_t mark = 0;
  bool all_rows = false;
  RowSelection selection;
};

struct SetEntry {
  std::string text;
  uint32_t slot = 0;
};

struct QuerySet {
  Caller caller;
  std::vector<SetEntry> entries;  // In query order, texts distinct.
};

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + "\"";
}

Status with_suffix(const Status& status, std::string_view sql) {
  return {status.code(), fmt::format("{}, executing: `{}`", status.message(), sql)};
}

// `SELECT * FROM *`: one query per user table the caller may read, event tables excluded.
std::vector<std::string> expand_everything(const ReadView& view, const Caller& caller) {
  std::vector<std::string> texts;
  for (const TableId id : view.table_ids()) {
    const storage::TableSchema& table = view.find_table(id)->schema();
    const bool readable = table.is_public || caller.caller_class == CallerClass::kOwner;
    if (table.is_system || table.is_event || !readable) continue;
    texts.push_back("SELECT * FROM " + quoted(table.name));
  }
  return texts;
}

}  // namespace

class SubscriptionSet::Impl {
 public:
  Result<std::vector<QueryPtr>> subscribe(const SubscribeRequest& request, const ReadView& view);
  Result<std::vector<QueryPtr>> unsubscribe(ClientHandle client, uint32_t query_set_id);
  void remove_client(ClientHandle client);
  std::vector<TableId> snapshot_tables() const { return interest_.joined_tables(); }
  bool needs_snapshot(const TxData& tx) const;
  TransactionUpdates evaluate(const TxData& tx, const ReadView* after);
  std::vector<SetFailure> recompile(const ReadView& view);
  void check_invariants() const;

  size_t client_count() const { return clients_.size(); }
  size_t query_set_count() const;
  size_t distinct_query_count() const { return by_key_.size(); }
  size_t subscription_count() const { return subscription_count_; }
  size_t evaluated_query_count() const { return touched_.size(); }

 private:
  struct Compiled {
    std::string text;
    QueryPtr query;
  };

  Result<std::vector<Compiled>> compile(const std::vector<std::string>& texts, const ReadView& view,
                                        const Caller& caller) const;
  void register_set(ClientHandle client, uint32_t query_set_id, const Caller& caller,
                    std::vector<Compiled> compiled, const ReadView& view);
  uint32_t find_or_add(const QueryPtr& query, const ReadView& view);
  void drop_set(ClientHandle client, uint32_t query_set_id, const QuerySet& set);
  void remove_set(ClientHandle client, uint32_t query_set_id);

  DistinctQuery& touch(uint32_t slot);
  void select_rows(const TableDelta& delta, const TableInterest& interest, const ReadView* after);
  Status evaluate_query(const DistinctQuery& distinct, const TxData& tx, const ReadView* after);
  void deliver(std::vector<std::pair<DeltaBlockPtr, uint32_t>> blocks, TransactionUpdates& out);
  void fail(const DistinctQuery& distinct, const Status& status, TransactionUpdates& out);
  void remove_failed_sets(TransactionUpdates& out);

  std::map<ClientHandle, std::map<uint32_t, QuerySet>> clients_;
  std::vector<std::unique_ptr<DistinctQuery>> slots_;  // Null: free.
  std::vector<uint32_t> free_slots_;
  std::unordered_map<std::string, uint32_t> by_key_;  // Normalised plan -> slot.
  InterestIndex interest_;

  size_t subscription_count_ = 0;  // INVARIANT: the entries of all sets.

  DeltaEvaluator evaluator_;
  std::vector<uint32_t> touched_;  // Slots of the transaction being evaluated.
  uint64_t mark_ = 0;
};

// ---- Subscribing -------------------------------------------------------------------------------

Result<std::vector<SubscriptionSet::Impl::Compiled>> SubscriptionSet::Impl::compile(
    const std::vector<std::string>& texts, const ReadView& view, const Caller& caller) const {
  std::vector<Compiled> compiled;
  for (const std::string& text : texts) {
    if (text.empty())
      return Status::invalid_argument("SubscriptionError: Empty string, executing: ``");
    auto query = compile_subscription(text, view, caller);
    if (!query.ok()) return with_suffix(query.status(), text);
    compiled.push_back({text, *std::move(query)});
  }
  return compiled;
}

Result<std::vector<QueryPtr>> SubscriptionSet::Impl::subscribe(const SubscribeRequest& request,
                                                               const ReadView& view) {
  const auto client = clients_.find(request.client);
  if (client != clients_.end() && client->second.count(request.query_set_id) > 0)
    return Status::already_exists("Subscription with id {} already exists for client: {}",
                                  request.query_set_id, request.client.value);
  if (request.queries.size() > kQueriesPerSetMax)
    return Status::overloaded("a query set has at most {} queries", kQueriesPerSetMax);
  if (client != clients_.end() && client->second.size() >= kQuerySetsPerClientMax)
    return Status::overloaded("a client has at most {} query sets", kQuerySetsPerClientMax);
  std::vector<std::string> texts, plain;
  for (const std::string& query : request.queries) {
    if (is_select_everything(query)) {
      for (auto& text : expand_everything(view, request.caller)) texts.push_back(std::move(text));
    } else {
      plain.emplace_back(trim(query));
    }
  }
  std::move(plain.begin(), plain.end(), std::back_inserter(texts));
  std::set<std::string_view> seen;
  std::vector<std::string> distinct;
  for (const std::string& text : texts)
    if (seen.insert(text).second) distinct.push_back(text);

  WL_ASSIGN_OR_RETURN(std::vector<Compiled> compiled, compile(distinct, view, request.caller));
  uint64_t estimate = 0;
  std::vector<QueryPtr> queries;
  for (const Compiled& one : compiled) {
    queries.push_back(one.query);
    if (by_key_.count(std::string(as_text(one.query->key))) > 0) continue;
    if (__builtin_add_overflow(estimate, one.query->estimated_scan, &estimate))
      estimate = UINT64_MAX;
  }
  WL_RETURN_IF_ERROR(check_row_limit(estimate, view, request.caller));
  register_set(request.client, request.query_set_id, request.caller, std::move(compiled), view);
  return queries;
}

uint32_t SubscriptionSet::Impl::find_or_add(const QueryPtr& query, const ReadView& view) {
  std::string key(as_text(query->key));
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) return known->second;
  auto distinct = std::make_unique<DistinctQuery>();
  distinct->query = make_subscribed_query(query, view);
  distinct->key = key;
  uint32_t slot = static_cast<uint32_t>(slots_.size());
  if (free_slots_.empty()) {
    slots_.push_back(nullptr);
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  interest_.add(distinct->query, slot);
  slots_[slot] = std::move(distinct);
  by_key_.emplace(std::move(key), slot);
  return slot;
}

void SubscriptionSet::Impl::register_set(ClientHandle client, uint32_t query_set_id,
                                         const Caller& caller, std::vector<Compiled> compiled,
                                         const ReadView& view) {
  QuerySet set{caller, {}};
  for (Compiled& one : compiled) {
    const uint32_t slot = find_or_add(one.query, view);
    auto& subscribers = slots_[slot]->subscribers;
    const Subscriber subscriber{client, query_set_id, 1};
    const auto at = std::lower_bound(
        subscribers.begin(), subscribers.end(), subscriber,
        [](const Subscriber& a, const Subscriber& b) { return a.order() < b.order(); });
    if (at != subscribers.end() && at->order() == subscriber.order()) {
      ++at->copies;
    } else {
      subscribers.insert(at, subscriber);
    }
    set.entries.push_back({std::move(one.text), slot});
  }
  subscription_count_ += set.entries.size();
  clients_[client].emplace(query_set_id, std::move(set));
}

// ---- Unsubscribing -----------------------------------------------------------------------------

Result<std::vector<QueryPtr>> SubscriptionSet::Impl::unsubscribe(ClientHandle client,
                                                                 uint32_t query_set_id) {
  const auto known = clients_.find(client);
  if (known == clients_.end()) return Status::not_found("Client not found: {}", client.value);
  const auto set = known->second.find(query_set_id);
  if (set == known->second.end())
    return Status::not_found("Subscription not found: {}", query_set_id);
  std::vector<QueryPtr> queries;
  for (const SetEntry& entry : set->second.entries)
    queries.push_back(slots_[entry.slot]->query.query);
  remove_set(client, query_set_id);
  return queries;
}

// Takes the set out of its queries; queries without subscribers go.
void SubscriptionSet::Impl::drop_set(ClientHandle client, uint32_t query_set_id,
                                     const QuerySet& set) {
  subscription_count_ -= set.entries.size();
  for (const SetEntry& entry : set.entries) {
    DistinctQuery& distinct = *slots_[entry.slot];
    const Subscriber subscriber{client, query_set_id, 1};
    const auto at = std::lower_bound(
        distinct.subscribers.begin(), distinct.subscribers.end(), subscriber,
        [](const Subscriber& a, const Subscriber& b) { return a.order() < b.order(); });
    WL_CHECK(at != distinct.subscribers.end() && at->order() == subscriber.order());
    if (--at->copies > 0) continue;
    distinct.subscribers.erase(at);
    if (!distinct.subscribers.empty()) continue;
    interest_.remove(distinct.query, entry.slot);
    by_key_.erase(distinct.key);
    slots_[entry.slot].reset();
    free_slots_.push_back(entry.slot);
  }
}

void SubscriptionSet::Impl::remove_set(ClientHandle client, uint32_t query_set_id) {
  const auto known = clients_.find(client);
  const auto set = known->second.find(query_set_id);
  drop_set(client, query_set_id, set->second);
  known->second.erase(set);
  if (known->second.empty()) clients_.erase(known);
}

void SubscriptionSet::Impl::remove_client(ClientHandle client) {
  const auto known = clients_.find(client);
  if (known == clients_.end()) return;
  for (const auto& [id, set] : known->second) drop_set(client, id, set);
  clients_.erase(known);
}

// ---- Transactions ------------------------------------------------------------------------------

bool SubscriptionSet::Impl::needs_snapshot(const TxData& tx) const {
  bool needed = false;
  for (const TableDelta& delta : tx.tables) {
    const TableInterest* interest = interest_.find(delta.table);
    if (interest == nullptr || !interest->has_joins()) continue;
    const auto look = [&](const Occurrence& occurrence) {
      if (needed || !occurrence.is_join) return;
      needed =
          DeltaEvaluator::reads_state(slots_[occurrence.slot]->query, occurrence.relation, delta);
    };
    if (interest->has_edges()) return true;
    for (const Occurrence& occurrence : interest->always()) look(occurrence);
    if (!interest->has_conditions()) continue;
    for (size_t i = 0; i < delta.inserts.size() && !needed; ++i)
      interest->for_each_hit(delta.inserts[i], look);
    for (size_t i = 0; i < delta.deletes.size() && !needed; ++i)
      interest->for_each_hit(delta.deletes[i], look);
    if (needed) return true;
  }
  return needed;
}

DistinctQuery& SubscriptionSet::Impl::touch(uint32_t slot) {
  DistinctQuery& distinct = *slots_[slot];
  if (distinct.mark == mark_) return distinct;
  distinct.mark = mark_;
  distinct.all_rows = false;
  distinct.selection.inserts.clear();
  distinct.selection.deletes.clear();
  touched_.push_back(slot);
  return distinct;
}

void SubscriptionSet::Impl::select_rows(const TableDelta& delta, const TableInterest& interest,
                                        const ReadView* after) {
  for (const Occurrence& occurrence : interest.always()) touch(occurrence.slot).all_rows = true;
  if (interest.has_edges()) {
    const auto on_hit = [&](const Occurrence& occurrence) { touch(occurrence.slot); };
    // Without the state every edge may lead to its queries; those that read it will fail.
    if (after == nullptr) interest.for_each_edge_occurrence(on_hit);
    for (size_t i = 0; after != nullptr && i < delta.inserts.size(); ++i)
      interest.for_each_edge_hit(delta.inserts[i], *after, on_hit);
    for (size_t i = 0; after != nullptr && i < delta.deletes.size(); ++i)
      interest.for_each_edge_hit(delta.deletes[i], *after, on_hit);
  }
  if (!interest.has_conditions()) return;
  for (uint32_t i = 0; i < delta.inserts.size(); ++i)
    interest.for_each_hit(delta.inserts[i], [&](const Occurrence& occurrence) {
      touch(occurrence.slot).selection.inserts.push_back(i);
    });
  for (uint32_t i = 0; i < delta.deletes.size(); ++i)
    interest.for_each_hit(delta.deletes[i], [&](const Occurrence& occurrence) {
      touch(occurrence.slot).selection.deletes.push_back(i);
    });
}

Status SubscriptionSet::Impl::evaluate_query(const DistinctQuery& distinct, const TxData& tx,
                                             const ReadView* after) {
  const SubscribedQuery& query = distinct.query;
  const TableDelta* first = tx.find_table(query.relation(0).schema->id);
  if (query.is_join())
    return evaluator_.evaluate_join(query, first, tx.find_table(query.relation(1).schema->id),
                                    after);
  if (distinct.all_rows) return evaluator_.evaluate(query, *first);
  return evaluator_.evaluate(query, *first, distinct.selection);
}

TransactionUpdates SubscriptionSet::Impl::evaluate(const TxData& tx, const ReadView* after) {
  ++mark_;
  touched_.clear();
  for (const TableDelta& delta : tx.tables)
    if (const TableInterest* interest = interest_.find(delta.table))
      select_rows(delta, *interest, after);
  TransactionUpdates out;
  if (touched_.empty()) return out;
  std::vector<std::pair<DeltaBlockPtr, uint32_t>> blocks;  // With the slot of the query.
  for (const uint32_t slot : touched_) {
    const DistinctQuery& distinct = *slots_[slot];
    if (Status status = evaluate_query(distinct, tx, after); !status.ok()) {
      fail(distinct, status, out);
      continue;
    }
    if (evaluator_.inserts().empty() && evaluator_.deletes().empty()) continue;
    const auto kind =
        distinct.query.delivers_events() ? DeltaBlock::Kind::kEvent : DeltaBlock::Kind::kPersistent;
    blocks.emplace_back(make_delta_block(distinct.query.table_name(), kind, evaluator_.inserts(),
                                         evaluator_.deletes()),
                        slot);
  }
  deliver(std::move(blocks), out);
  if (!out.failures.empty()) remove_failed_sets(out);
  return out;
}

void SubscriptionSet::Impl::deliver(std::vector<std::pair<DeltaBlockPtr, uint32_t>> blocks,
                                    TransactionUpdates& out) {
  // Blocks in order of table name: then their numbers order the blocks of one set.
  std::stable_sort(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) {
    return a.first->table_name < b.first->table_name;
  });
  for (auto& [block, slot] : blocks) {
    const auto number = static_cast<uint32_t>(out.blocks.size());
    for (const Subscriber& subscriber : slots_[slot]->subscribers)
      for (uint32_t copy = 0; copy < subscriber.copies; ++copy)
        out.deliveries.push_back({subscriber.client, subscriber.query_set_id, number});
    out.blocks.push_back(std::move(block));
  }
  if (out.blocks.size() < 2) return;  // The subscribers of one query are in order.
  std::sort(out.deliveries.begin(), out.deliveries.end(), [](const Delivery& a, const Delivery& b) {
    return std::tuple(a.client, a.query_set_id, a.block) <
           std::tuple(b.client, b.query_set_id, b.block);
  });
}

void SubscriptionSet::Impl::fail(const DistinctQuery& distinct, const Status& status,
                                 TransactionUpdates& out) {
  for (const Subscriber& subscriber : distinct.subscribers)
    out.failures.push_back({subscriber.client, subscriber.query_set_id, status.message()});
}

void SubscriptionSet::Impl::remove_failed_sets(TransactionUpdates& out) {
  const auto order = [](const auto& item) { return std::tuple(item.client, item.query_set_id); };
  std::stable_sort(out.failures.begin(), out.failures.end(),
                   [&](const auto& a, const auto& b) { return order(a) < order(b); });
  const auto same = [&](const auto& a, const auto& b) { return order(a) == order(b); };
  out.failures.erase(std::unique(out.failures.begin(), out.failures.end(), same),
                     out.failures.end());
  const auto has_failed = [&](const Delivery& delivery) {
    const auto at = std::lower_bound(
        out.failures.begin(), out.failures.end(), delivery,
        [&](const SetFailure& a, const Delivery& b) { return order(a) < order(b); });
    return at != out.failures.end() && order(*at) == order(delivery);
  };
  std::erase_if(out.deliveries, has_failed);
  for (const SetFailure& failure : out.failures) remove_set(failure.client, failure.query_set_id);
}

// ---- Upkeep ------------------------------------------------------------------------------------

std::vector<SetFailure> SubscriptionSet::Impl::recompile(const ReadView& view) {
  const auto clients = std::exchange(clients_, {});
  slots_.clear();
  free_slots_.clear();
  by_key_.clear();
  interest_ = InterestIndex();
  std::vector<SetFailure> failures;
  for (const auto& [client, sets] : clients) {
    for (const auto& [id, set] : sets) {
      std::vector<std::string> texts;
      for (const SetEntry& entry : set.entries) texts.push_back(entry.text);
      auto compiled = compile(texts, view, set.caller);
      if (compiled.ok()) {
        register_set(client, id, set.caller, *std::move(compiled), view);
      } else {
        failures.push_back({client, id, compiled.status().message()});
      }
    }
  }
  return failures;
}

size_t SubscriptionSet::Impl::query_set_count() const {
  size_t count = 0;
  for (const auto& [client, sets] : clients_) count += sets.size();
  return count;
}

void SubscriptionSet::Impl::check_invariants() const {
  size_t references = 0, subscriptions = 0;
  for (const auto& [client, sets] : clients_) {
    WL_CHECK(!sets.empty());
    for (const auto& [id, set] : sets) {
      for (const SetEntry& entry : set.entries) WL_CHECK(slots_[entry.slot] != nullptr);
      references += set.entries.size();
    }
  }
  for (const auto& [key, slot] : by_key_) {
    const DistinctQuery& distinct = *slots_[slot];
    WL_CHECK(distinct.key == key && !distinct.subscribers.empty());
    for (size_t i = 0; i < distinct.subscribers.size(); ++i) {
      subscriptions += distinct.subscribers[i].copies;
      if (i > 0) WL_CHECK(distinct.subscribers[i - 1].order() < distinct.subscribers[i].order());
    }
  }
  WL_CHECK(references == subscriptions);
  WL_CHECK(by_key_.size() + free_slots_.size() == slots_.size());
}

// ---- The public face ---------------------------------------------------------------------------

SubscriptionSet::SubscriptionSet() : impl_(std::make_unique<Impl>()) {}
SubscriptionSet::~SubscriptionSet() = default;

Result<std::vector<QueryPtr>> SubscriptionSet::subscribe(const SubscribeRequest& request,
                                                         const ReadView& view) {
  return impl_->subscribe(request, view);
}

Result<std::vector<QueryPtr>> SubscriptionSet::unsubscribe(ClientHandle client,
                                                           uint32_t query_set_id) {
  return impl_->unsubscribe(client, query_set_id);
}

void SubscriptionSet::remove_client(ClientHandle client) {
  impl_->remove_client(client);
}

std::vector<TableId> SubscriptionSet::snapshot_tables() const {
  return impl_->snapshot_tables();
}

bool SubscriptionSet::needs_snapshot(const TxData& tx) const {
  return impl_->needs_snapshot(tx);
}

TransactionUpdates SubscriptionSet::evaluate(const TxData& tx, const ReadView* after) {
  return impl_->evaluate(tx, after);
}

std::vector<SetFailure> SubscriptionSet::recompile(const ReadView& view) {
  return impl_->recompile(view);
}

size_t SubscriptionSet::client_count() const {
  return impl_->client_count();
}

size_t SubscriptionSet::query_set_count() const {
  return impl_->query_set_count();
}

size_t SubscriptionSet::distinct_query_count() const {
  return impl_->distinct_query_count();
}

size_t SubscriptionSet::subscription_count() const {
  return impl_->subscription_count();
}

size_t SubscriptionSet::evaluated_query_count() const {
  return impl_->evaluated_query_count();
}

void SubscriptionSet::check_invariants() const {
  impl_->check_invariants();
}

}  // namespace worldline::query
