#include "tests/simulation/clients.h"

#include <algorithm>

#include <fmt/format.h>

namespace worldline::simulation {
namespace {

constexpr Micros kClientDelayMean = 500;
constexpr Micros kRetryFirst = 20 * kMillisecond;
constexpr Micros kRetryMax = 500 * kMillisecond;
constexpr uint64_t kAttemptsPerOp = 4096;  // Tokens are op * this + attempt.
constexpr uint64_t kSearchStepsMax = 500'000;
constexpr double kReadAnywhere = 0.7;
constexpr double kExpectLastSeen = 0.8;

}  // namespace

Clients::Clients(Cluster& cluster, const Scenario& scenario)
    : cluster_(cluster), model_(scenario.workload) {
  for (uint32_t i = 0; i <= model_.clients; ++i)
    clients_.push_back({Chance(scenario.seed, Purpose::kClient, i), 0});
  for (uint32_t slot = 0; slot < scenario.slots(); ++slot) slots_.push_back(slot);
}

void Clients::start() {
  for (uint32_t client = 1; client < clients_.size(); ++client)
    cluster_.queue().push(clients_[client].chance.exponential(model_.think_mean),
                          {0, 0, this, kNext, 0, client, 0});
}

void Clients::on_event(const Event& event) {
  switch (event.code) {
    case kNext:
      return call_next(static_cast<uint32_t>(event.a));
    case kArrive: {
      const Op& op = ops_[event.a / kAttemptsPerOp - 1];
      return cluster_.request(static_cast<uint32_t>(event.b),
                              {event.a, op.command, op.padding_bytes, op.burst});
    }
    case kReplied: {
      const uint64_t op = event.a / kAttemptsPerOp;
      const Reply reply = replies_.at(event.a);
      replies_.erase(event.a);
      if (ops_[op - 1].outcome != Outcome::kOpen) return;  // Too late for the client.
      ops_[op - 1].is_under_way = false;
      if (reply.kind == Reply::Kind::kRefused) return on_refused(op, reply);
      ops_[op - 1].result = reply.result;
      return finish(op, Outcome::kDone);
    }
    case kRetry:
      if (ops_[event.a - 1].outcome == Outcome::kOpen) send_attempt(event.a);
      return;
    case kDeadline:
      if (ops_[event.a - 1].outcome == Outcome::kOpen)
        finish(event.a, ops_[event.a - 1].is_under_way ? Outcome::kUnknown : Outcome::kFailed);
      return;
    default:
      return;
  }
}

// --- Calls ---------------------------------------------------------------------------------------

void Clients::call_next(uint32_t client) {
  if (is_stopped_) return;
  Chance& chance = clients_[client].chance;
  const Command command = draw_command(chance);
  const uint64_t op = open_op(client, command, model_.deadline);
  ops_[op - 1].padding_bytes = static_cast<uint32_t>(chance.below(model_.padding_bytes_max + 1));
  ops_[op - 1].burst = static_cast<uint32_t>(chance.between(1, model_.burst_max));
  send_attempt(op);
}

Command Clients::draw_command(Chance& chance) {
  uint64_t sum = 0;
  for (const uint32_t weight : model_.weights) sum += weight;
  uint64_t drawn = chance.below(sum);
  size_t kind = 0;
  while (drawn >= model_.weights[kind]) drawn -= model_.weights[kind++];
  Command command;
  command.kind = static_cast<OpKind>(kind);
  command.key = static_cast<uint8_t>(chance.below(model_.keys));
  command.other = static_cast<uint8_t>(chance.below(kAccounts));
  const uint64_t guess = chance.below(ops_.size() + 1);
  command.expected = chance.with(kExpectLastSeen) ? last_seen_[command.key] : guess;
  return command;
}

uint64_t Clients::open_op(uint32_t client, const Command& command, Micros deadline) {
  Op op;
  op.command = command;
  op.client = client;
  op.called = ++moments_;
  op.list_floor = list_seen_;
  op.command.op = ops_.size() + 1;
  // An amount, or a value that nobody else writes.
  op.command.value = command.kind == OpKind::kTransfer ? op.called % 50 : op.command.op;
  ops_.push_back(op);
  cluster_.queue().push(deadline, {0, 0, this, kDeadline, 0, op.command.op, 0});
  return op.command.op;
}

uint64_t Clients::probe(OpKind kind, Micros deadline, std::optional<uint32_t> slot) {
  Command command;
  command.kind = kind;
  const uint64_t op = open_op(0, command, deadline);
  ops_[op - 1].fixed_slot = slot;
  send_attempt(op);
  return op;
}

uint32_t Clients::choose_slot(Op& op, Chance& chance) {
  if (op.fixed_slot) return *op.fixed_slot;
  uint32_t& known = clients_[op.client].slot;
  const uint32_t any = slots_[chance.below(slots_.size())];
  if (is_read(op.command.kind) && op.client != 0 && chance.with(kReadAnywhere)) return any;
  if (std::find(slots_.begin(), slots_.end(), known) == slots_.end()) known = any;
  return known;
}

void Clients::send_attempt(uint64_t id) {
  Op& op = ops_[id - 1];
  Chance& chance = chance_of(op);
  const uint32_t slot = choose_slot(op, chance);
  const uint64_t token = id * kAttemptsPerOp + op.attempts++ % kAttemptsPerOp;
  op.is_under_way = true;
  cluster_.queue().push(chance.exponential(kClientDelayMean),
                        {0, 0, this, kArrive, 0, token, slot});
}

void Clients::on_reply(uint64_t token, const Reply& reply) {
  const Op& op = ops_[token / kAttemptsPerOp - 1];
  replies_[token] = reply;
  cluster_.queue().push(chance_of(op).exponential(kClientDelayMean),
                        {0, 0, this, kReplied, 0, token, 0});
}

// It had no effect: the same call may be tried elsewhere.
void Clients::on_refused(uint64_t id, const Reply& reply) {
  Op& op = ops_[id - 1];
  Chance& chance = chance_of(op);
  uint32_t& known = clients_[op.client].slot;
  const bool has_news = reply.hint && *reply.hint != known;
  known = reply.hint ? *reply.hint : slots_[chance.below(slots_.size())];
  op.padding_bytes = 0;  // It may have been too large.
  Micros delay = kClientDelayMean;
  if (!has_news)
    delay = std::min(kRetryFirst << std::min(op.attempts, 5u), kRetryMax) / 2 +
            chance.below(kRetryFirst);
  cluster_.queue().push(delay, {0, 0, this, kRetry, 0, id, 0});
}

void Clients::finish(uint64_t id, Outcome outcome) {
  Op& op = ops_[id - 1];
  op.outcome = outcome;
  if (outcome == Outcome::kDone) {
    op.returned = ++moments_;
    check_result(op);
  }
  if (op.client == 0) return;
  cluster_.queue().push(chance_of(op).exponential(model_.think_mean),
                        {0, 0, this, kNext, 0, op.client, 0});
}

// --- Judgement -----------------------------------------------------------------------------------

// What can be judged at once: the list is a prefix of the one list and never shorter than what was
// seen before the call; the accounts always sum up.
void Clients::check_result(const Op& op) {
  Observer& observer = cluster_.observer();
  const CommandResult& result = op.result;
  switch (op.command.kind) {
    case OpKind::kRead:
      last_seen_[op.command.key] = result.value;
      return;
    case OpKind::kWrite:
      last_seen_[op.command.key] = op.command.value;
      return;
    case OpKind::kCompareAndSet:
      last_seen_[op.command.key] =
          result.value == op.command.expected ? op.command.value : result.value;
      return;
    case OpKind::kReadList:
    case OpKind::kAppend: {
      const uint64_t least = op.list_floor + (op.command.kind == OpKind::kAppend ? 1 : 0);
      if (result.value < least)
        observer.fail(fmt::format("list: op {} saw length {} after {} had been seen", op.command.op,
                                  result.value, op.list_floor));
      if (result.hash != observer.list_hash(result.value))
        observer.fail(fmt::format("list: op {} saw {} values that are no prefix of the list",
                                  op.command.op, result.value));
      list_seen_ = std::max(list_seen_, result.value);
      return;
    }
    case OpKind::kReadAccounts:
      if (result.total != kAccountTotal)
        observer.fail(
            fmt::format("bank: op {} saw {} in all accounts", op.command.op, result.total));
      return;
    case OpKind::kTransfer:
      return;
  }
}

// I-22: exactly once if it was acknowledged, never if it was refused.
void Clients::judge_against_log(const Op& op) {
  if (is_read(op.command.kind)) return;
  const uint32_t times = cluster_.observer().times_applied(op.command.op);
  const bool is_right = op.outcome == Outcome::kDone     ? times == 1
                        : op.outcome == Outcome::kFailed ? times == 0
                                                         : times <= 1;
  if (!is_right)
    cluster_.observer().fail(fmt::format("I-22: op {} (outcome {}) is in the log {} times",
                                         op.command.op, static_cast<int>(op.outcome), times));
}

void Clients::judge() {
  std::vector<RegisterOp> history;
  for (const Op& op : ops_) {
    judge_against_log(op);
    const OpKind kind = op.command.kind;
    const bool is_register =
        kind == OpKind::kRead || kind == OpKind::kWrite || kind == OpKind::kCompareAndSet;
    // What was refused had no effect; that it had none is judged above.
    if (!is_register || op.outcome == Outcome::kFailed) continue;
    RegisterOp seen;
    seen.kind = kind == OpKind::kRead    ? RegisterOp::Kind::kRead
                : kind == OpKind::kWrite ? RegisterOp::Kind::kWrite
                                         : RegisterOp::Kind::kCompareAndSet;
    seen.key = op.command.key;
    seen.called = op.called;
    seen.returned = op.returned;
    seen.value = op.command.value;
    seen.expected = op.command.expected;
    seen.seen = op.result.value;
    seen.id = op.command.op;
    history.push_back(seen);
  }
  const HistoryVerdict verdict = check_registers(std::move(history), kSearchStepsMax);
  budget_spent_ = verdict.verdict == Verdict::kBudgetSpent;
  if (verdict.verdict == Verdict::kViolation)
    cluster_.observer().fail("not linearizable: " + verdict.text);
}

uint64_t Clients::count_of(Outcome outcome) const {
  return static_cast<uint64_t>(std::count_if(
      ops_.begin(), ops_.end(), [outcome](const Op& op) { return op.outcome == outcome; }));
}

}  // namespace worldline::simulation
