#include "tests/simulation/script_writer.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

namespace worldline::simulation {
namespace {

using replication::Envelope;
using replication::PersistJob;

// --- Which message is which ----------------------------------------------------------------------

// Everything a message says: equal keys are messages nobody can tell apart.
struct KeyWriter {
  std::string key;

  template <typename... Numbers>
  void add(Numbers... numbers) {
    ((key += fmt::format("{} ", numbers)), ...);
  }
  void add_id(replication::EntryId id) { add(id.index.value, id.term.value); }
  void operator()(const replication::PreVoteReq& m) {
    add_id(m.last);
    add(static_cast<int>(m.reason));
  }
  void operator()(const replication::PreVoteResp& m) {
    add(static_cast<int>(m.why), m.leader_hint.value);
  }
  void operator()(const replication::VoteReq& m) {
    add_id(m.last);
    add(m.transfer);
  }
  void operator()(const replication::VoteResp& m) { add(static_cast<int>(m.why)); }
  void operator()(const replication::Append& m) {
    add_id(m.prev);
    add(m.prev_chain.value, m.commit.value, m.seq);
    for (const replication::Entry& entry : m.entries) add(entry.chain.value);
  }
  void operator()(const replication::AppendResp& m) {
    add(m.ok, m.match.value, m.reject_prev.value, m.last_index.value, m.applied.value);
    add_id(m.hint);
    add(m.seq_echo, m.disk_full, m.apply_lag);
  }
  void operator()(const replication::Heartbeat& m) { add(m.commit.value, m.read_ctx, m.quiesce); }
  void operator()(const replication::HeartbeatResp& m) {
    add(static_cast<int>(m.status), m.read_ctx, m.applied.value, m.last_index.value);
  }
  void operator()(const replication::ReadIndexReq& m) { add(m.token.value); }
  void operator()(const replication::ReadIndexResp& m) { add(m.token.value, m.ok, m.index.value); }
  void operator()(const replication::TimeoutNow&) {}
  void operator()(const replication::SnapOffer& m) {
    add_id(m.meta.boundary.id);
    add(m.meta.snap_id);
  }
  void operator()(const replication::Hello& m) {
    add_id(m.last);
    add(m.durable_term.value, m.boundary_index.value);
  }
  void operator()(const replication::GroupGone& m) {
    add(m.replica.value, static_cast<int>(m.reason));
  }
};

std::string key_of(const Envelope& m) {
  KeyWriter writer;
  for (const replication::Address& address : {m.from, m.to})
    writer.add(address.node.value, address.incarnation, address.replica.value);
  writer.add(m.term.value, m.config_index.value, m.body.index());
  std::visit(writer, m.body);
  return writer.key;
}

// A core drops what is addressed to another one, and nothing of it changes.
bool is_misdelivered(const CoreStep& step, const CoreStart& receiver) {
  const replication::Address& to = step.message->to;
  return to.replica != step.replica || to.node != receiver.config.self.node;
}

struct UnderWay {
  std::string key;
  ReplicaId from;
  ReplicaId to;
  size_t type = 0;

  // Whether a filter of the script cannot tell them apart.
  bool looks_like(const UnderWay& other) const {
    return from == other.from && to == other.to && type == other.type;
  }
};

UnderWay under_way(const Envelope& m) {
  return {key_of(m), m.from.replica, m.to.replica, m.body.index()};
}

// What has to be known ahead of each delivery.
struct Outlook {
  std::map<std::string, size_t> deliveries;  // Still to come, by key.
  std::set<size_t> copied;                   // Steps whose message comes again later.
  std::set<size_t> unsent;                   // Steps whose message no core sent.
};

// --- What is on the disks ------------------------------------------------------------------------

// As far as a script's disk can be told from it: the end of the log and the hard state.
struct LogOnDisk {
  replication::HardState hard;
  LogIndex boundary;
  Chain boundary_chain;
  std::map<LogIndex, Chain> entries;

