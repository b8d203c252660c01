#include "tests/replication/script_observe.h"

#include <functional>

#include <fmt/core.h>

#include "tests/replication/raft_fixture.h"
#include "tests/replication/raft_trace.h"

namespace worldline::replication::testing {
namespace {

template <typename Id>
std::string number(Id id) {
  return std::to_string(id.value);
}

std::string yes(bool value) {
  return value ? "yes" : "no";
}

std::string terms_of(const RaftLog& log) {
  std::string out;
  for (LogIndex i = log.first(); i <= log.last(); i = i.next())
    out += (out.empty() ? "" : ",") + number(log.term_at(i));
  return out.empty() ? "-" : out;
}

std::string disk_terms_of(const DiskImage& disk) {
  std::string out;
  for (const Entry& entry : disk.entries) out += (out.empty() ? "" : ",") + number(entry.term);
  return out.empty() ? "-" : out;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + text;
  return out.empty() ? "-" : out;
}

using Observer = std::function<std::string(const TestReplica&)>;

const std::map<std::string, Observer>& core_observers() {
  static const std::map<std::string, Observer> kObservers = {
      {"role", [](const TestReplica& r) { return lower_name(role_name(r.core->role())); }},
      {"term", [](const TestReplica& r) { return number(r.core->term()); }},
      {"vote", [](const TestReplica& r) { return number(r.core->vote()); }},
      {"leader", [](const TestReplica& r) { return number(r.core->leader()); }},
      {"commit", [](const TestReplica& r) { return number(r.core->commit()); }},
      {"applied", [](const TestReplica& r) { return number(r.core->applied_index()); }},
      {"stable", [](const TestReplica& r) { return number(r.core->stable()); }},
      {"verified", [](const TestReplica& r) { return number(r.core->verified()); }},
      {"last", [](const TestReplica& r) { return print(r.core->log().last_id()); }},
      {"boundary", [](const TestReplica& r) { return print(r.core->log().boundary().id); }},
      {"barrier", [](const TestReplica& r) { return number(r.core->barrier()); }},
      {"barrier-committed", [](const TestReplica& r) { return yes(r.core->barrier_committed()); }},
      {"terms", [](const TestReplica& r) { return terms_of(r.core->log()); }},
      {"voters", [](const TestReplica& r) { return print(r.core->log().config().voters); }},
      {"outgoing",
       [](const TestReplica& r) { return print(r.core->log().config().voters_outgoing); }},
      {"learners", [](const TestReplica& r) { return print(r.core->log().config().learners); }},
      {"next", [](const TestReplica& r) { return print(r.core->log().config().learners_next); }},
      {"config-index", [](const TestReplica& r) { return number(r.core->log().config_index()); }},
      {"transferee", [](const TestReplica& r) { return number(r.core->transferee()); }},
      {"quiesced", [](const TestReplica& r) { return yes(r.core->is_quiesced()); }},
      {"installing", [](const TestReplica& r) { return yes(r.core->is_installing()); }},
      {"stopped", [](const TestReplica& r) { return yes(r.core->is_stopped()); }},
      {"elapsed", [](const TestReplica& r) { return std::to_string(r.core->election_elapsed()); }},
      {"timeout",
       [](const TestReplica& r) { return std::to_string(r.core->randomised_timeout()); }},
      {"uncommitted",
       [](const TestReplica& r) { return std::to_string(r.core->uncommitted_bytes()); }},
      {"pending-reads",
       [](const TestReplica& r) { return std::to_string(r.core->pending_reads()); }},
  };
  return kObservers;
}

const std::map<std::string, Observer>& world_observers() {
  static const std::map<std::string, Observer> kObservers = {
      {"data", [](const TestReplica& r) { return joined(r.state.texts); }},
      {"state-at", [](const TestReplica& r) { return number(r.state.at.id.index); }},
      {"jobs", [](const TestReplica& r) { return std::to_string(r.jobs.size()); }},
      {"to-apply", [](const TestReplica& r) { return std::to_string(r.apply_steps.size()); }},
      {"offers", [](const TestReplica& r) { return std::to_string(r.offers.size()); }},
      {"disk-term", [](const TestReplica& r) { return number(r.disk.hard.term); }},
      {"disk-vote", [](const TestReplica& r) { return number(r.disk.hard.vote); }},
      {"disk-last", [](const TestReplica& r) { return number(r.disk.last()); }},
      {"disk-boundary", [](const TestReplica& r) { return print(r.disk.boundary.id); }},
      {"disk-terms", [](const TestReplica& r) { return disk_terms_of(r.disk); }},
      {"wants-snapshot",
       [](const TestReplica& r) {
         return print(ReplicaSet(r.wants_snapshot.begin(), r.wants_snapshot.end()));
       }},
      {"fatals", [](const TestReplica& r) { return std::to_string(r.fatals.size()); }},
  };
  return kObservers;
}

std::optional<std::string> observe_by(const std::map<std::string, Observer>& observers,
                                      const TestReplica& replica, const std::string& key) {
  const auto found = observers.find(key);
  if (found == observers.end()) return std::nullopt;
  return found->second(replica);
}

std::string entry_at(const TestReplica& replica, const std::string& index) {
  const LogIndex place{std::stoull(index)};
  const RaftLog& log = replica.core->log();
  if (place < log.first() || place > log.last()) return "none";
  const std::string text = print(log.at(place));
  return text.substr(text.find('@') + 1);
}

std::string disk_entry_at(const TestReplica& replica, const std::string& index) {
  for (const Entry& entry : replica.disk.entries)
    if (number(entry.index) == index) return print(entry).substr(index.size() + 1);
  return "none";
}

std::string state_line(const TestReplica& replica) {
  std::string out = number(replica.id()) + ":";
  for (const char* key : {"role", "term", "vote", "leader", "commit", "applied", "stable",
                          "verified", "last", "boundary"})
    out += fmt::format(" {}={}", key, *observe(replica, key));
  return out;
}

std::string log_line(const TestReplica& replica) {
  const RaftLog& log = replica.core->log();
  std::string out = fmt::format("{}: log ({}", number(replica.id()), print(log.boundary().id));
  for (LogIndex i = log.first(); i <= log.last(); i = i.next()) out += " " + print(log.at(i));
  return out + ")";
}

std::string disk_line(const TestReplica& replica) {
  const DiskImage& disk = replica.disk;
  return fmt::format("{}: disk term={} vote={} ({} {})", number(replica.id()),
                     number(disk.hard.term), number(disk.hard.vote), print(disk.boundary.id),
                     print(disk.entries));
}

std::vector<std::string> progress_lines(const TestReplica& replica) {
  std::vector<std::string> lines;
  for (const ReplicaId peer : replica.core->log().config().replicas()) {
    std::string out = fmt::format("{}: of {}", number(replica.id()), number(peer));
    for (const char* key : {"state", "match", "next", "paused", "inflight"})
      out += fmt::format(" {}={}", key, *observe_peer(replica, peer, key));
    lines.push_back(out);
  }
  return lines;
}

}  // namespace

std::optional<std::string> observe(const TestReplica& replica, const std::string& key) {
  if (key.rfind("log.", 0) == 0) return entry_at(replica, key.substr(4));
  if (key.rfind("disk.", 0) == 0) return disk_entry_at(replica, key.substr(5));
  if (key.rfind("read.", 0) == 0) {
    const auto found = replica.reads.find(std::stoull(key.substr(5)));
    return found != replica.reads.end() ? found->second : "pending";
  }
  if (auto value = observe_by(core_observers(), replica, key); value) return value;
  return observe_by(world_observers(), replica, key);
}

std::optional<std::string> observe_peer(const TestReplica& replica, ReplicaId peer,
                                        const std::string& key) {
  const Progress* progress = replica.core->progress(peer);
  if (progress == nullptr) return "none";
  if (key == "state") return lower_name(progress_name(progress->state));
  if (key == "match") return number(progress->match);
  if (key == "next") return number(progress->next);
  if (key == "applied") return number(progress->applied);
  if (key == "paused") return yes(progress->is_paused());
  if (key == "inflight") return std::to_string(progress->window.messages());
  if (key == "inflight-bytes") return std::to_string(progress->window.bytes());
  return std::nullopt;
}

std::vector<std::string> show(const TestReplica& replica, const std::string& topic) {
  if (topic.empty()) return {state_line(replica)};
  if (topic == "log") return {log_line(replica)};
  if (topic == "disk") return {disk_line(replica)};
  if (topic == "progress") return progress_lines(replica);
  if (topic == "config")
    return {fmt::format("{}: config {} {}", number(replica.id()),
                        number(replica.core->log().config_index()),
                        print(replica.core->log().config()))};
  return {};
}

}  // namespace worldline::replication::testing
