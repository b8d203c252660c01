// tests/replication/script_session.h
//
// ScriptSession runs the commands of one script on a cluster of its own.
//
// Ownership: one run. Errors: failures(), each with its command line.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/replication/raft_cluster.h"
#include "tests/replication/raft_script.h"
#include "tests/replication/script_words.h"

namespace worldline::replication::testing {

class ScriptSession {
 public:
  explicit ScriptSession(ListenerMaker listen = {}) : listen_(std::move(listen)) {}

  // What the command printed.
  std::vector<std::string> run(const std::string& line);
  void finish();  // A broken invariant that no `expect` named is a failure.
  const std::vector<std::string>& failures() const { return failures_; }
  const RaftCluster& cluster() const { return cluster_; }

 private:
  using Command = void (ScriptSession::*)(ScriptWords&);
  static const std::map<std::string, Command>& commands();

  // --- Replicas ---------------------------------------------------------------------------------
  void make_cluster(ScriptWords& words);
  void make_replica(ScriptWords& words);
  void read_options(ScriptWords& words, ReplicaSpec& spec);
  Restart read_restart(ScriptWords& words);
  void restart(ScriptWords& words);
  void lose(ScriptWords& words);
  void set_strict(ScriptWords& words);
  void set_trace(ScriptWords& words);
  void set_observer(ScriptWords& words);

  // --- Inputs of cores --------------------------------------------------------------------------
  void campaign(ScriptWords& words);
  void tick(ScriptWords& words);
  void propose(ScriptWords& words);
  void change(ScriptWords& words);
  void cancel(ScriptWords& words);
  void transfer(ScriptWords& words);
  void forget(ScriptWords& words);
  void read(ScriptWords& words);
  void hello(ScriptWords& words);
  void pause(ScriptWords& words);
  void hint(ScriptWords& words);
  void unreachable(ScriptWords& words);
  void timeout(ScriptWords& words);
  void set_eligible(ScriptWords& words);
  void set_disk_full(ScriptWords& words);
  void quiesce(ScriptWords& words);
  void wake(ScriptWords& words);
  void quarantine(ScriptWords& words);

  // --- Network, disk, snapshots -----------------------------------------------------------------
  MessageFilter read_filter(ScriptWords& words);
  void deliver(ScriptWords& words);
  void drop(ScriptWords& words);
  void duplicate(ScriptWords& words);
  void reverse(ScriptWords& words);
  void block(ScriptWords& words);
  void unblock(ScriptWords& words);
  void forge(ScriptWords& words);
  void write(ScriptWords& words);
  void apply(ScriptWords& words);
  void fetch(ScriptWords& words);
  void checkpoint(ScriptWords& words);
  void offer(ScriptWords& words);
  void stage(ScriptWords& words);
  void snapshot_result(ScriptWords& words);
  void stabilise(ScriptWords& words);

  // --- Looking ----------------------------------------------------------------------------------
  void show_something(ScriptWords& words);
  void expect(ScriptWords& words);
  void expect_error(ScriptWords& words);
  void expect_messages(ScriptWords& words);
  void expect_replica(TestReplica& replica, const std::map<std::string, std::string>& keys);
  void expect_peer(TestReplica& replica, const std::map<std::string, std::string>& keys);
  bool expect_event(TestReplica& replica, const std::string& key, const std::string& value);
  bool expect_bound(TestReplica& replica, const std::string& key, const std::string& value);
  void expect_equal(const std::string& what, const std::optional<std::string>& is,
                    const std::string& wanted);

  std::vector<ReplicaId> replicas_of(ScriptWords& words, const std::string& text);
  void set_result(const Status& status);
  void fail(const std::string& text);
  void miss(const std::string& text);  // What the command is about is not there.

  const ListenerMaker listen_;
  RaftCluster cluster_;
  ReplicaSpec model_;  // Options of the `cluster` command.
  std::string result_ = "none";
  std::string line_;
  std::vector<std::string> output_;
  std::vector<std::string> failures_;
  size_t problems_seen_ = 0;
  bool is_tracing_ = true;
  bool is_strict_ = true;
};

}  // namespace worldline::replication::testing