  LogIndex last() const { return entries.empty() ? boundary : entries.rbegin()->first; }
  Chain last_chain() const { return entries.empty() ? boundary_chain : entries.rbegin()->second; }
  void apply(const PersistJob& job) {
    if (job.hard_state) hard = *job.hard_state;
    if (job.new_boundary) {
      boundary = job.new_boundary->id.index;
      boundary_chain = job.new_boundary->chain;
      entries.clear();
    }
    if (job.truncate_from) entries.erase(entries.lower_bound(*job.truncate_from), entries.end());
    for (const replication::Entry& entry : job.entries) entries[entry.index] = entry.chain;
  }
  bool holds(const CoreStart& start) const {
    if (hard != start.hard) return false;
    return last() == start.last.index && last_chain() == start.last_chain;
  }
  bool holds_more_than(const CoreStart& start) const {
    const auto found = entries.find(start.last.index);
    const bool has_last = start.last.index == boundary ||
                          (found != entries.end() && found->second == start.last_chain);
    return hard == start.hard && has_last && last() > start.last.index;
  }
};

struct ReplicaModel {
  CoreStart start;
  LogOnDisk disk;
  std::vector<PersistJob> jobs;  // Handed over, not known to be stable.
  LogIndex applied;
  LogIndex checkpoint;
  LogIndex boundary;  // Where the script's disk begins.
  uint64_t quiet_ticks = 0;
  std::string face;  // Behind them.
};

class Writer {
 public:
  explicit Writer(const CoreRecording& recording) : steps_(recording.steps()) {
    if (recording.left_out() > 0)
      gap(fmt::format("the run was too long: {} steps are left out", recording.left_out()));
  }

  WrittenScript write() {
    look_ahead();
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (i + 1 == steps_.size()) flush_all_ticks();
      now_ = i;
      write_step(steps_[i]);
    }
    flush_all_ticks();
    return std::move(script_);
  }

 private:
  void look_ahead();
  void count_copies(const CoreStep& step, size_t place, std::map<std::string, long>& copies,
                    std::map<std::string, size_t>& newest);
  void write_step(const CoreStep& step);
  void write_start(const CoreStep& step);
  void write_cluster(const CoreStart& start);
  void write_return(const CoreStep& step, ReplicaModel& model);
  void write_input(const CoreStep& step, ReplicaModel& model);
  void write_message(const CoreStep& step);
  void write_work(const CoreStep& step, ReplicaModel& model);
  void write_report(const CoreStep& step);
  void write_change(const CoreStep& step);
  void write_propose(const CoreStep& step);
  void write_offer(const CoreStep& step, ReplicaModel& model);
  void follow_output(const CoreStep& step, ReplicaModel& model);
  std::string filter_of(const UnderWay& message, size_t skip, size_t count) const;
  void drop_in_the_way(size_t place);
  void put(const UnderWay& message);
  void take(size_t place);

  void line(const CoreStep& step, std::string command) {
    flush_ticks(step.replica);
    script_.lines.push_back(
        {std::move(command), step.replica, step.after ? print(*step.after) : std::string()});
  }
  void flush_ticks(ReplicaId replica) {
    ReplicaModel& model = replicas_[replica];
    if (model.quiet_ticks == 0) return;
    script_.lines.push_back(
        {fmt::format("tick {} {}", replica.value, model.quiet_ticks), replica, model.face});
    model.quiet_ticks = 0;
  }
  void flush_all_ticks() {
    for (auto& [replica, model] : replicas_) flush_ticks(replica);
  }
  void gap(std::string text) { script_.gaps.push_back(std::move(text)); }

  const std::deque<CoreStep>& steps_;
  size_t now_ = 0;
  WrittenScript script_;
  std::map<ReplicaId, ReplicaModel> replicas_;
  std::set<ReplicaId> of_cluster_;  // Made by the `cluster` command, their first start is to come.
  Outlook outlook_;
  std::vector<UnderWay> network_;        // As the script's,
  std::map<std::string, size_t> there_;  // and how many of each are in it.
};

// --- Ahead ---------------------------------------------------------------------------------------

void Writer::look_ahead() {
  std::map<std::string, long> copies;
  std::map<std::string, size_t> newest;  // Delivery of each key.
  std::map<ReplicaId, CoreStart> starts;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const CoreStep& step = steps_[i];
    if (step.start) starts[step.replica] = *step.start;
    if (step.input == CoreInput::kOffer) ++copies[key_of(*step.message)];
    const bool is_delivery =
        step.input == CoreInput::kMessage && !is_misdelivered(step, starts[step.replica]);
    if (is_delivery) count_copies(step, i, copies, newest);
    for (const Envelope& message : step.sent) ++copies[key_of(message)];
  }
}

