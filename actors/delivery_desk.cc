#include "actors/delivery_desk.h"

#include <algorithm>
#include <utility>

#include "actors/update_encoder.h"
#include "base/check.h"
#include "query/first_rows.h"
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

void mark_updated(SessionLine& line, ClientRun run) {
  for (const auto& delivery : run)
    for (auto& set : line.pending_sets)
      if (set.query_set_id == delivery.query_set_id) set.updated = true;
}

struct SetRef {
  uint32_t request_id = 0;
  uint32_t query_set_id = 0;
};

// Whatever went wrong with the evaluation, clients are told the one text [S 06/4.14].
ReadAnswer encode_evaluation_error(const SetRef& set) {
  OutboxBuilder outbox;
  protocol::encode_subscription_error(set.request_id, set.query_set_id, query::kEvaluationFailed,
                                      outbox.own());
  outbox.end_message();
  return {.batch = outbox.finish(), .about = SentFor::kSubscribe, .failed = true};
}

ReadAnswer finish_with_rows(OutboxBuilder& outbox, const std::vector<query::RowBlock>& blocks,
                            SentFor about) {
  for (const auto& block : blocks) outbox.splice(block.encoded);
  outbox.end_message();
  return {.batch = outbox.finish(), .about = about};
}

ReadAnswer encode_applied(const SetRef& set, const Result<std::vector<query::RowBlock>>& rows) {
  if (!rows.ok()) return encode_evaluation_error(set);
  OutboxBuilder outbox;
  protocol::encode_subscribe_applied_head(set.request_id, set.query_set_id,
                                          static_cast<uint32_t>(rows->size()), outbox.own());
  return finish_with_rows(outbox, *rows, SentFor::kSubscribe);
}

// The set is gone all the same: only its rows are missing.
ReadAnswer encode_dropped(const SetRef& set, const Result<std::vector<query::RowBlock>>& rows) {
  if (!rows.ok())
    return {.batch = encode_evaluation_error(set).batch, .about = SentFor::kUnsubscribe};
  OutboxBuilder outbox;
  protocol::encode_unsubscribe_applied_head(set.request_id, set.query_set_id,
                                            static_cast<uint32_t>(rows->size()), outbox.own());
  return finish_with_rows(outbox, *rows, SentFor::kUnsubscribe);
}

Result<SqlReply> answer_sql(const SqlReadItem& item, const Clock& clock, size_t bytes_max,
                            query::ReadBudget& budget) {
  WL_ASSIGN_OR_RETURN(const query::StatementResult rows,
                      query::execute_read(item.statement, *item.state, item.caller, budget));
  const int64_t micros =
      std::chrono::duration_cast<std::chrono::microseconds>(clock.steady() - item.started).count();
  WL_ASSIGN_OR_RETURN(std::string json, query::statement_results_json(rows, micros, bytes_max));
  return SqlReply{std::move(json), micros};
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
  building_ = {};
  building_.depends_on = batch.depends_on;
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
  for (const auto& read : held.reads) {
    read->released = true;
    if (read->done && read->answer.reply) read->answer.reply();
  }
  for (auto& out : held.out) {
    if (out.read != nullptr)
      out.line->deliver(std::move(out.read));
    else
      out.line->deliver(std::move(out.batch));
    if (out.line->waiting_bytes() > parts_.limits.session_bytes_max) close_slow(*out.line);
  }
  answered_.insert(answered_.end(), held.answers.begin(), held.answers.end());
  for (auto& [line, reason] : held.closes) line->close(std::move(reason));
}

// ---- Reads -------------------------------------------------------------------------------------

PendingReadPtr DeliveryDesk::make_read(ReadWork work, SessionLinePtr line,
                                       CancelFlagPtr abandoned) {
  auto read = std::make_shared<PendingRead>(++last_read_, std::move(work), parts_.limits,
                                            *parts_.clock, std::move(abandoned));
  asked_.emplace(read->id(), Asked{read, std::move(line)});
  return read;
}

// What the session was sent before leaves before the answer, and what follows behind it.
void DeliveryDesk::ask(SessionEntry& session, ReadWork work) {
  if (!session.outbox.empty())
    building_.out.push_back({session.line, session.outbox.finish(), nullptr});
  const PendingReadPtr read = make_read(std::move(work), session.line);
  building_.out.push_back({session.line, nullptr, read});
  if (session.line->reads.size() >= kReadsOfSessionMax) {
    const Status many =
        Status::overloaded("more than {} queries wait on the connection", kReadsOfSessionMax);
    end_read({read, session.line}, read->refusal(many));
    return settle_subscribe({read, session.line});
  }
  session.line->reads.push_back(read);
  if (session.line->reads.size() == 1) submit_next(session.line);
}

void DeliveryDesk::submit(const Asked& asked) {
  const Status accepted = parts_.readers->submit(asked.read);
  if (accepted.ok()) return;
  end_read(asked, asked.read->refusal(accepted));
  settle_subscribe(asked);
}

std::shared_ptr<RowShare> DeliveryDesk::row_share() {
  auto share = row_share_.lock();
  if (share == nullptr) {
    share = std::make_shared<RowShare>(parts_.limits.answer_bytes_max);
    row_share_ = share;
  }
  return share;
}

