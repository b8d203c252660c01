// The looking half of ScriptSession: show and expect.
#include <algorithm>

#include <fmt/core.h>

#include "tests/replication/raft_trace.h"
#include "tests/replication/script_observe.h"
#include "tests/replication/script_session.h"

namespace worldline::replication::testing {

// `show R|all [log|progress|config|disk]`, `show net`
void ScriptSession::show_something(ScriptWords& words) {
  const std::string who = words.next();
  if (who == "net") {
    for (const Envelope& m : cluster_.under_way())
      output_.push_back(fmt::format("{}>{} {} t{}", m.from.replica.value, m.to.replica.value,
                                    print(m.body), m.term.value));
    return;
  }
  const std::string topic = words.has_next() ? words.next() : "";
  for (const ReplicaId id : replicas_of(words, who)) {
    const TestReplica* replica = cluster_.find(id);
    if (replica == nullptr) continue;
    const std::vector<std::string> lines = show(*replica, topic);
    if (lines.empty()) fail("no such topic");
    output_.insert(output_.end(), lines.begin(), lines.end());
  }
}

// `expect R|all KEY=VALUE...`, `expect R peer=P KEY=VALUE...`, `expect net count=N FILTER...`,
// `expect result=VALUE`
void ScriptSession::expect(ScriptWords& words) {
  if (words.has("result")) return expect_equal("result", result_, words.text("result"));
  const std::string who = words.next();
  if (who == "net") return expect_messages(words);
  const std::vector<ReplicaId> replicas = replicas_of(words, who);
  const std::map<std::string, std::string> keys = words.take_keys();
  if (replicas.empty() || keys.empty()) return fail("nothing is expected");
  for (const ReplicaId id : replicas) {
    TestReplica* replica = cluster_.find(id);
    if (replica == nullptr) continue;
    if (keys.count("peer") != 0) {
      expect_peer(*replica, keys);
    } else {
      expect_replica(*replica, keys);
    }
  }
}

void ScriptSession::expect_messages(ScriptWords& words) {
  const uint64_t wanted = words.number("count", UINT64_MAX);
  const uint64_t is = cluster_.count(read_filter(words));
  if (is != wanted) fail(fmt::format("{} messages are under way", is));
}

void ScriptSession::expect_replica(TestReplica& replica,
                                   const std::map<std::string, std::string>& keys) {
  for (const auto& [key, value] : keys) {
    if (expect_event(replica, key, value) || expect_bound(replica, key, value)) continue;
    expect_equal(fmt::format("{}'s {}", replica.id().value, key), observe(replica, key), value);
  }
}

// Things that happened: `note`, `no-note`, `became` since the last command, `fatal` ever.
bool ScriptSession::expect_event(TestReplica& replica, const std::string& key,
                                 const std::string& value) {
  const auto among = [&value](const std::vector<std::string>& texts) {
    return std::any_of(texts.begin(), texts.end(), [&value](const std::string& text) {
      return text.substr(0, text.find(' ')) == value;
    });
  };
  const std::string who = std::to_string(replica.id().value);
  if (key == "note") {
    if (!among(replica.notes)) fail(who + " did not note " + value);
    return true;
  }
  if (key == "no-note") {
    if (among(replica.notes)) fail(who + " noted " + value);
    return true;
  }
  if (key == "became") {
    if (!among(replica.role_changes)) fail(who + " did not become " + value);
    return true;
  }
  if (key != "fatal") return false;
  if (!among(replica.fatals)) fail(who + " reported no FATAL " + value);
  std::erase_if(replica.fatals,
                [&value](const std::string& text) { return text.rfind(value + " ", 0) == 0; });
  return true;
}

// `timeout>=17`, `timeout<=31`
bool ScriptSession::expect_bound(TestReplica& replica, const std::string& key,
                                 const std::string& value) {
  const char sign = key.back();
  if (sign != '>' && sign != '<') return false;
  const std::string name = key.substr(0, key.size() - 1);
  const std::optional<std::string> is = observe(replica, name);
  ScriptWords words("bound");
  const uint64_t number = words.number_of(is.value_or(""));
  const uint64_t bound = words.number_of(value);
  const bool holds = sign == '>' ? number >= bound : number <= bound;
  if (!words.take_faults().empty()) fail("cannot compare " + key);
  if (!holds) fail(fmt::format("{}'s {} is {}", replica.id().value, name, number));
  return true;
}

void ScriptSession::expect_peer(TestReplica& replica,
                                const std::map<std::string, std::string>& keys) {
  ScriptWords words("peer");
  const ReplicaId peer{words.number_of(keys.at("peer"))};
  for (const auto& [key, value] : keys) {
    if (key == "peer") continue;
    expect_equal(fmt::format("{}'s {} of {}", replica.id().value, key, peer.value),
                 observe_peer(replica, peer, key), value);
  }
}

// `expect-error TEXT`: the last command was refused with a message that has TEXT in it.
void ScriptSession::expect_error(ScriptWords& words) {
  const std::string wanted = words.rest();
  if (wanted.empty() || result_.find(wanted) == std::string::npos)
    fail("the result is '" + result_ + "'");
}

void ScriptSession::expect_equal(const std::string& what, const std::optional<std::string>& is,
                                 const std::string& wanted) {
  if (!is) return fail("cannot look at " + what);
  if (*is != wanted) fail(fmt::format("{} is {}, not {}", what, *is, wanted));
}

}  // namespace worldline::replication::testing