void Writer::count_copies(const CoreStep& step, size_t place, std::map<std::string, long>& copies,
                          std::map<std::string, size_t>& newest) {
  const std::string key = key_of(*step.message);
  long& left = copies[key];
  const auto before = newest.find(key);
  if (left == 0 && before == newest.end()) {
    outlook_.unsent.insert(place);
    return;
  }
  if (left == 0) {
    outlook_.copied.insert(before->second);
  } else {
    --left;
  }
  ++outlook_.deliveries[key];
  newest[key] = place;
}

// --- Steps ---------------------------------------------------------------------------------------

void Writer::write_step(const CoreStep& step) {
  if (step.input == CoreInput::kStart) {
    write_start(step);
  } else {
    write_input(step, replicas_[step.replica]);
  }
  follow_output(step, replicas_[step.replica]);
}

void Writer::follow_output(const CoreStep& step, ReplicaModel& model) {
  for (const Envelope& message : step.sent) put(under_way(message));
  model.jobs.insert(model.jobs.end(), step.jobs.begin(), step.jobs.end());
  if (step.compacted_to) model.boundary = *step.compacted_to;
}

// --- Starts --------------------------------------------------------------------------------------

void Writer::write_start(const CoreStep& step) {
  const CoreStart& start = *step.start;
  if (script_.lines.empty()) write_cluster(start);
  const bool is_new = replicas_.find(step.replica) == replicas_.end();
  ReplicaModel& model = replicas_[step.replica];
  if (!is_new) {
    write_return(step, model);
  } else if (of_cluster_.count(step.replica) == 0) {
    line(step, fmt::format("replica {} uninit=yes inc={} node={} seed={}", step.replica.value,
                           start.config.self.incarnation, start.config.self.node.value,
                           start.config.seed));
  }
  model = ReplicaModel{};
  model.start = start;
  model.disk.hard = start.hard;
  model.disk.boundary = start.boundary.id.index;
  model.disk.boundary_chain = start.boundary.chain;
  model.disk.entries[start.last.index] = start.last_chain;
  if (start.last.index == start.boundary.id.index) model.disk.entries.clear();
  model.applied = model.checkpoint = start.applied;
  model.boundary = start.boundary.id.index;
}

void Writer::write_cluster(const CoreStart& start) {
  const replication::Membership& members = start.boundary.config;
  std::string voters;
  std::string seeds;
  for (const ReplicaId voter : members.voters) {
    of_cluster_.insert(voter);
    const auto first = std::find_if(steps_.begin(), steps_.end(), [voter](const CoreStep& step) {
      return step.start && step.replica == voter;
    });
    const uint64_t seed = first != steps_.end() ? first->start->config.seed : 0;
    voters += fmt::format("{}{}", voters.empty() ? "" : ",", voter.value);
    seeds += fmt::format("{}{}", seeds.empty() ? "" : ",", seed);
  }
  const replication::RaftConfig& config = start.config;
  const replication::RaftLimits& l = config.limits;
  std::string command = fmt::format(
      "cluster voters={} seeds={} disk=manual apply=manual fetch=manual E={} heartbeat={}", voters,
      seeds, config.election_ticks, config.heartbeat_ticks);
  command += fmt::format(" window={} window-bytes={} message-bytes={} entry-bytes={}",
                         l.inflight_messages_max, l.inflight_bytes_max, l.message_bytes_max,
                         l.entry_bytes_max);
  command += fmt::format(" uncommitted-bytes={} uncommitted-transactions={} backlog-bytes={}",
                         l.uncommitted_bytes_max, l.uncommitted_transactions_max,
                         l.apply_backlog_bytes_max);
  command += fmt::format(" apply-bytes={} cached-bytes={} reads={} retained={} retained-bytes={}",
                         l.apply_batch_bytes_max, l.cached_bytes_max, l.pending_reads_max,
                         l.retained_entries, l.retained_bytes);
  command += fmt::format(" follower-bytes={}", l.follower_retained_bytes_max);
  // Equal texts would do; equal lengths are needed, as bytes count in messages.
  const size_t zone_bytes = members.members.empty() ? 0 : members.members[0].failure_domain.size();
  if (zone_bytes > 0) command += fmt::format(" zone={}", std::string(zone_bytes, 'z'));
  script_.lines.push_back({command, ReplicaId{}, ""});
}