// Takes a set back whose first rows could not be read.
void DeliveryDesk::settle_subscribe(const Asked& asked) {
  if (asked.line == nullptr) return;
  auto& sets = asked.line->pending_sets;
  const auto set =
      std::find_if(sets.begin(), sets.end(), [&asked](const SessionLine::PendingSet& pending) {
        return pending.read == asked.read->id();
      });
  const std::optional<SessionLine::PendingSet> known =
      set == sets.end() ? std::nullopt : std::optional(*set);
  if (known) sets.erase(set);
  if (!asked.read->answer.failed) return;
  // Not known: unsubscribed meanwhile, and an answer to that waits behind.
  asked.read->answer.then_close = !known || known->updated;
  if (!known) return;
  hint_due_ = true;
  subscriptions_.unsubscribe(client_of(asked.line->session()), known->query_set_id)
      .status()
      .ignore("a later failure may have removed it");
}

void DeliveryDesk::submit_next(const SessionLinePtr& line) {
  while (!line->reads.empty()) {
    if (line->is_dropped()) return end_reads_of(line, Status::unavailable("the session is closed"));
    if (line->unsent_bytes() > parts_.limits.session_bytes_max) {
      const auto now = parts_.clock->steady();
      if (!line->stalled_since) line->stalled_since = now;
      if (stalled_.empty()) stall_look_ = now + kStallLook;
      stalled_.push_back(line);
      return;
    }
    line->stalled_since.reset();
    const PendingReadPtr read = line->reads.front();
    submit({read, line});
    if (!read->done) return;
    line->reads.pop_front();
  }
}

void DeliveryDesk::close_slow(SessionLine& line) {
  if (line.is_dropped()) return;
  line.sink()->close({0, ""});
  line.drop();
}

void DeliveryDesk::end_read(const Asked& asked, ReadAnswer answer) {
  PendingRead& read = *asked.read;
  read.answer = std::move(answer);
  read.done = true;
  asked_.erase(read.id());
  if (asked.line != nullptr) {
    asked.line->add_built(read.answer);
    figures_.sent_bytes[static_cast<size_t>(read.answer.about)] += read.answer.batch->bytes();
  }
  if (read.released && read.answer.reply) read.answer.reply();
}

void DeliveryDesk::end_reads_of(const SessionLinePtr& line, const Status& why) {
  for (const auto& read : std::exchange(line->reads, {})) {
    read->cancel();
    end_read({read, line}, read->refusal(why));
  }
}

void DeliveryDesk::on_read(uint64_t read) {
  const auto found = asked_.find(read);
  if (found == asked_.end()) return;
  const Asked asked = found->second;
  end_read(asked, asked.read->take_computed());
  settle_subscribe(asked);
  if (asked.line == nullptr) return;
  asked.line->reads.pop_front();
  asked.line->flush();
  submit_next(asked.line);
  asked.line->flush();  // The next one may have been refused.
}

void DeliveryDesk::retire() {
  const Status why = Status::unavailable("the database is shutting down");
  for (const auto& [id, asked] : std::exchange(asked_, {})) {
    asked.read->cancel();
    end_read(asked, asked.read->refusal(why));
    if (asked.line == nullptr) continue;
    asked.line->reads.clear();
    asked.line->flush();
  }
}

void DeliveryDesk::refuse(Held& held, const Status& why) {
  for (const Impatient& one : held.impatient) one.expired();
  for (const Reply& reply : held.replies)
    if (reply.run && reply.refuse) reply.refuse(why);
  for (const PendingReadPtr& read : held.reads) {  // Even a computed one shows what may be lost.
    read->cancel();
    read->released = true;
    end_read({read, nullptr}, read->refusal(why));
  }
  for (auto& [line, reason] : held.closes) line->close(std::move(reason));
}

void DeliveryDesk::fail(const Status& why) {
  const Status unknown = why.with_context("it is not known if this request took effect");
  for (Held& held : std::exchange(held_, {})) refuse(held, unknown);
  impatient_count_ = 0;
  for (auto& [id, session] : std::exchange(sessions_, {})) {
    subscriptions_.remove_client(client_of(id));
    end_reads_of(session.line, why);
    session.line->flush();
    session.line->close({kCloseInternalError, why.message()});
  }
}

std::optional<std::chrono::steady_clock::time_point> DeliveryDesk::next_deadline() const {
  std::optional<std::chrono::steady_clock::time_point> next;
  if (!stalled_.empty()) next = stall_look_;
  if (impatient_count_ == 0) return next;
  for (const Held& held : held_)
    for (const Impatient& one : held.impatient)
      next = next ? std::min(*next, one.deadline) : one.deadline;
  return next;
}

