#include "actors/delivery_desk.h"

#include <algorithm>
#include <utility>

#include "actors/update_encoder.h"
#include "base/check.h"
#include "schema/protocol/server_encoder.h"
#include "storage/read_view.h"
#include "storage/snapshot.h"
#include "storage/tx_data.h"

namespace worldline::actors {
namespace {

query::ClientHandle client_of(SessionId session) {
  return query::ClientHandle(session.value);
}
SessionId session_of(query::ClientHandle client) {
  return SessionId(client.value);
}

constexpr uint16_t kCloseInternalError = 1011;

// True if both batches are made of the very same shared pieces.
bool same_bytes(const OutboundBatch& a, const OutboundBatch& b) {
  return a.message_ends == b.message_ends &&
         std::equal(a.pieces.begin(), a.pieces.end(), b.pieces.begin(), b.pieces.end(),
                    [](const OutboundPiece& x, const OutboundPiece& y) {
                      return x.bytes == y.bytes && x.begin == y.begin && x.end == y.end;
                    });
}

void append_rows(const std::vector<query::RowBlock>& blocks, OutboxBuilder& outbox) {
  for (const auto& block : blocks) outbox.splice(block.encoded);
}

}  // namespace

const char* sent_for_name(SentFor what) {
  switch (what) {
    case SentFor::kReducer:
      return "Reducer";
    case SentFor::kUpdate:
      return "Update";
    case SentFor::kSubscribe:
      return "Subscribe";
    case SentFor::kUnsubscribe:
      return "Unsubscribe";
    case SentFor::kSql:
      return "Sql";
    case SentFor::kProcedure:
      return "Procedure";
  }
  return "Internal";
}

void DeliveryDesk::execute(const ExecutedBatch& batch) {
  WL_CHECK(held_.empty() || held_.back().depends_on <= batch.depends_on);
  building_ = Held{batch.depends_on, {}, {}, {}, {}, {}};
  for (const auto& item : batch.items) std::visit([this](const auto& one) { on(one); }, item);
  collect_outboxes();
  held_.push_back(std::move(building_));
  committed(committed_);
}

void DeliveryDesk::committed(ProposalSeq proposal) {
  committed_ = std::max(committed_, proposal);
  while (!held_.empty() && held_.front().depends_on <= committed_) {
    Held ready = std::move(held_.front());
    held_.pop_front();
    release(ready);
  }
}

void DeliveryDesk::release(Held& held) {
  impatient_count_ -= held.impatient.size();
  for (const Reply& reply : held.replies)
    if (reply.run) reply.run();
  for (auto& [sink, batch] : held.out) sink->deliver(std::move(batch));
  answered_.insert(answered_.end(), held.answers.begin(), held.answers.end());
  for (auto& [sink, reason] : held.closes) sink->close(std::move(reason));
}

void DeliveryDesk::refuse(Held& held, const Status& why) {
  for (const Impatient& one : held.impatient) one.expired();
  for (const Reply& reply : held.replies)
    if (reply.run && reply.refuse) reply.refuse(why);
  for (auto& [sink, reason] : held.closes) sink->close(std::move(reason));
}

void DeliveryDesk::fail(const Status& why) {
  const Status unknown = why.with_context("it is not known if this request took effect");
  for (Held& held : std::exchange(held_, {})) refuse(held, unknown);
  impatient_count_ = 0;
  for (auto& [id, session] : std::exchange(sessions_, {})) {
    subscriptions_.remove_client(client_of(id));
    session.sink->close({kCloseInternalError, why.message()});
  }
}

std::optional<std::chrono::steady_clock::time_point> DeliveryDesk::next_deadline() const {
  std::optional<std::chrono::steady_clock::time_point> next;
  if (impatient_count_ == 0) return next;
  for (const Held& held : held_)
    for (const Impatient& one : held.impatient)
      next = next ? std::min(*next, one.deadline) : one.deadline;
  return next;
}

void DeliveryDesk::expire(std::chrono::steady_clock::time_point now) {
  for (Held& held : held_) {
    const auto late = std::partition(held.impatient.begin(), held.impatient.end(),
                                     [now](const Impatient& one) { return one.deadline > now; });
    for (auto one = late; one != held.impatient.end(); ++one) {
      held.replies[one->reply] = {};
      one->expired();
    }
    impatient_count_ -= static_cast<size_t>(held.impatient.end() - late);
    held.impatient.erase(late, held.impatient.end());
  }
}

// Sessions that get exactly the same bytes share one batch, which the gateway frames once.
void DeliveryDesk::collect_outboxes() {
  std::shared_ptr<const OutboundBatch> last;
  for (const SessionId session : touched_) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end() || found->second.outbox.empty()) continue;
    auto batch = found->second.outbox.finish();
    if (last == nullptr || !same_bytes(*last, *batch)) last = std::move(batch);
    building_.out.emplace_back(found->second.sink, last);
  }
  touched_.clear();
}

