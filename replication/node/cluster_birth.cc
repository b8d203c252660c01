#include "replication/node/cluster_birth.h"

#include <algorithm>

#include <fmt/core.h>

namespace worldline::replication {
namespace {

constexpr Micros kTellEvery{500'000};
constexpr Micros kHelloAgeMax{2'000'000};  // Four hellos: one may be lost.
constexpr Micros kBallotTime{3'000'000};
constexpr Micros kRetryAfter{1'000'000};

}  // namespace

Status ClusterBirth::validate(const BirthConfig& config) {
  if (config.token_hash == 0) return Status::ok_status();  // Nothing will be formed.
  if (config.uuid == Uuid{} || config.fresh_cluster == Uuid{})
    return Status::invalid_argument("a seed needs random ids of its own");
  if (config.life == 0 || config.life > kBirthLifeMax)
    return Status::invalid_argument("life {} of a seed; 1 to {} are possible", config.life,
                                    kBirthLifeMax);
  const std::set<std::string> unique(config.seeds.begin(), config.seeds.end());
  if (unique.size() != config.seeds.size())
    return Status::invalid_argument("a seed is named twice");
  if (config.seeds.empty() || config.seeds.size() > kSeedsMax)
    return Status::invalid_argument("{} seeds; between 1 and {} can form a cluster",
                                    config.seeds.size(), kSeedsMax);
  if (!unique.contains(config.address))
    return Status::invalid_argument("this node's address {} is not among the seeds",
                                    config.address);
  for (const std::string& address : config.seeds)
    if (address.empty() || address.size() > kNodeAddressBytesMax)
      return Status::invalid_argument("a seed's address has {} bytes; 1 to {} are possible",
                                      address.size(), kNodeAddressBytesMax);
  return Status::ok_status();
}

ClusterBirth::ClusterBirth(BirthConfig config) : config_(std::move(config)) {
  WL_CHECK(validate(config_).ok());
  ballot_ = config_.life << 32;
  if (config_.born) {
    genesis_ = config_.born;
    state_ = BirthState::kBorn;
  } else if (config_.is_empty && config_.token_hash != 0) {
    state_ = BirthState::kGathering;
  }
}

// --- Who is there --------------------------------------------------------------------------------

std::string ClusterBirth::unfit_text(BootTime now) const {
  std::set<Uuid> uuids{config_.uuid};
  for (const std::string& address : config_.seeds) {
    if (address == config_.address) continue;
    const auto found = seeds_.find(address);
    if (found == seeds_.end() || now - found->second.at > kHelloAgeMax)
      return fmt::format("seed {} does not answer", address);
    const SeedHello& hello = found->second.hello;
    if (hello.token_hash != config_.token_hash)
      return fmt::format("seed {} has another bootstrap token", address);
    if (hello.cluster) return fmt::format("seed {} belongs to a cluster already", address);
    if (!hello.is_empty) return fmt::format("seed {} has data of its own", address);
    if (!uuids.insert(hello.uuid).second)
      return fmt::format("seed {} has the uuid of another seed", address);
  }
  return {};
}

std::vector<std::pair<Uuid, std::string>> ClusterBirth::all_seeds() const {
  std::vector<std::pair<Uuid, std::string>> all{{config_.uuid, config_.address}};
  for (const auto& [address, seed] : seeds_) all.emplace_back(seed.hello.uuid, address);
  std::sort(all.begin(), all.end());
  return all;
}

uint64_t ClusterBirth::seeds_hash() const {
  uint64_t hash = config_.seeds.size();
  for (const auto& [uuid, address] : all_seeds()) {
    for (const Byte byte : uuid) hash = mix_hash(hash, byte);
    for (const char letter : address) hash = mix_hash(hash, static_cast<Byte>(letter));
  }
  return hash;
}

// A ballot is open while a genesis may come of it; what one came of never closes.
uint64_t ClusterBirth::closed_ballot() const {
  if (state_ == BirthState::kGathering) return ballot_;
  return state_ == BirthState::kPledging ? ballot_ - 1 : 0;
}

// As far as the writer told us.
uint64_t ClusterBirth::closed_ballot_of(const Uuid& writer) const {
  for (const auto& [address, seed] : seeds_)
    if (seed.hello.uuid == writer) return seed.hello.closed_ballot;
  return 0;
}

bool ClusterBirth::is_writer() const {
  return all_seeds().front().first == config_.uuid;
}

std::string ClusterBirth::status_text(BootTime now) const {
  switch (state_) {
    case BirthState::kIdle:
      return "forms no cluster";
    case BirthState::kGathering: {
      const std::string unfit = unfit_text(now);
      return unfit.empty() ? "every seed is ready; the one with the lowest uuid begins" : unfit;
    }
    case BirthState::kPledging:
      return fmt::format("{} of {} seeds pledged", pledges_.size() + 1, config_.seeds.size());
    case BirthState::kStoring:
      return "storing the genesis";
    case BirthState::kBorn:
      return "born";
  }
  return {};
}

// --- Time ----------------------------------------------------------------------------------------

SeedHello ClusterBirth::own_hello() const {
  SeedHello hello{config_.uuid,     config_.life,    config_.token_hash,
                  config_.is_empty, closed_ballot(), {}};
  if (state_ == BirthState::kStoring || state_ == BirthState::kBorn) hello.is_empty = false;
  if (state_ == BirthState::kBorn) hello.cluster = genesis_->cluster;
  return hello;
}

void ClusterBirth::on_time(BootTime now) {
  const bool is_waiting = state_ == BirthState::kGathering || state_ == BirthState::kPledging;
  if (!is_waiting) return;
  if (!told_at_ || now - *told_at_ >= kTellEvery) {
    told_at_ = now;
    send_to_others(own_hello());
    if (state_ == BirthState::kPledging) ask_for_pledges();
  }
  if (state_ == BirthState::kPledging && !may_go_on(now)) give_up(now);
  const bool may_begin = state_ == BirthState::kGathering && (!retry_at_ || now >= *retry_at_);
  if (may_begin && unfit_text(now).empty() && is_writer()) begin_ballot(now);
}

// Whether our ballot is in time, and asks the seeds that are there.
bool ClusterBirth::may_go_on(BootTime now) const {
  return now < *retry_at_ && seeds_hash() == asked_hash_ && unfit_text(now).empty();
}

// Our ballot ends without a genesis. Nothing was written, so our own pledge binds nobody.
void ClusterBirth::give_up(BootTime now) {
  state_ = BirthState::kGathering;
  retry_at_ = now + kRetryAfter;
  given_.reset();
}

void ClusterBirth::begin_ballot(BootTime now) {
  state_ = BirthState::kPledging;
  ++ballot_;
  pledges_.clear();
  given_ = Given{config_.uuid, ballot_};
  asked_hash_ = seeds_hash();
  retry_at_ = now + kBallotTime;
  if (config_.seeds.size() == 1) return write_genesis();
  ask_for_pledges();
}

// Again and again: a request may be lost, and a seed that was killed has forgotten its answer.
void ClusterBirth::ask_for_pledges() {
  send_to_others(PledgeRequest{config_.uuid, ballot_, config_.token_hash, asked_hash_});
}

void ClusterBirth::write_genesis() {
  Genesis genesis;
  genesis.cluster = config_.fresh_cluster;
  genesis.token_hash = config_.token_hash;
  uint64_t next = 1;
  for (const auto& [uuid, address] : all_seeds()) {
    genesis.seeds.push_back({uuid, NodeId{next}, ReplicaId{next}, address});
    ++next;
  }
  accept(genesis);
}

void ClusterBirth::accept(const Genesis& genesis) {
  WL_CHECK(!genesis_);
  genesis_ = genesis;
  state_ = BirthState::kStoring;
  output_.store = genesis;
}

void ClusterBirth::stored() {
  WL_CHECK(state_ == BirthState::kStoring);
  state_ = BirthState::kBorn;
  // Who misses it gets it for its next hello.
  for (const auto& [address, seed] : seeds_)
    send(address, GenesisOffer{seed.hello.life, *genesis_});
}

// --- Messages ------------------------------------------------------------------------------------

void ClusterBirth::recv(const std::string& from, const BirthMessage& message, BootTime now) {
  const bool is_seed =
      from != config_.address &&
      std::find(config_.seeds.begin(), config_.seeds.end(), from) != config_.seeds.end();
  if (!is_seed || config_.token_hash == 0) return;
  std::visit([this, &from, now](const auto& body) { on(from, body, now); }, message);
}

// Of the same disk, overtaken by what is known.
bool ClusterBirth::is_older(const SeedHello& hello, const SeedHello& known) {
  if (hello.uuid != known.uuid) return false;
  if (hello.life != known.life) return hello.life < known.life;
  if (known.cluster || hello.cluster) return !hello.cluster;
  return hello.closed_ballot < known.closed_ballot;
}

void ClusterBirth::on(const std::string& from, const SeedHello& hello, BootTime now) {
  const auto known = seeds_.find(from);
  if (known != seeds_.end() && is_older(hello, known->second.hello)) return;
  seeds_.insert_or_assign(from, Seed{hello, now});
  const bool is_released =
      given_ && given_->writer == hello.uuid && given_->ballot <= hello.closed_ballot;
  if (is_released) given_.reset();
  const bool needs_answer = !hello.cluster && (state_ == BirthState::kBorn || !config_.is_empty);
  if (!needs_answer) return;
  send(from, own_hello());
  const bool is_listed =
      genesis_ && std::any_of(genesis_->seeds.begin(), genesis_->seeds.end(),
                              [&hello, &from](const GenesisSeed& seed) {
                                return seed.uuid == hello.uuid && seed.address == from;
                              });
  if (is_listed && hello.is_empty) send(from, GenesisOffer{hello.life, *genesis_});
}

void ClusterBirth::on(const std::string& from, const PledgeRequest& request, BootTime now) {
  const bool may_pledge = state_ == BirthState::kGathering || state_ == BirthState::kPledging;
  // A late request of an earlier ballot changes nothing.
  const bool is_old =
      request.ballot <= closed_ballot_of(request.writer) ||
      (given_ && given_->writer == request.writer && request.ballot < given_->ballot);
  const bool is_fit = may_pledge && !is_old && request.token_hash == config_.token_hash &&
                      unfit_text(now).empty() && request.seeds_hash == seeds_hash() &&
                      all_seeds().front() == std::pair{request.writer, from};
  if (is_fit) {
    if (state_ == BirthState::kPledging) give_up(now);  // Somebody else is the writer.
    given_ = Given{request.writer, request.ballot};
  }
  send(from, Pledge{config_.uuid, request.writer, request.ballot, is_fit});
}

void ClusterBirth::on(const std::string& from, const Pledge& pledge, BootTime now) {
  const bool is_ours =
      state_ == BirthState::kPledging && pledge.writer == config_.uuid && pledge.ballot == ballot_;
  const auto seed = seeds_.find(from);
  if (!is_ours || seed == seeds_.end() || seed->second.hello.uuid != pledge.uuid) return;
  if (!pledge.granted || !may_go_on(now)) return give_up(now);
  pledges_.insert(from);
  if (pledges_.size() + 1 == config_.seeds.size()) write_genesis();
}

// Whether the writer we pledged to may still write another genesis than `genesis`.
bool ClusterBirth::is_bound_against(const Genesis& genesis) const {
  if (!given_ || given_->writer == genesis.seeds.front().uuid) return false;
  if (given_->writer == config_.uuid) return true;
  for (const auto& [address, seed] : seeds_)
    if (seed.hello.uuid == given_->writer) return seed.hello.cluster != genesis.cluster;
  return false;  // Its disk was lost: it is another seed now.
}

void ClusterBirth::on(const std::string&, const GenesisOffer& offer, BootTime) {
  const Genesis& genesis = offer.genesis;
  const bool is_waiting = state_ == BirthState::kGathering || state_ == BirthState::kPledging;
  if (!is_waiting || offer.life != config_.life) return;
  if (genesis.token_hash != config_.token_hash || genesis.seeds.empty()) return;
  const bool lists_us =
      std::any_of(genesis.seeds.begin(), genesis.seeds.end(), [this](const GenesisSeed& seed) {
        return seed.uuid == config_.uuid && seed.address == config_.address;
      });
  if (!lists_us || is_bound_against(genesis)) return;
  if (genesis.cluster == Uuid{} || !catalog_members(genesis).validate().ok()) return;
  accept(genesis);
}

// --- Output --------------------------------------------------------------------------------------

void ClusterBirth::send(const std::string& to, BirthMessage message) {
  output_.send.emplace_back(to, std::move(message));
}

void ClusterBirth::send_to_others(const BirthMessage& message) {
  for (const std::string& address : config_.seeds)
    if (address != config_.address) send(address, message);
}

BirthOutput ClusterBirth::take_output() {
  return std::exchange(output_, {});
}

Membership catalog_members(const Genesis& genesis) {
  Membership members;
  for (const GenesisSeed& seed : genesis.seeds) {
    members.voters.push_back(seed.replica);
    members.members.push_back({seed.replica, seed.node, {}});
  }
  return members;
}

}  // namespace worldline::replication