void DeliveryDesk::expire(std::chrono::steady_clock::time_point now) {
  if (!stalled_.empty() && stall_look_ <= now) {
    for (const SessionLinePtr& line : std::exchange(stalled_, {})) {
      if (line->stalled_since && now - *line->stalled_since >= kStallMax) close_slow(*line);
      submit_next(line);
      line->flush();
    }
  }
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
    building_.out.push_back({found->second.line, last, nullptr});
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
    if (!session->line->pending_sets.empty()) mark_updated(*session->line, run);
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
  const auto queries = subscriptions_.subscribe(
      {client_of(item.session), item.query_set_id, item.caller, item.queries}, *item.state);
  figures_.queries_subscribed += item.queries.size();
  figures_.new_queries_subscribed += subscriptions_.distinct_query_count() - known_queries;
  if (!queries.ok()) {
    protocol::encode_subscription_error(item.request_id, item.query_set_id,
                                        queries.status().message(), session->outbox.own());
    session->outbox.end_message();
    return;
  }
  figures_.queries_evaluated_by_subscribe += queries->size();
  session->line->pending_sets.push_back({item.query_set_id, last_read_ + 1});
  const SetRef set{item.request_id, item.query_set_id};
  ask(*session, [set, queries = *queries, state = item.state, share = row_share()](
                    const Status& go, query::ReadBudget& budget) {
    return encode_applied(set, go.ok() ? share->first_rows(queries, state, budget)
                                       : Result<std::vector<query::RowBlock>>(go));
  });
}

void DeliveryDesk::on(const UnsubscribeItem& item) {
  hint_due_ = true;
  SessionEntry* const session = open_outbox(item.session);
  if (session == nullptr) return;
  const auto queries = subscriptions_.unsubscribe(client_of(item.session), item.query_set_id);
  if (queries.ok()) {
    std::erase_if(session->line->pending_sets, [&item](const SessionLine::PendingSet& set) {
      return set.query_set_id == item.query_set_id;
    });
    if (item.send_dropped_rows) {
      figures_.queries_evaluated_by_unsubscribe += queries->size();
      const SetRef set{item.request_id, item.query_set_id};
      return ask(*session, [set, queries = *queries, state = item.state](
                               const Status& go, query::ReadBudget& budget) {
        return encode_dropped(set, go.ok() ? query::first_rows(queries, *state, budget)
                                           : Result<std::vector<query::RowBlock>>(go));
      });
    }
  }
  ByteBuffer& out = session->outbox.own();
  if (queries.ok())
    protocol::encode_unsubscribe_applied_without_rows(item.request_id, item.query_set_id, out);
  else
    protocol::encode_subscription_error(item.request_id, item.query_set_id,
                                        queries.status().message(), out);
  end_message(*session, SentFor::kUnsubscribe);
}

void DeliveryDesk::on(const OneOffItem& item) {
  SessionEntry* const session = open_outbox(item.session);
  if (session == nullptr) return;
  ask(*session, [item](const Status& go, query::ReadBudget& budget) {
    const auto rows = go.ok() ? query::one_off_query(item.query, *item.state, item.caller, budget)
                              : Result<query::RowBlock>(go);
    OutboxBuilder outbox;
    if (rows.ok()) {
      protocol::encode_one_off_ok_head(item.request_id, outbox.own());
      outbox.splice(rows->encoded);
    } else {
      protocol::encode_one_off_error(item.request_id, rows.status().message(), outbox.own());
    }
    outbox.end_message();
    return ReadAnswer{.batch = outbox.finish()};
  });
}

void DeliveryDesk::on(const SqlReadItem& item) {
  const auto work = [item, clock = parts_.clock, bytes_max = parts_.limits.answer_bytes_max](
                        const Status& go, query::ReadBudget& budget) {
    auto reply = go.ok() ? answer_sql(item, *clock, bytes_max, budget) : Result<SqlReply>(go);
    return ReadAnswer{.reply = [done = item.done, reply = std::move(reply)] { done(reply); }};
  };
  const PendingReadPtr read = make_read(work, nullptr, item.abandoned);
  building_.reads.push_back(read);
  submit({read, nullptr});
}

void DeliveryDesk::on(const ProcedureErrorItem& item) {
  SessionEntry* const session = open_outbox(item.caller.session);
  if (session == nullptr) return;
  protocol::encode_procedure_error(item.caller.request_id, item.text, session->outbox.own());
  end_message(*session, SentFor::kProcedure);
}

void DeliveryDesk::on(const SessionOpenedItem& item) {
  sessions_.insert_or_assign(
      item.session, SessionEntry{std::make_shared<SessionLine>(item.session, item.sink), {}});
}

void DeliveryDesk::on(const SessionClosedItem& item) {
  hint_due_ = true;
  subscriptions_.remove_client(client_of(item.session));
  const auto found = sessions_.find(item.session);
  if (found == sessions_.end()) return;
  end_reads_of(found->second.line, Status::unavailable("the session is closed"));
  found->second.line->flush();
  sessions_.erase(found);
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
    end_reads_of(session.line, Status::unavailable("{}", item.reason.reason));
    session.line->flush();
    building_.closes.emplace_back(session.line, item.reason);
  }
  sessions_.clear();
}

std::optional<SnapshotHint> DeliveryDesk::take_snapshot_hint() {
  if (!hint_due_) return std::nullopt;
  hint_due_ = false;
  return SnapshotHint{hint_sequence_, subscriptions_.snapshot_tables()};
}

}  // namespace worldline::actors