// Of the jobs that were not reported some are on the disk, in order.
void Writer::write_return(const CoreStep& step, ReplicaModel& model) {
  const CoreStart& start = *step.start;
  std::string command =
      fmt::format("inc={} seed={}", start.config.self.incarnation, start.config.seed);
  size_t written = 0;
  LogOnDisk disk = model.disk;
  while (!disk.holds(start) && written < model.jobs.size()) disk.apply(model.jobs[written++]);
  if (!disk.holds(start) && start.boundary.id.index.value == 0)
    return line(step, fmt::format("lose {} {}", step.replica.value, command));
  if (!disk.holds(start)) {
    written = 0;
    disk = model.disk;
    while (!disk.holds_more_than(start) && written < model.jobs.size())
      disk.apply(model.jobs[written++]);
    if (disk.holds_more_than(start)) {
      command += fmt::format(" last={}", start.last.index.value);
    } else {
      gap(fmt::format("replica {} came back with another disk than it wrote", step.replica.value));
    }
  }
  if (written > 0) command += fmt::format(" written={}", written);
  if (disk.boundary > model.boundary) model.checkpoint = model.boundary = disk.boundary;
  if (start.applied != model.checkpoint)
    command += fmt::format(" checkpoint={}", start.applied.value);
  if (start.boundary.id.index != model.boundary)
    command += fmt::format(" boundary={}", start.boundary.id.index.value);
  line(step, fmt::format("restart {} {}", step.replica.value, command));
}

// --- Inputs --------------------------------------------------------------------------------------

void Writer::write_input(const CoreStep& step, ReplicaModel& model) {
  switch (step.input) {
    case CoreInput::kClockTick: {
      const bool is_quiet = step.after && step.sent.empty() && step.jobs.empty();
      if (!is_quiet) {
        const uint64_t ticks = std::exchange(model.quiet_ticks, 0) + 1;
        return line(step, fmt::format("tick {} {}", step.replica.value, ticks));
      }
      ++model.quiet_ticks;
      model.face = print(*step.after);
      return;
    }
    case CoreInput::kMessage:
      if (!is_misdelivered(step, model.start)) write_message(step);
      return;
    case CoreInput::kPersisted:
    case CoreInput::kApplied:
    case CoreInput::kInstalled:
    case CoreInput::kCheckpointed:
    case CoreInput::kFetched:
    case CoreInput::kStaged:
      return write_work(step, model);
    case CoreInput::kPropose:
      return write_propose(step);
    case CoreInput::kChange:
      return write_change(step);
    case CoreInput::kOffer:
      return write_offer(step, model);
    case CoreInput::kStart:
    case CoreInput::kSnapshotPinned:  // The offer that follows says it.
      return;
    default:
      return write_report(step);
  }
}

void Writer::write_work(const CoreStep& step, ReplicaModel& model) {
  const uint64_t r = step.replica.value;
  switch (step.input) {
    case CoreInput::kPersisted:
      if (!model.jobs.empty()) {
        model.disk.apply(model.jobs.front());
        if (model.jobs.front().new_boundary)
          model.checkpoint = model.boundary = model.disk.boundary;
        model.jobs.erase(model.jobs.begin());
      }
      return line(step, fmt::format("write {}", r));
    case CoreInput::kApplied: {
      const uint64_t entries = step.a - std::exchange(model.applied, LogIndex{step.a}).value;
      return line(step, fmt::format("apply {} {}", r, entries));
    }
    case CoreInput::kInstalled:
      model.applied = LogIndex{step.a};
      return line(step, fmt::format("apply {}", r));
    case CoreInput::kCheckpointed:
      model.checkpoint = std::max(model.checkpoint, LogIndex{step.a});
      return line(step, fmt::format("checkpoint {} index={}", r, step.a));
    case CoreInput::kFetched:
      if (step.b == 0) return line(step, fmt::format("fetch {} gone=yes", r));
      if (LogIndex{step.b} > model.disk.last())
        return line(step, fmt::format("fetch {} last={}", r, step.b));
      return line(step, fmt::format("fetch {}", r));
    default:
      return line(step, fmt::format("stage {} index={}", r, step.a));
  }
}

