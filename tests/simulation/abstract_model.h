// tests/simulation/abstract_model.h
//
// AbstractModel: Raft as worldline runs it, written down once more as a relation between the states
// of a replica, and the second judge of every run [S 08/6.2]. It is fed with a trace: what each
// replica looked like after each step, what had arrived, what it sent. A step that no action of
// the model allows, or a state that breaks an invariant, is refused. worldline_raft.tla is the same
// model as a text; names of actions and invariants are the same in both.
//
// It shares no code with the core, and knows of it only what a trace says.
// Actions: Restart, UpdateTerm, Campaign, GrantVote, BecomeLeader, ClientRequest, AppendEntries,
//   AdvanceCommit (leader), LearnCommit (follower), InstallSnapshot, Compact, Persisted. A step of
//   a replica is one of them or several in a row.
// Invariants: OneLeaderPerTerm, LogMatching, CommittedPrefixAgreement, LeaderHasGreatestIndex,
//   QuorumLog, UpToDateCheck, LeaderCompleteness, CommittedIsDurable.
// Extended by: a config counts from its append; commit of a follower is bound by what it verified
//   with the leader of this term; a completed write counts under its write epoch only.
//
// Ownership: one run; values. Units: log indexes and terms, as plain numbers. The first refusal is
// kept, and everything behind it is ignored.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace worldline::simulation {

struct ModelConfig {
  std::vector<uint64_t> voters;
  std::vector<uint64_t> outgoing;  // Voters of the config that is being left; empty unless joint.
  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

// An entry; `content` stands for it and everything before it.
struct ModelSlot {
  uint64_t term = 0;
  uint64_t content = 0;
  friend bool operator==(const ModelSlot&, const ModelSlot&) = default;
};

enum class ModelRole : uint8_t { kFollower, kCandidate, kLeader };

struct ModelReplica {
  uint64_t id = 0;
  uint64_t term = 0;
  uint64_t vote = 0;
  ModelRole role = ModelRole::kFollower;
  uint64_t base = 0;  // What is at or below it is in a checkpoint.
  ModelSlot base_slot;
  std::vector<ModelSlot> log;  // From base + 1.
  ModelConfig config;          // In force.
  uint64_t commit = 0;
  uint64_t verified = 0;
  uint64_t stable = 0;
  // On its disk:
  uint64_t durable_term = 0;
  uint64_t durable_vote = 0;
  uint64_t durable = 0;  // The log up to here.

  uint64_t last() const { return base + log.size(); }
  bool has(uint64_t index) const { return index >= base && index <= last(); }
  const ModelSlot& at(uint64_t index) const {
    return index == base ? base_slot : log[index - base - 1];
  }
};

struct ModelMessage {
  enum class Kind : uint8_t {
    kPreVote,  // Asked or granted: it carries a term that nobody has yet.
    kVoteRequest,
    kVoteGranted,
    kAppend,
    kAppendOk,
    kHeartbeat,
    kTimeoutNow,
    kOther,
  } kind = Kind::kOther;
  uint64_t from = 0;
  uint64_t to = 0;
  uint64_t term = 0;
  uint64_t index = 0;       // Last of a vote request, previous of an append, match of its answer.
  uint64_t index_term = 0;  // Of the entry there.
  uint64_t commit = 0;
  std::vector<ModelSlot> entries;
};

class AbstractModel {
 public:
  // --- The trace ---------------------------------------------------------------------------------
  void create(uint64_t id);             // Its disk is new.
  void start(const ModelReplica& now);  // A life begins: Restart.
  void stop(uint64_t id);
  void receive(uint64_t id, const ModelMessage& message);  // Part of the next step.
  void take_snapshot(uint64_t id, uint64_t index);         // One was staged; part of the next step.
  void hand_out(uint64_t id, uint64_t job,
                uint64_t last);                         // A write of the log up to `last` began.
  void complete(uint64_t id, uint64_t job);             // Part of the next step.
  void send(uint64_t id, const ModelMessage& message);  // By the next step.
  void step(const ModelReplica& now);                   // It was taken.

  bool refuses() const { return !refusal_.empty(); }
  const std::string& refusal() const { return refusal_; }
  uint64_t steps() const { return steps_; }
  uint64_t actions() const { return actions_; }  // Changes that were allowed.

 private:
  struct Job {
    uint64_t epoch = 0;
    uint64_t last = 0;
  };
  struct Life {
    ModelReplica state;
    bool is_running = false;
    uint64_t epoch = 0;  // Raised by each truncation and replacement of the log.
    uint64_t verified = 0;
    std::map<uint64_t, Job> jobs;
    std::set<uint64_t> grants;                      // Votes received in this term.
    std::map<uint64_t, uint64_t> accepted;          // Acknowledged in this term, by replica.
    std::set<std::pair<uint64_t, uint64_t>> votes;  // Every (term, vote) it had.
    // Of the step under way:
    std::vector<ModelMessage> received;
    std::vector<ModelMessage> sent;
    std::vector<std::pair<uint64_t, uint64_t>> handed_out;  // Jobs and how far they write.
    std::optional<uint64_t> snapshot;
    uint64_t completed_to = 0;
  };

  void refuse(const std::string& rule, uint64_t id, const std::string& why);
  // --- Actions -----------------------------------------------------------------------------------
  void check_term_and_vote(Life& life, const ModelReplica& now);
  bool may_adopt(const Life& life, uint64_t term) const;
  bool may_grant(const Life& life, uint64_t term, uint64_t candidate) const;
  void note_answers(Life& life, const ModelReplica& now);
  void check_role(Life& life, const ModelReplica& now);
  void check_log(Life& life, const ModelReplica& now);
  void check_appended(const Life& life, const ModelReplica& now, uint64_t first);
  bool comes_from(const ModelMessage& append, const ModelReplica& old, const ModelReplica& now,
                  uint64_t first) const;
  void check_verified(Life& life, const ModelReplica& now);
  void check_commit(Life& life, const ModelReplica& now);
  bool is_accepted(const Life& life, const ModelConfig& config, const ModelReplica& now) const;
  void check_stable(Life& life, const ModelReplica& now);
  void check_sent(const Life& life, const ModelReplica& now, const ModelMessage& message);
  void check_sent_append(const ModelReplica& now, const ModelMessage& message);
  // --- Invariants --------------------------------------------------------------------------------
  void check_leader(const ModelReplica& old, const ModelReplica& now);
  void check_matching(const ModelReplica& old, const ModelReplica& now);
  void check_committed(const ModelReplica& now);
  void check_durable(const ModelReplica& now, const ModelConfig& before);
  void check_up_to_date(const ModelReplica& now);
  bool covers(const ModelReplica& replica, uint64_t index) const;  // The committed entry.

  std::map<uint64_t, Life> lives_;
  std::map<uint64_t, uint64_t> leaders_;       // By term.
  std::map<uint64_t, uint64_t> leader_lasts_;  // By term: how far its leader's log reached.
  std::vector<std::map<uint64_t, uint64_t>> contents_;  // By index: term -> content.
  std::vector<ModelSlot> committed_;    // By index; [0] unused; a zero slot is not known.
  std::vector<uint64_t> committed_in_;  // The term of who committed it first.
  std::string refusal_;
  uint64_t steps_ = 0;
  uint64_t actions_ = 0;
};

}  // namespace worldline::simulation
