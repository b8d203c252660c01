// tests/processes/kv_machine.h
//
// KvMachine is the replicated state of one node and what waits for it: writes for the fate of their
// entry, reads for the index they may be answered at.
//
// Invariants: a write is answered OK only when its own entry (index and term) was applied here, and
//   FAILED only when another entry has its place for good; what cannot be known is UNKNOWN.
// Ownership: one KvNode, its thread. StateMachine calls are recorded and acted upon in settle().
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "replication/node/group_replica.h"
#include "tests/processes/kv_state.h"

namespace worldline::kv {

using Reply = std::function<void(const std::string&)>;

struct MachineCounters {
  uint64_t became_leader = 0;  // Of this life.
  uint64_t applied = 0;
  uint64_t installed = 0;
};

class KvMachine final : public replication::StateMachine {
 public:
  using LoadStaged = std::function<Result<KvState>(const replication::SnapshotMeta&)>;
  explicit KvMachine(LoadStaged load_staged) : load_staged_(std::move(load_staged)) {}

  // What a checkpoint holds, before anything is applied.
  void restore(KvState state) { state_ = std::move(state); }

  void write(Command command, Reply reply);
  void read(std::string key, Reply reply);

  // Hands over what came in and acts upon what the core said, until nothing moves.
  void settle(replication::GroupReplica& replica);

  const KvState& state() const { return state_; }
  const MachineCounters& counters() const { return counters_; }

  // --- StateMachine
  void role_changed(const replication::RoleChange& change) override;
  void config_changed(const replication::ConfigChange&) override {}
  void apply(std::vector<replication::ApplyEntry> entries) override;
  void install(const replication::SnapshotMeta& meta) override { install_ = meta; }
  void read_ready(const replication::ReadReady& read) override { ready_.push_back(read); }
  void read_failed(replication::ReadToken token) override { failed_.push_back(token); }

 private:
  struct Write {
    ByteBuffer entry;
    Reply reply;
  };
  struct Proposed {
    Term term;
    Reply reply;
  };
  struct Read {
    std::string key;
    Reply reply;
  };

  void propose(replication::GroupReplica& replica);
  void begin_reads(replication::GroupReplica& replica);
  bool install_staged(replication::GroupReplica& replica);
  bool apply_entries(replication::GroupReplica& replica);
  void apply_one(const replication::Entry& entry);
  void answer_reads(const replication::GroupReplica& replica);

  const LoadStaged load_staged_;
  KvState state_;
  std::vector<Write> writes_;                   // Not proposed yet.
  std::vector<Read> reads_;                     // Without a token yet.
  std::multimap<LogIndex, Proposed> proposed_;  // One place may be tried in several terms.
  std::map<replication::ReadToken, std::vector<Read>> asked_;
  std::multimap<LogIndex, std::vector<Read>> waiting_;  // For the state to get there.
  uint64_t last_token_ = 0;

  std::deque<replication::ApplyEntry> entries_;
  std::optional<replication::SnapshotMeta> install_;
  std::vector<replication::ReadReady> ready_;
  std::vector<replication::ReadToken> failed_;
  MachineCounters counters_;
};

}  // namespace worldline::kv