DeliveryDesk::SessionEntry* DeliveryDesk::open_outbox(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return nullptr;
  if (found->second.outbox.empty()) touched_.push_back(session);
  return &found->second;
}

void DeliveryDesk::end_message(SessionEntry& session, SentFor what) {
  figures_.sent_bytes[static_cast<size_t>(what)] += session.outbox.end_message();
}

void DeliveryDesk::on(const TxItem& item) {
  if (item.answer.figures != nullptr) building_.answers.push_back(item.answer);
  if (item.tx != nullptr && subscriptions_.query_set_count() > 0) {
    const auto updates = subscriptions_.evaluate(*item.tx, item.after.get());
    figures_.delta_queries_evaluated += subscriptions_.evaluated_query_count();
    figures_.delta_queries_matched += updates.blocks.size();
    tell_failures(updates.failures);
    deliver_updates(updates, item);
    return;
  }
  if (item.caller) answer_without_rows(item, *item.caller);
}

void DeliveryDesk::answer_without_rows(const TxItem& item, const CallerRef& caller) {
  SessionEntry* const session = open_outbox(caller.session);
  if (session == nullptr) return;
  ByteBuffer& out = session->outbox.own();
  switch (item.verdict) {
    case Verdict::kOk:
      protocol::encode_reducer_ok_head(caller.request_id, item.timestamp, 0, out);
      break;
    case Verdict::kUserError:
      protocol::encode_reducer_error(caller.request_id, item.timestamp, item.text, out);
      break;
    case Verdict::kInternalError:
      protocol::encode_reducer_internal_error(caller.request_id, item.timestamp, item.text, out);
      break;
  }
  end_message(*session, SentFor::kReducer);
}

void DeliveryDesk::deliver_updates(const query::TransactionUpdates& updates, const TxItem& item) {
  ClientRun shared_run;  // Whose bytes `shared` holds; equal runs splice them.
  SharedBytes shared;
  bool caller_answered = false;
  for (std::span<const query::Delivery> rest = updates.deliveries; !rest.empty();) {
    const ClientRun run = first_client_run(rest);
    rest = rest.subspan(run.size());
    const SessionId id = session_of(run[0].client);
    SessionEntry* const session = open_outbox(id);
    if (session == nullptr) continue;
    const bool is_answer = item.caller && item.caller->session == id;
    if (is_answer) {
      protocol::encode_reducer_ok_head(item.caller->request_id, item.timestamp,
                                       count_query_sets(run), session->outbox.own());
      encode_query_set_updates(run, updates, session->outbox.own());
      caller_answered = true;
    } else {
      if (shared == nullptr || !same_content(run, shared_run)) {
        ByteBuffer message;
        protocol::encode_transaction_update_head(count_query_sets(run), message);
        encode_query_set_updates(run, updates, message);
        shared = std::make_shared<const ByteBuffer>(std::move(message));
        shared_run = run;
      }
      session->outbox.splice(shared);
    }
    end_message(*session, is_answer ? SentFor::kReducer : SentFor::kUpdate);
  }
  if (item.caller && !caller_answered) answer_without_rows(item, *item.caller);
}

void DeliveryDesk::tell_failures(const std::vector<query::SetFailure>& failures) {
  for (const auto& failure : failures) {
    SessionEntry* const session = open_outbox(session_of(failure.client));
    if (session == nullptr) continue;
    protocol::encode_subscription_error(std::nullopt, failure.query_set_id, failure.message,
                                        session->outbox.own());
    end_message(*session, SentFor::kUpdate);
  }
}

