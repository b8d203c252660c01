// Forming a cluster once, and never by accident [S 08/3.9].
#include "replication/node/cluster_birth.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "tests/base/random_seeds.h"
#include "tests/replication_node/test_uuids.h"

namespace worldline::replication {
namespace {

using namespace std::chrono_literals;

std::string address_of(size_t seed) {
  return "seed" + std::to_string(seed);
}

// From, to, what.
using Mail = std::tuple<size_t, size_t, BirthMessage>;

// Seeds on virtual links. A seed may be absent, cut off, wiped.
struct Nursery {
  explicit Nursery(size_t seed_count) : count(seed_count) {
    for (size_t i = 0; i < count; ++i) start(i, config_of(i, static_cast<Byte>(0x10 + i)));
  }
  BirthConfig config_of(size_t seed, Byte uuid) const {
    BirthConfig config;
    config.uuid = uuid_of(uuid);
    config.life = 1 + starts;
    config.address = address_of(seed);
    for (size_t i = 0; i < count; ++i) config.seeds.push_back(address_of(i));
    config.token_hash = 42;
    config.is_empty = true;
    config.fresh_cluster = uuid_of(static_cast<Byte>(0xC0 + uuid));
    config.fresh_cluster[1] = static_cast<Byte>(starts);
    return config;
  }
  void start(size_t seed, BirthConfig config) {
    ASSERT_TRUE(ClusterBirth::validate(config).ok());
    ++starts;
    seeds[seed] = std::make_unique<ClusterBirth>(std::move(config));
  }
  // Its disk is lost: it comes back empty, with a uuid of its own.
  void wipe(size_t seed, Byte uuid) {
    disks.erase(seed);
    start(seed, config_of(seed, uuid));
  }
  void restart(size_t seed, Byte uuid) {
    BirthConfig config = config_of(seed, uuid);
    if (disks.contains(seed)) {
      config.born = disks[seed];
      config.is_empty = false;
    }
    start(seed, std::move(config));
  }
  void run_for(Micros time) {
    for (const BootTime end = now + time; now < end; now += 10ms) {
      auto mail = std::exchange(in_flight, {});
      for (auto& [from, to, message] : mail) {
        if (cut.contains({from, to})) continue;
        if (loss_one_in != 0 && prng.chance(loss_one_in)) continue;
        if (late_one_in != 0 && prng.chance(late_one_in)) late.emplace_back(from, to, message);
        deliver(from, to, message);
      }
      if (late_one_in != 0 && !late.empty() && prng.chance(20))
        deliver_late(prng.below(late.size()));
      for (auto& [id, seed] : seeds) {
        seed->on_time(now);
        collect(id);
      }
    }
  }
  void deliver(size_t from, size_t to, const BirthMessage& message) {
    if (!seeds.contains(to)) return;
    seeds[to]->recv(address_of(from), message, now);
    collect(to);
  }
  // Again, and long after it was sent.
  void deliver_late(size_t which) {
    const auto [from, to, message] = late[which];
    late.erase(late.begin() + static_cast<std::ptrdiff_t>(which));
    deliver(from, to, message);
  }
  bool run_until_stores(int number) {
    for (int i = 0; i < 1000 && stores < number; ++i) run_for(10ms);
    return stores == number;
  }
  void collect(size_t id) {
    BirthOutput output = seeds[id]->take_output();
    for (auto& [address, message] : output.send) {
      for (size_t to = 0; to < count; ++to)
        if (address_of(to) == address) in_flight.emplace_back(id, to, std::move(message));
    }
    if (!output.store) return;
    ++stores;
    disks[id] = *output.store;
    seeds[id]->stored();
    collect(id);
  }
  size_t born() const {
    size_t number = 0;
    for (const auto& [id, seed] : seeds) number += seed->is_born();
    return number;
  }
  std::set<Uuid> clusters() const {
    std::set<Uuid> all;
    for (const auto& [id, genesis] : disks) all.insert(genesis.cluster);
    return all;
  }