const char* outcome_name(uint64_t outcome) {
  if (outcome == static_cast<uint64_t>(replication::SnapshotOutcome::kOk)) return "ok";
  return outcome == static_cast<uint64_t>(replication::SnapshotOutcome::kBusy) ? "busy" : "failed";
}

const char* hint_name(uint64_t hint) {
  if (hint == static_cast<uint64_t>(replication::PeerHint::kAlive)) return "alive";
  return hint == static_cast<uint64_t>(replication::PeerHint::kSuspect) ? "suspect" : "restarted";
}

const char* reason_word(uint64_t reason) {
  if (reason == static_cast<uint64_t>(replication::CampaignReason::kSuspect)) return " suspect";
  return reason == static_cast<uint64_t>(replication::CampaignReason::kOperator) ? " operator" : "";
}

const char* yes_or_no(uint64_t value) {
  return value != 0 ? "yes" : "no";
}

void Writer::write_report(const CoreStep& step) {
  const uint64_t r = step.replica.value;
  switch (step.input) {
    case CoreInput::kPaused:
      return line(step, fmt::format("pause {}", r));
    case CoreInput::kSnapshotResult:
      return line(step, fmt::format("snapshot-result {} {} {}", r, step.a, outcome_name(step.b)));
    case CoreInput::kUnreachable:
      return line(step, fmt::format("unreachable {} {}", r, step.a));
    case CoreInput::kHint:
      return line(step, fmt::format("hint {} {} {}", r, step.a, hint_name(step.b)));
    case CoreInput::kHello:
      return line(step, fmt::format("hello {}", r));
    case CoreInput::kRead:
      return line(step, fmt::format("read {} {}", r, step.a));
    case CoreInput::kTransfer:
      return line(step, fmt::format("transfer {} {}", r, step.a));
    case CoreInput::kCampaign:
      return line(step, fmt::format("campaign {}{}", r, reason_word(step.a)));
    case CoreInput::kForget:
      return line(step, fmt::format("forget {}", r));
    case CoreInput::kEligible:
      return line(step, fmt::format("eligible {} {}", r, yes_or_no(step.a)));
    case CoreInput::kDiskFull:
      return line(step, fmt::format("disk-full {} {}", r, yes_or_no(step.a)));
    case CoreInput::kQuiesce:
      return line(step, fmt::format("quiesce {}", r));
    case CoreInput::kWake:
      return line(step, fmt::format("wake {}", r));
    case CoreInput::kQuarantine:
      return line(step, fmt::format("quarantine {}", r));
    default:
      return gap(fmt::format("an input of replica {} has no command", r));
  }
}

// Payloads need no meaning here, but their lengths and that they differ.
void Writer::write_propose(const CoreStep& step) {
  std::string command = fmt::format("propose {}", step.replica.value);
  size_t bytes = 0;
  for (size_t i = 0; i < step.payload_bytes.size(); ++i) {
    command += fmt::format(" p{}.{}", now_, i);
    bytes = step.payload_bytes[i];
  }
  line(step, fmt::format("{} bytes={} term={}", command, bytes, step.a));
}

void Writer::write_change(const CoreStep& step) {
  std::string command = fmt::format("change {}", step.replica.value);
  std::string zone;
  for (const replication::MemberChange& change : step.changes) {
    const replication::MemberInfo& member = change.member;
    if (change.kind == replication::MemberChange::Kind::kRemove) {
      command += fmt::format(" -{}", member.replica.value);
      continue;
    }
    const bool is_voter = change.kind == replication::MemberChange::Kind::kAddVoter;
    command += fmt::format(" +{}:{}:{}", is_voter ? "voter" : "learner", member.replica.value,
                           member.node.value);
    zone = member.failure_domain;
  }
  if (!zone.empty()) command += fmt::format(" zone={}", std::string(zone.size(), 'z'));
  line(step, fmt::format("{} expected={}", command, step.a));
}

