// replication/node/cluster_birth.h
//
// ClusterBirth forms a cluster out of empty nodes, once, and never by accident [S 08/3.9]. It acts
// only where an operator named the seeds and gave a token, and only when every seed is there,
// empty, of the same token and free of any cluster. The seed with the lowest uuid then writes the
// genesis; all others receive it and store it before they serve.
//
// Idea: hellos may be old, so being ready is not enough. The writer asks every seed for a pledge
//   (answered from the seed's present state) and writes only with all of them; who pledged accepts
//   no other writer's genesis, until that writer says that its ballot is over. A seed whose disk
//   was lost comes back under another uuid, so a pledge to its old self binds nobody.
// Restarts: uuid and life are on disk before the first message; pledges and ballots are not. So a
//   ballot's number holds the life of its writer: no pledge to an earlier life counts. And an offer
//   holds the life of the seed it is for: what was on its way to a life that pledged otherwise is
//   not believed by the next one, which forgot.
// Invariants: a genesis is handed out for storing at most once; a node with state takes no part but
//   for handing on the genesis it was born with; a genesis lists exactly the seeds that pledged.
// Ownership: the node's start-up. Units: BootTime. Errors: status_text() says who is waited for.
// Order of calls: on_time() and recv(); take_output() after each; stored() when the genesis is on
//   disk. Messages may be lost, late, doubled and reordered.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replication/node/birth_codec.h"
#include "replication/node/node_messages.h"

namespace worldline::replication {

inline constexpr uint64_t kBirthLifeMax = UINT32_MAX;

struct BirthConfig {
  Uuid uuid{};                     // Durable, as `life`.
  uint64_t life = 0;               // The incarnation: 1 to kBirthLifeMax.
  std::string address;             // Ours; one of `seeds`.
  std::vector<std::string> seeds;  // All, without duplicates, at most kSeedsMax.
  uint64_t token_hash = 0;         // 0 = no token was given: no cluster is ever formed.
  bool is_empty = false;           // No Raft state in the data directory.
  std::optional<Genesis> born;     // Stored by an earlier start.
  Uuid fresh_cluster{};            // Random; the id if we write the genesis.
};

enum class BirthState : uint8_t {
  kIdle = 1,       // Not asked to form one, or not empty: such a node joins, or is a member.
  kGathering = 2,  // Waiting until every seed is there and fit.
  kPledging = 3,   // The writer asks for pledges.
  kStoring = 4,    // The genesis is on its way to our disk.
  kBorn = 5,       // Stored. Other seeds may still need it.
};

struct BirthOutput {
  std::vector<std::pair<std::string, BirthMessage>> send;  // By address.
  std::optional<Genesis> store;
};

class ClusterBirth {
 public:
  // Errors: kInvalidArgument for a list of seeds that cannot work.
  static Status validate(const BirthConfig& config);

  // REQUIRES: validate(config).ok().
  explicit ClusterBirth(BirthConfig config);

  void on_time(BootTime now);
  void recv(const std::string& from, const BirthMessage& message, BootTime now);
  void stored();  // What take_output() gave is on disk.
  BirthOutput take_output();

  BirthState state() const { return state_; }
  bool is_born() const { return state_ == BirthState::kBorn; }
  const std::optional<Genesis>& genesis() const { return genesis_; }
  // For operators: what is missing.
  std::string status_text(BootTime now) const;

 private:
  struct Seed {
    SeedHello hello;
    BootTime at;
  };
  struct Given {
    Uuid writer{};
    uint64_t ballot = 0;
  };

  static bool is_older(const SeedHello& hello, const SeedHello& known);

  std::string unfit_text(BootTime now) const;                   // Empty: every seed is fit.
  std::vector<std::pair<Uuid, std::string>> all_seeds() const;  // Ascending by uuid, ours included.
  uint64_t seeds_hash() const;
  uint64_t closed_ballot() const;
  uint64_t closed_ballot_of(const Uuid& writer) const;
  bool is_writer() const;
  bool is_bound_against(const Genesis& genesis) const;
  SeedHello own_hello() const;
  void send(const std::string& to, BirthMessage message);
  void send_to_others(const BirthMessage& message);
  void on(const std::string& from, const SeedHello& hello, BootTime now);
  void on(const std::string& from, const PledgeRequest& request, BootTime now);
  void on(const std::string& from, const Pledge& pledge, BootTime now);
  void on(const std::string& from, const GenesisOffer& offer, BootTime now);
  void begin_ballot(BootTime now);
  bool may_go_on(BootTime now) const;
  void ask_for_pledges();
  void give_up(BootTime now);
  void write_genesis();
  void accept(const Genesis& genesis);

  const BirthConfig config_;
  BirthState state_ = BirthState::kIdle;
  std::map<std::string, Seed> seeds_;  // Heard of, by address; never ourselves.
  std::optional<Given> given_;         // Our pledge.
  uint64_t ballot_ = 0;                // The last one; its upper half is our life.
  uint64_t asked_hash_ = 0;            // The seeds our ballot asks.
  std::set<std::string> pledges_;      // To our ballot, by address.
  std::optional<Genesis> genesis_;
  std::optional<BootTime> told_at_;
  std::optional<BootTime> retry_at_;  // The ballot ends, or no ballot before.
  BirthOutput output_;
};

// The members of the catalog group at birth; every seed has one voter.
Membership catalog_members(const Genesis& genesis);

}  // namespace worldline::replication