  const size_t count;
  std::map<size_t, std::unique_ptr<ClusterBirth>> seeds;
  std::map<size_t, Genesis> disks;
  std::vector<Mail> in_flight;
  std::set<std::pair<size_t, size_t>> cut;
  uint64_t loss_one_in = 0;
  uint64_t late_one_in = 0;  // Messages that come a second time, at any time.
  std::vector<std::tuple<size_t, size_t, BirthMessage>> late;
  uint64_t starts = 0;
  Prng prng{5};
  BootTime now{1s};
  int stores = 0;
};

TEST(ClusterBirth, AllSeedsGetTheSameGenesisOnce) {
  for (const size_t count : {1u, 3u, 5u}) {
    SCOPED_TRACE(count);
    Nursery nursery(count);
    nursery.run_for(2s);
    EXPECT_EQ(nursery.born(), count);
    EXPECT_EQ(nursery.clusters().size(), 1u);
    EXPECT_EQ(nursery.stores, static_cast<int>(count));
    const Genesis& genesis = nursery.disks[0];
    ASSERT_EQ(genesis.seeds.size(), count);
    EXPECT_EQ(genesis.cluster, uuid_of(0xD0)) << "the lowest uuid wrote it";
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(genesis.seeds[i].node, NodeId{i + 1});
      EXPECT_EQ(nursery.disks[i], genesis);
    }
    const Membership members = catalog_members(genesis);
    EXPECT_TRUE(members.validate().ok());
    EXPECT_EQ(members.voters.size(), count);
    nursery.run_for(10s);
    EXPECT_EQ(nursery.stores, static_cast<int>(count));
    EXPECT_TRUE(nursery.in_flight.empty()) << "nobody has anything to say any more";
  }
}

struct NoBirthCase {
  const char* name;
  void (*spoil)(Nursery&);
  const char* told;  // What seed 0 waits for.
};
const NoBirthCase kNoBirths[] = {
    {"ASeedIsMissing", [](Nursery& n) { n.seeds.erase(2); }, "seed seed2 does not answer"},
    {"ASeedHearsNobody",
     [](Nursery& n) {
       n.cut.insert({0, 2});
       n.cut.insert({1, 2});
     },
     ""},
    {"ASeedIsNotHeard",
     [](Nursery& n) {
       n.cut.insert({2, 0});
     },
     "seed seed2 does not answer"},
    {"AnotherToken",
     [](Nursery& n) {
       BirthConfig config = n.config_of(2, 0x12);
       config.token_hash = 43;
       n.start(2, config);
     },
     "seed seed2 has another bootstrap token"},
    {"ASeedHasDataOfItsOwn",
     [](Nursery& n) {
       BirthConfig config = n.config_of(2, 0x12);
       config.is_empty = false;
       n.start(2, config);
     },
     "seed seed2 has data of its own"},
    {"ASeedBelongsToACluster",
     [](Nursery& n) {
       BirthConfig config = n.config_of(2, 0x12);
       config.is_empty = false;
       config.born =
           Genesis{uuid_of(0x99), 42, {{uuid_of(0x12), NodeId{1}, ReplicaId{1}, "seed2"}}};
       n.start(2, config);
     },
     "seed seed2 belongs to a cluster already"},
    {"TwoSeedsWithOneUuid", [](Nursery& n) { n.wipe(2, 0x11); },
     "seed seed2 has the uuid of another seed"},
    {"NoToken",
     [](Nursery& n) {
       for (size_t i = 0; i < 3; ++i) {
         BirthConfig config = n.config_of(i, static_cast<Byte>(0x10 + i));
         config.token_hash = 0;
         n.start(i, config);
       }
     },
     "forms no cluster"},
};

TEST(ClusterBirth, WithoutEverySeedReadyThereIsNoCluster) {
  for (const NoBirthCase& c : kNoBirths) {
    SCOPED_TRACE(c.name);
    Nursery nursery(3);
    c.spoil(nursery);
    nursery.run_for(30s);
    EXPECT_EQ(nursery.stores, 0);
    const std::string told = *c.told != 0 ? c.told : nursery.seeds[0]->status_text(nursery.now);
    EXPECT_EQ(nursery.seeds[0]->status_text(nursery.now), told);
  }
}

TEST(ClusterBirth, AnEmptyNodeAloneNeverFormsOne) {
  Nursery nursery(3);
  nursery.seeds.erase(1);
  nursery.seeds.erase(2);
  nursery.run_for(600s);
  EXPECT_EQ(nursery.stores, 0);
}

TEST(ClusterBirth, GoesOnAsSoonAsTheMissingSeedComes) {
  Nursery nursery(3);
  nursery.seeds.erase(1);
  nursery.run_for(5s);
  nursery.restart(1, 0x11);
  nursery.run_for(3s);
  EXPECT_EQ(nursery.born(), 3u);
  EXPECT_EQ(nursery.clusters().size(), 1u);
}

// The writer stored its genesis and vanished for a while: the others wait for that one.
TEST(ClusterBirth, AWriterThatCrashedAfterStoringHandsItsGenesisOnLater) {
  Nursery nursery(3);
  ASSERT_TRUE(nursery.run_until_stores(1));
  nursery.in_flight.clear();
  nursery.seeds.erase(0);
  nursery.run_for(20s);
  EXPECT_EQ(nursery.stores, 1);
  nursery.restart(0, 0x10);
  nursery.run_for(3s);
  EXPECT_EQ(nursery.born(), 3u);
  EXPECT_EQ(nursery.clusters().size(), 1u);
}

// It vanished with its disk: the seed that has the genesis already passes it on; the wiped one is
// another node, which joins.
TEST(ClusterBirth, ASeedThatLostItsDiskIsNoSecondBeginning) {
  Nursery nursery(3);
  ASSERT_TRUE(nursery.run_until_stores(1));
  nursery.cut = {{0, 2}, {1, 2}};  // The genesis reaches seed 1 only.
  ASSERT_TRUE(nursery.run_until_stores(2));
  ASSERT_TRUE(nursery.disks.contains(1));
  nursery.in_flight.clear();
  nursery.cut.clear();
  nursery.wipe(0, 0x05);  // Lower than all others: it would be the writer.
  nursery.run_for(30s);
  EXPECT_EQ(nursery.clusters().size(), 1u);
  EXPECT_TRUE(nursery.disks.contains(2)) << "from seed 1";
  EXPECT_FALSE(nursery.disks.contains(0));
  EXPECT_EQ(nursery.seeds[0]->status_text(nursery.now), "seed seed1 belongs to a cluster already");
}

TEST(ClusterBirth, ANodeWithStateIgnoresBootstrap) {
  Nursery nursery(3);
  nursery.run_for(2s);
  for (size_t i = 0; i < 3; ++i) nursery.restart(i, static_cast<Byte>(0x10 + i));
  const int before = nursery.stores;
  nursery.run_for(10s);
  EXPECT_EQ(nursery.stores, before);
  EXPECT_EQ(nursery.born(), 3u);
}

TEST(ClusterBirth, RefusesAListOfSeedsThatCannotWork) {
  Nursery nursery(3);
  BirthConfig config = nursery.config_of(0, 1);
  EXPECT_TRUE(ClusterBirth::validate(config).ok());
  for (const uint64_t life : {uint64_t{0}, kBirthLifeMax + 1}) {
    BirthConfig other = config;
    other.life = life;
    EXPECT_FALSE(ClusterBirth::validate(other).ok()) << life;
  }
  BirthConfig nobody = config;
  nobody.uuid = {};
  EXPECT_FALSE(ClusterBirth::validate(nobody).ok());
  config.seeds = {"seed0", "seed0"};
  EXPECT_FALSE(ClusterBirth::validate(config).ok());
  config.seeds = {"other"};
  EXPECT_FALSE(ClusterBirth::validate(config).ok());
  config.seeds.clear();
  EXPECT_FALSE(ClusterBirth::validate(config).ok());
  for (size_t i = 0; i <= kSeedsMax; ++i) config.seeds.push_back(address_of(i));
  EXPECT_FALSE(ClusterBirth::validate(config).ok());
}

// The writer of a first genesis loses its disk before anybody else has it. What it still had on its
// way comes to a seed that has pledged itself to the next writer, was killed and forgot.
TEST(ClusterBirth, AnOfferToAnEarlierLifeIsVoid) {
  Nursery nursery(3);
  ASSERT_TRUE(nursery.run_until_stores(1));
  const auto offers = std::exchange(nursery.in_flight, {});
  const Uuid first = nursery.disks.at(0).cluster;
  nursery.wipe(0, 0x05);  // Still the lowest.
  ASSERT_TRUE(nursery.run_until_stores(2));
  nursery.in_flight.clear();  // The second genesis is on its writer's disk only.
  nursery.restart(2, 0x12);
  size_t count = 0;
  for (const auto& [from, to, message] : offers) {
    if (to != 2 || !std::holds_alternative<GenesisOffer>(message)) continue;
    EXPECT_EQ(std::get<GenesisOffer>(message).genesis.cluster, first);
    nursery.deliver(from, to, message);
    ++count;
  }
  EXPECT_GT(count, 0u);
  EXPECT_FALSE(nursery.disks.contains(2)) << "it took the genesis that is gone";
  nursery.run_for(5s);
  EXPECT_EQ(nursery.born(), 3u);
  EXPECT_EQ(nursery.clusters().size(), 1u);
}

// Those under way to the writer.
std::vector<Mail> run_until_two_pledges(Nursery& nursery) {
  std::vector<Mail> pledges;
  while (pledges.size() < 2) {
    nursery.run_for(10ms);
    for (const Mail& mail : nursery.in_flight)
      if (std::holds_alternative<Pledge>(std::get<2>(mail))) pledges.push_back(mail);
  }
  return pledges;
}

// A pledge to the writer's earlier life is none to the present one.
TEST(ClusterBirth, PledgesToAnEarlierLifeDoNotCount) {
  Nursery nursery(3);
  const std::vector<Mail> pledges = run_until_two_pledges(nursery);
  nursery.in_flight.clear();
  nursery.restart(0, 0x10);
  nursery.seeds[0]->on_time(nursery.now);
  while (nursery.seeds[0]->state() != BirthState::kPledging) {
    ASSERT_LT(nursery.now, BootTime{20s});
    nursery.run_for(10ms);
  }
  nursery.in_flight.clear();
  for (const auto& [from, to, message] : pledges) nursery.deliver(from, to, message);
  EXPECT_EQ(nursery.stores, 0);
}

TEST(ClusterBirth, ALostPledgeIsAskedForAgain) {
  Nursery nursery(3);
  while (nursery.seeds[0]->state() != BirthState::kPledging) nursery.run_for(10ms);
  nursery.in_flight.clear();
  nursery.run_for(700ms);  // Far less than a ballot takes to end.
  EXPECT_EQ(nursery.born(), 3u);
}

// While a ballot is open one of the seeds becomes another: the writer does not name who it is now.
TEST(ClusterBirth, AGenesisListsTheSeedsThatPledged) {
  Nursery nursery(3);
  const std::vector<Mail> pledges = run_until_two_pledges(nursery);
  ASSERT_EQ(nursery.seeds[0]->state(), BirthState::kPledging);
  nursery.in_flight.clear();
  const auto& [from, to, first] = pledges.front();
  nursery.deliver(from, to, first);
  SeedHello other{uuid_of(0x05), 1, 42, true, uint64_t{1} << 32, {}};
  nursery.deliver(from, 0, other);  // The one that has just pledged lost its disk.
  nursery.deliver(std::get<0>(pledges.back()), 0, std::get<2>(pledges.back()));
  EXPECT_EQ(nursery.stores, 0);
}

// A seed is bound to a writer that gave its ballot up, and that will never write a genesis: when it
// says so, the seed is free for the genesis that there is.
TEST(ClusterBirth, AWriterThatGaveUpBindsNobody) {
  const Nursery nursery(3);
  BirthConfig config = nursery.config_of(1, 0x11);
  config.life = 1;
  ClusterBirth seed(config);
  const BootTime now{1s};
  const uint64_t life = uint64_t{3} << 32;
  seed.recv("seed0", SeedHello{uuid_of(0x10), 3, 42, true, life, {}}, now);
  seed.recv("seed2", SeedHello{uuid_of(0x12), 1, 42, true, 1, {}}, now);
  seed.take_output();
  // The hash of the seeds is the writer's own word: it is the same on both sides.
  Nursery other(3);
  std::optional<PledgeRequest> request;
  while (!request) {
    other.run_for(10ms);
    for (const auto& [from, to, message] : other.in_flight)
      if (const auto* asked = std::get_if<PledgeRequest>(&message)) request = *asked;
  }
  request->ballot = life + 1;
  seed.recv("seed0", *request, now);
  const BirthOutput output = seed.take_output();
  ASSERT_EQ(output.send.size(), 1u);
  ASSERT_TRUE(std::get<Pledge>(output.send[0].second).granted);
  Genesis genesis{uuid_of(0xAA),
                  42,
                  {{uuid_of(0x05), NodeId{1}, ReplicaId{1}, "seed2"},
                   {uuid_of(0x10), NodeId{2}, ReplicaId{2}, "seed0"},
                   {uuid_of(0x11), NodeId{3}, ReplicaId{3}, "seed1"}}};
  seed.recv("seed2", GenesisOffer{config.life, genesis}, now);
  EXPECT_FALSE(seed.take_output().store) << "bound to a writer whose ballot is open";
  seed.recv("seed0", SeedHello{uuid_of(0x10), 3, 42, true, life + 1, {}}, now);
  seed.recv("seed0", *request, now);
  EXPECT_FALSE(std::get<Pledge>(seed.take_output().send.at(0).second).granted) << "it is over";
  seed.recv("seed2", GenesisOffer{config.life, genesis}, now);
  EXPECT_EQ(seed.take_output().store, genesis);
}

// Hellos of one disk that come late change nothing; those of another disk count.
TEST(ClusterBirth, ALateHelloDoesNotHideANewerOne) {
  Nursery nursery(3);
  ClusterBirth seed(nursery.config_of(0, 0x10));
  const BootTime now{1s};
  const uint64_t ballot = uint64_t{5} << 32;
  const auto text = [&seed, now] { return seed.status_text(now); };
  seed.recv("seed1", SeedHello{uuid_of(0x11), 5, 42, false, 0, uuid_of(0x99)}, now);
  EXPECT_EQ(text(), "seed seed1 belongs to a cluster already");
  seed.recv("seed1", SeedHello{uuid_of(0x11), 5, 42, true, ballot, {}}, now);
  seed.recv("seed1", SeedHello{uuid_of(0x11), 4, 42, true, ballot, {}}, now);
  EXPECT_EQ(text(), "seed seed1 belongs to a cluster already");
  seed.recv("seed1", SeedHello{uuid_of(0x21), 1, 42, true, ballot, {}}, now);
  EXPECT_EQ(text(), "seed seed2 does not answer");
}

// Restarts, wipes, cuts, loss and late copies at random: never two clusters, and in the end one
// with all seeds but those that lost their disk after the birth, which join later.
TEST(ClusterBirth, NeverTwoClustersUnderRandomFaults) {
  for (const uint64_t seed : random_seeds(400)) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    Nursery nursery(3);
    nursery.prng = Prng(seed + 1'000'000);
    Prng prng(seed);
    Byte high = 0x40;
    Byte low = 0x10;
    std::map<size_t, Byte> uuids{{0, 0x10}, {1, 0x11}, {2, 0x12}};
    nursery.loss_one_in = prng.chance(2) ? 0 : 2 + prng.below(6);
    nursery.late_one_in = prng.chance(2) ? 0 : 1 + prng.below(6);
    for (int step = 0; step < 60; ++step) {
      const size_t who = prng.below(3);
      switch (prng.below(8)) {
        case 0:
          nursery.cut.insert({who, prng.below(3)});
          break;
        case 1:
          nursery.cut.clear();
          break;
        case 2:
          if (nursery.seeds.contains(who)) nursery.restart(who, uuids[who]);
          break;
        case 3:
          if (!nursery.seeds.contains(who)) nursery.restart(who, uuids[who]);
          break;
        case 4:
          if (prng.chance(3)) nursery.seeds.erase(who);
          break;
        case 5:
          // A disk is lost only while nobody has a genesis, or it is not the last copy.
          if (nursery.disks.size() == 1 && nursery.disks.contains(who)) break;
          uuids[who] = prng.chance(2) || low == 1 ? high++ : --low;
          nursery.wipe(who, uuids[who]);
          break;
        default:
          break;
      }
      nursery.run_for(Micros{static_cast<Micros::rep>(prng.below(1'500'000))});
      ASSERT_LE(nursery.clusters().size(), 1u);
    }
    nursery.cut.clear();
    nursery.loss_one_in = 0;
    nursery.late_one_in = 0;
    for (size_t i = 0; i < 3; ++i)
      if (!nursery.seeds.contains(i)) nursery.restart(i, uuids[i]);
    nursery.run_for(20s);
    ASSERT_EQ(nursery.clusters().size(), 1u);
    const Genesis& genesis = nursery.disks.begin()->second;
    for (size_t i = 0; i < 3; ++i) {
      const bool is_listed =
          std::any_of(genesis.seeds.begin(), genesis.seeds.end(),
                      [&](const GenesisSeed& one) { return one.uuid == uuid_of(uuids[i]); });
      ASSERT_EQ(nursery.disks.contains(i), is_listed) << address_of(i);
    }
  }
}

}  // namespace
}  // namespace worldline::replication