void Writer::write_offer(const CoreStep& step, ReplicaModel& model) {
  model.checkpoint = std::max(model.checkpoint, LogIndex{step.b});
  const bool is_pinned = now_ > 0 && steps_[now_ - 1].input == CoreInput::kSnapshotPinned &&
                         steps_[now_ - 1].replica == step.replica;
  line(step, fmt::format("offer {} {} index={}{}", step.replica.value, step.a, step.b,
                         is_pinned ? "" : " pin=no"));
  put(under_way(*step.message));
}

// --- Messages ------------------------------------------------------------------------------------

std::string Writer::filter_of(const UnderWay& message, size_t skip, size_t count) const {
  static const std::vector<std::string> kNames = {
      "PreVoteReq", "PreVoteResp", "VoteReq",       "VoteResp",     "Append",
      "AppendResp", "Heartbeat",   "HeartbeatResp", "ReadIndexReq", "ReadIndexResp",
      "TimeoutNow", "SnapOffer",   "Hello",         "GroupGone"};
  std::string text = fmt::format("from={} to={} type={}", message.from.value, message.to.value,
                                 kNames[message.type]);
  if (skip > 0) text += fmt::format(" skip={}", skip);
  return text + fmt::format(" count={}", count);
}

void Writer::put(const UnderWay& message) {
  ++there_[message.key];
  network_.push_back(message);
}

void Writer::take(size_t place) {
  --there_[network_[place].key];
  network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(place));
}

// Of those that look like the one at `place` and come before it, what nobody will receive.
void Writer::drop_in_the_way(size_t place) {
  const UnderWay wanted = network_[place];
  size_t skip = 0;
  for (size_t i = 0; network_[i].key != wanted.key;) {
    const UnderWay& message = network_[i];
    if (!message.looks_like(wanted)) {
      ++i;
    } else if (there_[message.key] > outlook_.deliveries[message.key]) {
      script_.lines.push_back({"drop " + filter_of(message, skip, 1), ReplicaId{}, ""});
      take(i);
    } else {
      ++skip;
      ++i;
    }
  }
}

void Writer::write_message(const CoreStep& step) {
  const Envelope& message = *step.message;
  if (outlook_.unsent.count(now_) != 0) {
    const auto* request = std::get_if<replication::ReadIndexReq>(&message.body);
    if (request == nullptr)
      return gap(fmt::format("replica {} received a {} which nobody sent", step.replica.value,
                             message_name(message.body)));
    return line(step,
                fmt::format("forge ReadIndexReq from={} to={} inc={} to-inc={} term={} "
                            "config={} token={}",
                            message.from.replica.value, message.to.replica.value,
                            message.from.incarnation, message.to.incarnation, message.term.value,
                            message.config_index.value, request->token.value));
  }
  const UnderWay wanted = under_way(message);
  const auto find = [this, &wanted] {
    return static_cast<size_t>(
        std::find_if(network_.begin(), network_.end(),
                     [&wanted](const UnderWay& other) { return other.key == wanted.key; }) -
        network_.begin());
  };
  if (find() == network_.size())
    return gap(fmt::format("a {} that replica {} received is not under way",
                           message_name(message.body), step.replica.value));
  drop_in_the_way(find());
  size_t place = find();
  const auto skipped = [this, &wanted](size_t end) {
    return static_cast<size_t>(
        std::count_if(network_.begin(), network_.begin() + static_cast<std::ptrdiff_t>(end),
                      [&wanted](const UnderWay& other) { return other.looks_like(wanted); }));
  };
  if (outlook_.copied.count(now_) != 0) {
    script_.lines.push_back({"duplicate " + filter_of(wanted, skipped(place), 1), ReplicaId{}, ""});
    take(place);
    put(wanted);
    put(wanted);
    place = find();
  }
  line(step, "deliver " + filter_of(wanted, skipped(place), 1));
  take(place);
  --outlook_.deliveries[wanted.key];
}

}  // namespace

WrittenScript write_script(const CoreRecording& recording) {
  return Writer(recording).write();
}

}  // namespace worldline::simulation
