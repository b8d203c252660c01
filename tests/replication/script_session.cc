#include "tests/replication/script_session.h"

#include <algorithm>

#include <fmt/core.h>

#include "tests/replication/raft_fixture.h"
#include "tests/replication/raft_trace.h"
#include "tests/replication/script_forge.h"

namespace worldline::replication::testing {
namespace {

// `+voter:4` or, if it does not live on node 4, `+voter:4:9`; `+learner:5`; `-1`.
MemberChange change_of(const std::string& word, const std::string& zone, ScriptWords& words) {
  if (word[0] == '-') return remove_member(words.number_of(word.substr(1)));
  std::vector<std::string> parts = split_text(word, ':');
  parts.resize(std::max<size_t>(parts.size(), 2));
  const uint64_t replica = words.number_of(parts[1]);
  MemberChange change = parts[0] == "+voter" ? add_voter(replica) : add_learner(replica);
  if (parts.size() > 2) change.member.node = NodeId{words.number_of(parts[2])};
  change.member.failure_domain = zone;
  if (parts[0] != "+voter" && parts[0] != "+learner") words.fault("no such change: " + word);
  return change;
}

}  // namespace

const std::map<std::string, ScriptSession::Command>& ScriptSession::commands() {
  using S = ScriptSession;
  static const std::map<std::string, Command> kCommands = {
      {"cluster", &S::make_cluster},
      {"replica", &S::make_replica},
      {"restart", &S::restart},
      {"lose", &S::lose},
      {"strict", &S::set_strict},
      {"trace", &S::set_trace},
      {"observer", &S::set_observer},
      {"campaign", &S::campaign},
      {"tick", &S::tick},
      {"propose", &S::propose},
      {"change", &S::change},
      {"cancel", &S::cancel},
      {"transfer", &S::transfer},
      {"forget", &S::forget},
      {"read", &S::read},
      {"hello", &S::hello},
      {"pause", &S::pause},
      {"hint", &S::hint},
      {"unreachable", &S::unreachable},
      {"timeout", &S::timeout},
      {"eligible", &S::set_eligible},
      {"disk-full", &S::set_disk_full},
      {"quiesce", &S::quiesce},
      {"wake", &S::wake},
      {"quarantine", &S::quarantine},
      {"deliver", &S::deliver},
      {"drop", &S::drop},
      {"duplicate", &S::duplicate},
      {"reverse", &S::reverse},
      {"block", &S::block},
      {"unblock", &S::unblock},
      {"forge", &S::forge},
      {"write", &S::write},
      {"apply", &S::apply},
      {"fetch", &S::fetch},
      {"checkpoint", &S::checkpoint},
      {"offer", &S::offer},
      {"stage", &S::stage},
      {"snapshot-result", &S::snapshot_result},
      {"stabilise", &S::stabilise},
      {"show", &S::show_something},
      {"expect", &S::expect},
      {"expect-error", &S::expect_error},
  };
  return kCommands;
}

std::vector<std::string> ScriptSession::run(const std::string& line) {
  line_ = line;
  output_.clear();
  ScriptWords words(line);
  const auto found = commands().find(words.name());
  if (found == commands().end()) {
    fail("no such command");
    return output_;
  }
  if (words.name().rfind("expect", 0) != 0) cluster_.clear_notes();
  (this->*found->second)(words);
  for (const std::string& fault : words.take_faults()) fail(fault);
  std::vector<std::string> trace = cluster_.take_trace();
  output_.insert(output_.begin(), trace.begin(), trace.end());
  for (; problems_seen_ < cluster_.problems().size(); ++problems_seen_)
    fail(cluster_.problems()[problems_seen_]);
  return output_;
}

void ScriptSession::finish() {
  for (const auto& [id, replica] : cluster_.replicas())
    for (const std::string& fatal : replica.fatals) fail("unexpected FATAL " + fatal);
}

void ScriptSession::fail(const std::string& text) {
  failures_.push_back(line_ + "  ->  " + text);
}

void ScriptSession::miss(const std::string& text) {
  if (is_strict_) fail(text);
}

void ScriptSession::set_result(const Status& status) {
  result_ = status.ok() ? "ok" : status.message();
  if (!status.ok()) output_.push_back("  error: " + result_);
}

std::vector<ReplicaId> ScriptSession::replicas_of(ScriptWords& words, const std::string& text) {
  return text == "all" ? cluster_.ids() : words.replicas_of(text);
}

// --- Replicas
// ---------------------------------------------------------------------------------------

void ScriptSession::read_options(ScriptWords& words, ReplicaSpec& spec) {
  RaftConfig& config = spec.config;
  RaftLimits& limits = config.limits;
  const auto pace = [&words](const char* key, Pace otherwise) {
    if (!words.has(key)) return otherwise;
    return words.text(key) == "manual" ? Pace::kManual : Pace::kAutomatic;
  };
  spec.disk = pace("disk", spec.disk);
  spec.apply = pace("apply", spec.apply);
  spec.fetch = pace("fetch", spec.fetch);
  config.election_ticks = static_cast<uint32_t>(words.number("E", config.election_ticks));
  config.heartbeat_ticks = static_cast<uint32_t>(words.number("heartbeat", config.heartbeat_ticks));
  limits.inflight_messages_max = words.number("window", limits.inflight_messages_max);
  limits.inflight_bytes_max = words.number("window-bytes", limits.inflight_bytes_max);
  limits.message_bytes_max = words.number("message-bytes", limits.message_bytes_max);
  limits.entry_bytes_max = words.number("entry-bytes", limits.entry_bytes_max);
  limits.uncommitted_bytes_max = words.number("uncommitted-bytes", limits.uncommitted_bytes_max);
  limits.uncommitted_transactions_max =
      words.number("uncommitted-transactions", limits.uncommitted_transactions_max);
  limits.apply_backlog_bytes_max = words.number("backlog-bytes", limits.apply_backlog_bytes_max);
  limits.apply_batch_bytes_max = words.number("apply-bytes", limits.apply_batch_bytes_max);
  limits.cached_bytes_max = words.number("cached-bytes", limits.cached_bytes_max);
  limits.pending_reads_max = words.number("reads", limits.pending_reads_max);
  limits.retained_entries = words.number("retained", limits.retained_entries);
  limits.retained_bytes = words.number("retained-bytes", limits.retained_bytes);
  limits.follower_retained_bytes_max =
      words.number("follower-bytes", limits.follower_retained_bytes_max);
}

// A script may go on with another cluster; it begins with an empty network.
void ScriptSession::make_cluster(ScriptWords& words) {
  finish();
  cluster_ = RaftCluster();
  if (listen_) cluster_.set_listener(listen_());
  cluster_.set_tracing(is_tracing_);
  problems_seen_ = 0;
  Membership config = membership_of(words.replicas("voters"), words.replicas("learners"));
  const std::string zone = words.text("zone");
  for (MemberInfo& member : config.members) member.failure_domain = zone;
  const std::vector<uint64_t> seeds = words.numbers("seeds");
  if (!seeds.empty() && seeds.size() != config.members.size()) fail("one seed for each replica");
  const LogBoundary boundary = boundary_at(words.place("boundary", {Term{1}, LogIndex{1}}), config);
  const std::vector<uint64_t> terms = words.numbers("log");
  const uint64_t last_term = terms.empty() ? boundary.id.term.value : terms.back();
  model_ = ReplicaSpec{};
  read_options(words, model_);
  model_.state = restored_of(boundary, terms, Term{words.number("term", last_term)});
  model_.state.hard.commit_hint = LogIndex{words.number("commit", boundary.id.index.value)};
  for (const ReplicaId id : config.replicas()) {
    ReplicaSpec spec = model_;
    const RaftConfig limits = spec.config;
    spec.config = config_of(id.value);
    spec.config.election_ticks = limits.election_ticks;
    spec.config.heartbeat_ticks = limits.heartbeat_ticks;
    spec.config.limits = limits.limits;
    const size_t place = cluster_.replicas().size();
    if (place < seeds.size()) spec.config.seed = seeds[place];
    cluster_.add(std::move(spec));
  }
}

void ScriptSession::make_replica(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  ReplicaSpec spec = model_;
  const RaftConfig options = config_of(id.value, words.number("inc", 1));
  spec.config.group = options.group;
  spec.config.self = options.self;
  spec.config.self.node = NodeId{words.number("node", id.value)};
  spec.config.seed = words.number("seed", options.seed);
  spec.config.chain = options.chain;
  read_options(words, spec);
  LogBoundary boundary = spec.state.boundary;
  if (words.has("voters"))
    boundary.config = membership_of(words.replicas("voters"), words.replicas("learners"));
  if (words.has("boundary")) boundary = boundary_at(words.place("boundary", {}), boundary.config);
  const std::vector<uint64_t> terms = words.numbers("log");
  uint64_t term = terms.empty() ? boundary.id.term.value : terms.back();
  if (words.flag("uninit")) {
    boundary = LogBoundary{};
    term = 0;
  }
  spec.state = restored_of(boundary, terms, Term{words.number("term", term)});
  spec.state.hard.vote = ReplicaId{words.number("vote", 0)};
  spec.state.hard.commit_hint = LogIndex{words.number("commit", boundary.id.index.value)};
  cluster_.add(std::move(spec));
}

// `[inc=N] [seed=N] [written=JOBS] [checkpoint=INDEX] [boundary=INDEX] [last=INDEX]`
Restart ScriptSession::read_restart(ScriptWords& words) {
  Restart how;
  const auto index = [&words](const char* key) {
    return words.has(key) ? std::optional(LogIndex{words.number(key, 0)}) : std::nullopt;
  };
  if (words.has("inc")) how.incarnation = words.number("inc", 0);
  if (words.has("seed")) how.seed = words.number("seed", 0);
  how.written = words.number("written", 0);
  how.checkpoint = index("checkpoint");
  how.boundary = index("boundary");
  how.last = index("last");
  return how;
}

void ScriptSession::restart(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  Restart how = read_restart(words);
  if (cluster_.restart(id, how)) return;
  miss("it cannot come back like this");
  how = {how.incarnation, how.seed, 0, {}, {}, {}};
  if (!is_strict_) cluster_.restart(id, how);
}

void ScriptSession::lose(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  cluster_.lose(id, read_restart(words));
}

void ScriptSession::set_strict(ScriptWords& words) {
  is_strict_ = words.next() == "on";
}

void ScriptSession::set_trace(ScriptWords& words) {
  is_tracing_ = words.next() == "on";
  cluster_.set_tracing(is_tracing_);
}

void ScriptSession::set_observer(ScriptWords& words) {
  cluster_.set_observing(words.next() == "on");
}

// --- Inputs of cores
// --------------------------------------------------------------------------------

void ScriptSession::campaign(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const std::string why = words.has_next() ? words.next() : "timeout";
  CampaignReason reason = CampaignReason::kTimeout;
  if (why == "suspect") reason = CampaignReason::kSuspect;
  if (why == "operator") reason = CampaignReason::kOperator;
  cluster_.feed(id, [this, reason](RaftCore& core) { set_result(core.campaign(reason)); });
}

// `tick R [n|heartbeat|E]`
void ScriptSession::tick(ScriptWords& words) {
  const std::vector<ReplicaId> replicas = replicas_of(words, words.next());
  const std::string amount = words.has_next() ? words.next() : "1";
  uint64_t ticks = 0;
  if (amount == "E") {
    ticks = model_.config.election_ticks;
  } else if (amount == "heartbeat") {
    ticks = model_.config.heartbeat_ticks;
  } else {
    ticks = words.number_of(amount);
  }
  for (uint64_t i = 0; i < ticks; ++i)
    for (const ReplicaId id : replicas) cluster_.feed(id, [](RaftCore& core) { core.tick(); });
}

// `propose R TEXT... [term=T] [bytes=N]`: one proposal per text, all in one call.
void ScriptSession::propose(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const TestReplica* replica = cluster_.find(id);
  if (replica == nullptr) return;
  const Term term{words.number("term", replica->core->term().value)};
  const uint64_t bytes = words.number("bytes", 0);
  std::vector<Proposal> proposals;
  while (words.has_next()) {
    std::string text = words.next();
    if (text.size() < bytes) text.resize(bytes, '.');
    proposals.push_back({EntryKind::kBundle, payload_of(text)});
  }
  cluster_.feed(id, [&](RaftCore& core) {
    const ProposeResult result = core.propose(term, proposals);
    result_ = refusal_name(result.refusal);
    if (!result.ok())
      output_.push_back(fmt::format("  refused: {} leader={}", result_, result.leader_hint.value));
  });
}

// `change R +voter:4 +learner:5 -1 [expected=INDEX] [zone=TEXT]`
void ScriptSession::change(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const TestReplica* replica = cluster_.find(id);
  if (replica == nullptr) return;
  std::vector<MemberChange> changes;
  const std::string zone = words.text("zone");
  while (words.has_next()) changes.push_back(change_of(words.next(), zone, words));
  const LogIndex expected{words.number("expected", replica->core->log().config_index().value)};
  cluster_.feed(id, [&](RaftCore& core) {
    const auto result = core.change_config(changes, expected);
    set_result(result.status());
    if (result.ok()) result_ = std::to_string(result->value);
  });
}

// `cancel R [index=INDEX]`: the change at INDEX, or at the config in force.
void ScriptSession::cancel(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const TestReplica* replica = cluster_.find(id);
  if (replica == nullptr) return;
  const LogIndex index{words.number("index", replica->core->log().config_index().value)};
  cluster_.feed(id, [&](RaftCore& core) { set_result(core.cancel_config_change(index)); });
}

void ScriptSession::transfer(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const ReplicaId target = words.next_replica();
  cluster_.feed(id, [&](RaftCore& core) { set_result(core.transfer(target)); });
}

void ScriptSession::forget(ScriptWords& words) {
  cluster_.feed(words.next_replica(), [](RaftCore& core) { core.forget_leader(); });
}

void ScriptSession::read(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const ReadToken token{words.next_number()};
  cluster_.feed(id, [token](RaftCore& core) { core.read_barrier(token); });
}

void ScriptSession::hello(ScriptWords& words) {
  cluster_.feed(words.next_replica(), [](RaftCore& core) { core.say_hello(); });
}

void ScriptSession::pause(ScriptWords& words) {
  cluster_.feed(words.next_replica(), [](RaftCore& core) { core.paused(); });
}

void ScriptSession::hint(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const ReplicaId peer = words.next_replica();
  const std::string text = words.next();
  PeerHint hint = PeerHint::kAlive;
  if (text == "suspect") hint = PeerHint::kSuspect;
  if (text == "restarted") hint = PeerHint::kRestarted;
  cluster_.feed(id, [peer, hint](RaftCore& core) { core.node_hint(peer, hint); });
}

void ScriptSession::unreachable(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const ReplicaId peer = words.next_replica();
  cluster_.feed(id, [peer](RaftCore& core) { core.unreachable(peer); });
}

void ScriptSession::timeout(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const auto ticks = static_cast<uint32_t>(words.next_number());
  cluster_.feed(id, [ticks](RaftCore& core) { core.set_randomised_timeout(ticks); });
}

void ScriptSession::set_eligible(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const bool is_eligible = words.next() == "yes";
  cluster_.feed(id, [is_eligible](RaftCore& core) { core.set_eligible(is_eligible); });
}

void ScriptSession::set_disk_full(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const bool is_full = words.next() == "yes";
  cluster_.feed(id, [is_full](RaftCore& core) { core.set_disk_full(is_full); });
}

void ScriptSession::quiesce(ScriptWords& words) {
  cluster_.feed(words.next_replica(), [this](RaftCore& core) { set_result(core.quiesce()); });
}

void ScriptSession::wake(ScriptWords& words) {
  cluster_.feed(words.next_replica(), [](RaftCore& core) { core.wake(); });
}

void ScriptSession::quarantine(ScriptWords& words) {
  cluster_.feed(words.next_replica(), [](RaftCore& core) { core.quarantine(); });
}

// --- Network, disk, snapshots
// -----------------------------------------------------------------------

// `from=1,2 to=3 type=Append,AppendResp term=2 skip=1 count=1`
MessageFilter ScriptSession::read_filter(ScriptWords& words) {
  MessageFilter filter;
  for (const ReplicaId id : words.replicas("from")) filter.from.insert(id);
  for (const ReplicaId id : words.replicas("to")) filter.to.insert(id);
  for (const std::string& type : split_text(words.text("type"), ',')) filter.types.insert(type);
  if (words.has("term")) filter.term = Term{words.number("term", 0)};
  filter.skip = words.number("skip", 0);
  filter.count = words.number("count", SIZE_MAX);
  return filter;
}

// Delivering nothing is a typing error or a core that did not send.
void ScriptSession::deliver(ScriptWords& words) {
  if (cluster_.deliver(read_filter(words)) == 0) miss("no such message is under way");
}

void ScriptSession::drop(ScriptWords& words) {
  if (cluster_.drop(read_filter(words)) == 0) miss("no such message is under way");
}

void ScriptSession::duplicate(ScriptWords& words) {
  if (cluster_.duplicate(read_filter(words)) == 0) miss("no such message is under way");
}

void ScriptSession::reverse(ScriptWords& words) {
  if (cluster_.reverse(read_filter(words)) == 0) miss("no such message is under way");
}

void ScriptSession::block(ScriptWords& words) {
  cluster_.block(read_filter(words));
}

void ScriptSession::unblock(ScriptWords&) {
  cluster_.unblock();
}

void ScriptSession::forge(ScriptWords& words) {
  const Envelope message = forge_message(words, cluster_);
  cluster_.inject(message);
}

// `write R [n|all]`
void ScriptSession::write(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const std::string amount = words.has_next() ? words.next() : "1";
  uint64_t jobs = amount == "all" ? 1000 : words.number_of(amount);
  if (jobs > 0 && !cluster_.write_one(id)) return miss("nothing to write");
  while (jobs-- > 1) {
    if (cluster_.write_one(id)) continue;
    if (amount != "all") miss("fewer jobs than asked for");
    return;
  }
}

// `apply R [n|all]`
void ScriptSession::apply(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const std::string amount = words.has_next() ? words.next() : "1";
  uint64_t steps = amount == "all" ? 1000 : words.number_of(amount);
  if (steps > 0 && !cluster_.apply_one(id)) return miss("nothing to apply");
  while (steps-- > 1) {
    if (cluster_.apply_one(id)) continue;
    if (amount != "all") miss("fewer steps than asked for");
    return;
  }
}

// `fetch R [gone=yes] [last=INDEX]`
void ScriptSession::fetch(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const auto found = words.flag("gone") ? RaftCluster::Found::kNo : RaftCluster::Found::kYes;
  if (!cluster_.fetch_one(id, found, LogIndex{words.number("last", 0)})) miss("nothing to fetch");
}

// `checkpoint R [index=N]`: of what is applied now if no index is given.
void ScriptSession::checkpoint(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  if (!words.has("index")) return cluster_.checkpoint(id);
  if (!cluster_.checkpoint_at(id, LogIndex{words.number("index", 0)}))
    miss("no checkpoint can be cut there");
}

// `offer R PEER [index=N] [pin=no]`: the newest checkpoint if no index is given.
void ScriptSession::offer(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const ReplicaId peer = words.next_replica();
  std::optional<LogIndex> index;
  if (words.has("index")) index = LogIndex{words.number("index", 0)};
  const bool is_unasked = words.text("pin", "yes") == "no";
  const auto pinned = is_unasked ? RaftCluster::Pinned::kNo : RaftCluster::Pinned::kYes;
  if (!cluster_.offer_snapshot(id, peer, index, pinned)) miss("there is no such checkpoint");
}

// `stage R [index=N]`
void ScriptSession::stage(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  std::optional<LogIndex> index;
  if (words.has("index")) index = LogIndex{words.number("index", 0)};
  if (!cluster_.stage_one(id, index)) miss("no offer was received");
}

void ScriptSession::snapshot_result(ScriptWords& words) {
  const ReplicaId id = words.next_replica();
  const ReplicaId peer = words.next_replica();
  const std::string text = words.next();
  SnapshotOutcome outcome = SnapshotOutcome::kOk;
  if (text == "failed") outcome = SnapshotOutcome::kFailed;
  if (text == "busy") outcome = SnapshotOutcome::kBusy;
  cluster_.snapshot_result(id, peer, outcome);
}

void ScriptSession::stabilise(ScriptWords& words) {
  std::set<ReplicaId> replicas;
  if (words.has_next())
    for (const ReplicaId id : replicas_of(words, words.next())) replicas.insert(id);
  cluster_.stabilise(replicas);
}

}  // namespace worldline::replication::testing