void DeliveryDesk::on(const SubscribeItem& item) {
  hint_sequence_ = item.sequence;
  hint_due_ = true;
  SessionEntry* const session = open_outbox(item.session);
  if (session == nullptr) return;
  const size_t known_queries = subscriptions_.distinct_query_count();
  const auto rows = subscriptions_.subscribe(
      {client_of(item.session), item.query_set_id, item.caller, item.queries}, *item.state);
  figures_.queries_subscribed += item.queries.size();
  figures_.new_queries_subscribed += subscriptions_.distinct_query_count() - known_queries;
  if (rows.ok()) {
    figures_.queries_evaluated_by_subscribe += rows->size();
    protocol::encode_subscribe_applied_head(item.request_id, item.query_set_id,
                                            static_cast<uint32_t>(rows->size()),
                                            session->outbox.own());
    append_rows(*rows, session->outbox);
  } else {
    protocol::encode_subscription_error(item.request_id, item.query_set_id, rows.status().message(),
                                        session->outbox.own());
  }
  end_message(*session, SentFor::kSubscribe);
}

void DeliveryDesk::on(const UnsubscribeItem& item) {
  hint_due_ = true;
  SessionEntry* const session = open_outbox(item.session);
  if (session == nullptr) return;
  using DroppedRows = query::SubscriptionSet::DroppedRows;
  const auto rows = subscriptions_.unsubscribe(
      client_of(item.session), item.query_set_id,
      item.send_dropped_rows ? DroppedRows::kSend : DroppedRows::kOmit, *item.state);
  ByteBuffer& out = session->outbox.own();
  if (!rows.ok()) {
    protocol::encode_subscription_error(item.request_id, item.query_set_id, rows.status().message(),
                                        out);
  } else if (item.send_dropped_rows) {
    figures_.queries_evaluated_by_unsubscribe += rows->size();
    protocol::encode_unsubscribe_applied_head(item.request_id, item.query_set_id,
                                              static_cast<uint32_t>(rows->size()), out);
    append_rows(*rows, session->outbox);
  } else {
    protocol::encode_unsubscribe_applied_without_rows(item.request_id, item.query_set_id, out);
  }
  end_message(*session, SentFor::kUnsubscribe);
}

void DeliveryDesk::on(const OneOffItem& item) {
  SessionEntry* const session = open_outbox(item.session);
  if (session == nullptr) return;
  const auto rows = query::one_off_query(item.query, *item.state, item.caller);
  ByteBuffer& out = session->outbox.own();
  if (rows.ok()) {
    protocol::encode_one_off_ok_head(item.request_id, out);
    session->outbox.splice(rows->encoded);
  } else {
    protocol::encode_one_off_error(item.request_id, rows.status().message(), out);
  }
  end_message(*session, SentFor::kSql);
}

void DeliveryDesk::on(const SqlReadItem& item) {
  auto result = query::execute_read(item.statement, *item.state, item.caller);
  building_.replies.push_back(
      {[done = item.done, result = std::move(result)]() mutable { done(std::move(result)); },
       [done = item.done](const Status& why) { done(why); }});
}

void DeliveryDesk::on(const ProcedureErrorItem& item) {
  SessionEntry* const session = open_outbox(item.caller.session);
  if (session == nullptr) return;
  protocol::encode_procedure_error(item.caller.request_id, item.text, session->outbox.own());
  end_message(*session, SentFor::kProcedure);
}

void DeliveryDesk::on(const SessionOpenedItem& item) {
  sessions_.insert_or_assign(item.session, SessionEntry{item.sink, {}});
}

void DeliveryDesk::on(const SessionClosedItem& item) {
  hint_due_ = true;
  subscriptions_.remove_client(client_of(item.session));
  sessions_.erase(item.session);
}

void DeliveryDesk::on(const ReplyItem& item) {
  building_.replies.push_back({item.run, item.refuse});
}

void DeliveryDesk::on(const TimedReplyItem& item) {
  building_.impatient.push_back({item.deadline, item.expired, building_.replies.size()});
  building_.replies.push_back({item.run, {}});
  ++impatient_count_;
}

void DeliveryDesk::on(const SchemaChangedItem& item) {
  hint_due_ = true;
  tell_failures(subscriptions_.recompile(*item.state));
}

void DeliveryDesk::on(const CloseAllItem& item) {
  hint_due_ = true;
  collect_outboxes();
  for (auto& [id, session] : sessions_) {
    subscriptions_.remove_client(client_of(id));
    building_.closes.emplace_back(session.sink, item.reason);
  }
  sessions_.clear();
}

std::optional<SnapshotHint> DeliveryDesk::take_snapshot_hint() {
  if (!hint_due_) return std::nullopt;
  hint_due_ = false;
  return SnapshotHint{hint_sequence_, subscriptions_.snapshot_tables()};
}

}  // namespace worldline::actors
