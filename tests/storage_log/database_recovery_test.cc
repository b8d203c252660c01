// Databases come back as they were acknowledged, or not at all [S 08/3.7, S 05/5.1].
#include "storage/log/database_recovery.h"

#include <gtest/gtest.h>

#include "storage/log/entry_codec.h"
#include "storage/log/row_codec.h"
#include "tests/base/random_seeds.h"
#include "tests/storage_log/database_fixture.h"

namespace worldline::storage {
namespace {

class DatabaseRecoveryTest : public testing::Test {
 protected:
  void start() {
    node_.reset();
    node_ = std::make_unique<TestNode>(disks_);
    const Status status = node_->start();
    ASSERT_TRUE(status.ok()) << status.message();
    const Status invariants = node_->state().check_invariants();
    ASSERT_TRUE(invariants.ok()) << invariants.message();
  }
  Status try_start() {
    node_.reset();
    node_ = std::make_unique<TestNode>(disks_);
    return node_->start();
  }
  void crash() {
    Prng rng(1);
    node_.reset();
    disks_.crash(rng);
  }
  // Two checkpoints and a tail behind them.
  void fill() {
    start();
    node_->publish();
    for (uint32_t id = 0; id < 10; ++id) node_->put(id, 1);
    ASSERT_TRUE(node_->seal().ok());
    ASSERT_TRUE(node_->checkpoint().ok());
    for (uint32_t id = 0; id < 20; ++id) node_->put(id, 2);
    ASSERT_TRUE(node_->seal().ok());
    ASSERT_TRUE(node_->checkpoint().ok());
    for (uint32_t id = 0; id < 30; ++id) node_->put(id, 3);
    ASSERT_TRUE(node_->seal().ok());
  }

  TestDisks disks_;
  std::unique_ptr<TestNode> node_;
};

TEST_F(DatabaseRecoveryTest, ReplaysTheLogFromTheStateOfBirth) {
  start();
  node_->publish();
  node_->put(1, 10);
  node_->put(2, 20);
  ASSERT_TRUE(node_->seal().ok());
  node_->put(1, 11);
  node_->erase(2);
  node_->insert_text("notes", "a note");
  node_->insert_text("pings", "a ping");
  ASSERT_TRUE(node_->seal().ok());
  const Digest128 digest = node_->state().digest();
  const TxOffset next = node_->state().next_offset();
  crash();
  start();
  EXPECT_EQ(node_->accounts(), (Accounts{{1, 11}}));
  EXPECT_EQ(node_->row_count("notes"), 1u);
  EXPECT_EQ(node_->row_count("pings"), 0u);
  EXPECT_EQ(node_->state().digest(), digest);
  EXPECT_EQ(node_->state().next_offset(), next);
  EXPECT_EQ(node_->report().transactions_replayed, 7u);
}

TEST_F(DatabaseRecoveryTest, LosesWhatWasNotSealedAndNothingElse) {
  start();
  node_->publish();
  node_->put(1, 10);
  ASSERT_TRUE(node_->seal().ok());
  node_->put(1, 11);
  crash();
  start();
  EXPECT_EQ(node_->accounts(), (Accounts{{1, 10}}));
}

TEST_F(DatabaseRecoveryTest, StartsFromTheCheckpointAndReplaysTheRest) {
  fill();
  const Accounts before = node_->accounts();
  crash();
  start();
  EXPECT_EQ(node_->accounts(), before);
  EXPECT_EQ(node_->report().checkpoint, CheckpointId{2});
  EXPECT_EQ(node_->report().transactions_replayed, 30u);
  EXPECT_TRUE(node_->report().notes.empty());
}

TEST_F(DatabaseRecoveryTest, RestoresAClearedTableAndTextsOutsidePages) {
  start();
  node_->publish();
  const std::string large(100'000, 'x');
  node_->insert_text("notes", large);
  for (uint32_t id = 0; id < 50; ++id) node_->put(id, 1);
  ASSERT_TRUE(node_->seal().ok());
  ASSERT_TRUE(node_->checkpoint().ok());
  node_->transact(
      [this](Transaction& tx) { ASSERT_TRUE(tx.clear(node_->table_id("accounts")).ok()); });
  ASSERT_TRUE(node_->seal().ok());
  crash();
  start();
  EXPECT_TRUE(node_->accounts().empty());
  EXPECT_EQ(node_->row_count("notes"), 1u);
}

TEST_F(DatabaseRecoveryTest, RestoresABundleThatWasSplit) {
  start();
  node_->publish();
  node_->insert_text("notes", std::string(20 * limits::MiB, 'x'));
  ASSERT_TRUE(node_->seal().ok());
  node_->put(1, 1);
  ASSERT_TRUE(node_->seal().ok());
  crash();
  start();
  EXPECT_EQ(node_->row_count("notes"), 1u);
  EXPECT_EQ(node_->accounts(), (Accounts{{1, 1}}));
}

// --- Damage -------------------------------------------------------------------------------------

std::string manifest_key(uint64_t id) {
  const LogKey key = entry_key(kDatabase, LogIndex{id});
  return std::string(as_text(key.span()));
}

// Changes a byte of every page that only checkpoint `id` names.
void damage_pages(const TestDisks& disks, uint64_t id, uint64_t spared) {
  CheckpointStore store(disks.checkpoints->open());
  const auto doomed = store.load_manifest(kDatabase, CheckpointId{id});
  const auto other = store.load_manifest(kDatabase, CheckpointId{spared});
  for (auto& [key, value] : disks.checkpoints->table(Family::kPage)) {
    const auto hash = load_le<Digest128>(as_bytes(key).data() + 8);
    const auto names = [&hash](const Checkpoint& checkpoint) {
      return std::find(checkpoint.page_hashes.begin(), checkpoint.page_hashes.end(), hash) !=
             checkpoint.page_hashes.end();
    };
    if (names(*doomed) && !names(*other)) value[value.size() / 2] ^= 1;
  }
}

struct CheckpointDamage {
  const char* name;
  void (*damage)(const TestDisks&);
  uint64_t expected_checkpoint;  // 0 = refused.
  const char* note;
};
const CheckpointDamage kCheckpointDamages[] = {
    {"PageOfTheNewest", [](const TestDisks& disks) { damage_pages(disks, 2, 1); }, 1,
     "has other content"},
    {"ManifestOfTheNewest",
     [](const TestDisks& disks) {
       disks.checkpoints->table(Family::kManifest).at(manifest_key(2))[30] ^= 1;
     },
     1, "hash does not match"},
    {"NewestMissing",
     [](const TestDisks& disks) {
       disks.checkpoints->table(Family::kManifest).erase(manifest_key(2));
     },
     1, "named by the boundary, but missing"},
    {"OlderOnly",
     [](const TestDisks& disks) {
       disks.checkpoints->table(Family::kManifest).erase(manifest_key(1));
     },
     2, nullptr},
    {"Both", [](const TestDisks& disks) { disks.checkpoints->table(Family::kManifest).clear(); }, 0,
     "no checkpoint can be used and the log begins at index"},
    {"AllPages", [](const TestDisks& disks) { disks.checkpoints->table(Family::kPage).clear(); }, 0,
     "is missing"},
};

class CheckpointDamageTest : public DatabaseRecoveryTest,
                             public testing::WithParamInterface<CheckpointDamage> {};

TEST_P(CheckpointDamageTest, FallsBackAsFarAsTheLogReaches) {
  fill();
  const Accounts before = node_->accounts();
  crash();
  GetParam().damage(disks_);
  const Status status = try_start();
  if (GetParam().expected_checkpoint == 0) {
    EXPECT_EQ(status.code(), StatusCode::kCorruption);
    EXPECT_NE(status.message().find("group 42"), std::string::npos);
    EXPECT_NE(status.message().find(GetParam().note), std::string::npos) << status.message();
    return;
  }
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(node_->accounts(), before);
  EXPECT_EQ(node_->report().checkpoint, CheckpointId{GetParam().expected_checkpoint});
  if (GetParam().note != nullptr) {
    ASSERT_EQ(node_->report().notes.size(), 1u);
    EXPECT_NE(node_->report().notes[0].find(GetParam().note), std::string::npos)
        << node_->report().notes[0];
  }
  // And it goes on from there.
  node_->put(77, 7);
  ASSERT_TRUE(node_->seal().ok());
  ASSERT_TRUE(node_->checkpoint().ok());
  crash();
  start();
  EXPECT_EQ(node_->accounts().at(77), 7);
}
INSTANTIATE_TEST_SUITE_P(S08, CheckpointDamageTest, testing::ValuesIn(kCheckpointDamages),
                         [](const auto& test) { return test.param.name; });

// [S 08/3.7]: with peers, a replica without a usable checkpoint keeps its vote and its log.
TEST_P(CheckpointDamageTest, LeavesAReplicaWithPeersAtLeastItsVoteAndItsLog) {
  fill();
  const Accounts before = node_->accounts();
  LogJob hint;
  hint.group = kDatabase;
  hint.hard_state = node_->appender().hard_state();
  hint.hard_state->commit_hint = node_->appender().last();
  ASSERT_TRUE(node_->log().write(hint).ok());
  crash();
  GetParam().damage(disks_);
  LogStore log(disks_.log->open());
  CheckpointStore checkpoints(disks_.checkpoints->open());
  const auto group = verify_group(log, kDatabase);
  ASSERT_TRUE(group.ok());
  const auto recovered = recover_database(log, checkpoints, *group, ReplayTo::kCommitHint);
  ASSERT_TRUE(recovered.ok()) << recovered.status().message();
  const bool serves = GetParam().expected_checkpoint != 0;
  EXPECT_EQ(recovered->verdict,
            serves ? DatabaseVerdict::kServes : DatabaseVerdict::kNeedsSnapshot);
  EXPECT_EQ(recovered->state != nullptr, serves);
  EXPECT_EQ(recovered->applied, serves ? group->tail.last : LogIndex{0});
  if (serves) return;
  EXPECT_NE(recovered->report.notes.back().find("no checkpoint can be used"), std::string::npos);
  // It goes on voting and storing.
  ASSERT_TRUE(adopt_group(log, *group).ok());
  LogJob next;
  next.group = kDatabase;
  next.entries.push_back(
      seal_entry({EntryKind::kBundle, group->tail.term, group->tail.last.next(), group->tail.chain},
                 std::make_shared<const ByteBuffer>(3)));
  EXPECT_TRUE(log.write(next).ok());
}

// The bad pages are named, stay worth repairing over the sweep, and then the newest counts again.
TEST_F(DatabaseRecoveryTest, UsesTheNewestCheckpointAgainOnceItsPagesAreFetched) {
  fill();
  const Accounts before = node_->accounts();
  crash();
  const MemoryDisk::Table good = disks_.checkpoints->table(Family::kPage);
  damage_pages(disks_, 2, 1);
  std::vector<Digest128> bad;
  {
    LogStore log(disks_.log->open());
    CheckpointStore checkpoints(disks_.checkpoints->open());
    const auto group = verify_group(log, kDatabase);
    const auto recovered = recover_database(log, checkpoints, *group, ReplayTo::kTail);
    ASSERT_TRUE(recovered.ok());
    EXPECT_EQ(recovered->report.checkpoint, CheckpointId{1});
    ASSERT_TRUE(recovered->damaged.has_value());
    EXPECT_EQ(recovered->damaged->checkpoint.id, CheckpointId{2});
    bad = recovered->damaged->pages;
    ASSERT_FALSE(bad.empty());
    ASSERT_TRUE(sweep_checkpoints(checkpoints, *group, *recovered).ok());
    for (const auto& [key, value] : good) {
      const auto hash = load_le<Digest128>(as_bytes(key).data() + 8);
      if (std::find(bad.begin(), bad.end(), hash) == bad.end()) continue;
      EXPECT_EQ(checkpoints.repair_page(kDatabase, hash, as_bytes("forged")).code(),
                StatusCode::kInvalidArgument);
      ASSERT_TRUE(checkpoints.repair_page(kDatabase, hash, as_bytes(value)).ok());
    }
  }
  crash();
  start();
  EXPECT_EQ(node_->report().checkpoint, CheckpointId{2});
  EXPECT_TRUE(node_->report().notes.empty());
  EXPECT_EQ(node_->accounts(), before);
}

TEST(EmptyReplicaTest, NeedsASnapshotAndNothingElse) {
  const TestDisks disks;
  LogStore log(disks.log->open());
  CheckpointStore checkpoints(disks.checkpoints->open());
  ASSERT_TRUE(log.create_uninitialised(kDatabase, ReplicaId{5}).ok());
  const auto group = verify_group(log, kDatabase);
  const auto recovered = recover_database(log, checkpoints, *group, ReplayTo::kCommitHint);
  ASSERT_TRUE(recovered.ok());
  EXPECT_EQ(recovered->verdict, DatabaseVerdict::kNeedsSnapshot);
  EXPECT_TRUE(recovered->report.notes.empty());
}

TEST_F(DatabaseRecoveryTest, RefusesAnEntryWhoseDigestDiffers) {
  start();
  node_->publish();
  ASSERT_TRUE(node_->seal().ok());
  node_->put(1, 1);
  Digest128 wrong = node_->state().digest();
  wrong.low ^= 1;
  ASSERT_TRUE(node_->log().write(node_->appender().seal(wrong, {})).ok());
  crash();
  const Status status = try_start();
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_NE(status.message().find("group 42 index 4: the digest of the state is"),
            std::string::npos)
      << status.message();
}

TEST_F(DatabaseRecoveryTest, RefusesAGapInTheOffsets) {
  start();
  node_->publish();
  ASSERT_TRUE(node_->seal().ok());
  node_->put(1, 1);
  ASSERT_TRUE(node_->seal().ok());
  // Leaves out the first bundle: a chained log that says nothing of it.
  LogStore other(std::make_shared<MemoryDisk>()->open());
  const auto entries = node_->log().read(kDatabase, LogIndex{2}, LogIndex{4}, limits::MiB);
  TestDisks forged;
  {
    LogStore log(forged.log->open());
    GroupBirth birth;
    birth.group = kDatabase;
    birth.replica = ReplicaId{1};
    ASSERT_TRUE(log.create_group(birth).ok());
    LogJob job;
    job.group = kDatabase;
    job.hard_state = HardState{ReplicaId{1}, Term{2}, ReplicaId{1}, {}, 1};
    const LogEntry barrier = entries->at(0);
    job.entries.push_back(barrier);
    job.entries.push_back(seal_entry({EntryKind::kBundle, Term{2}, LogIndex{3}, barrier.chain()},
                                     entries->at(2).payload));
    ASSERT_TRUE(log.write(job).ok());
  }
  disks_ = forged;
  const Status status = try_start();
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_NE(status.message().find("index 3: transaction offset 1 where 0 is next"),
            std::string::npos)
      << status.message();
}

// A log of one group whose second bundle has the timestamp of the first [S 08/2 I-20].
TestDisks log_that_repeats_a_timestamp(const LogStore& source, bool times_increase) {
  const auto entries = source.read(kDatabase, LogIndex{2}, LogIndex{5}, limits::MiB);
  Bundle first = *decode_bundle(*entries->at(1).payload, EphemeralRows::kKeep);
  Bundle second = *decode_bundle(*entries->at(2).payload, EphemeralRows::kKeep);
  EXPECT_TRUE(second.trailer.times_increase) << "a leader promises it";
  second.transactions[0]->timestamp = first.transactions.back()->timestamp;
  second.trailer.times_increase = times_increase;
  BundleEncoder encoder;
  encoder.append(*second.transactions[0]);
  TestDisks forged;
  LogStore log(forged.log->open());
  GroupBirth birth;
  birth.group = kDatabase;
  birth.replica = ReplicaId{1};
  EXPECT_TRUE(log.create_group(birth).ok());
  LogJob job;
  job.group = kDatabase;
  job.hard_state = HardState{ReplicaId{1}, Term{2}, ReplicaId{1}, {}, 1};
  job.entries = {entries->at(0), entries->at(1)};
  job.entries.push_back(
      seal_entry({EntryKind::kBundle, Term{2}, LogIndex{4}, entries->at(1).chain()},
                 encoder.finish(second.trailer)));
  EXPECT_TRUE(log.write(job).ok());
  return forged;
}

TEST_F(DatabaseRecoveryTest, RefusesATransactionThatIsNotLaterThanTheOneBefore) {
  start();
  node_->publish();
  ASSERT_TRUE(node_->seal().ok());
  node_->put(1, 1);
  ASSERT_TRUE(node_->seal().ok());
  const TestDisks promised = log_that_repeats_a_timestamp(node_->log(), true);
  const TestDisks silent = log_that_repeats_a_timestamp(node_->log(), false);
  disks_ = promised;
  const Status status = try_start();
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_NE(status.message().find("index 4: I-20: transaction offset 1 is of"), std::string::npos)
      << status.message();
  disks_ = silent;
  EXPECT_TRUE(try_start().ok()) << "of a program that did not see to it";
}

// --- Crashes at every step ----------------------------------------------------------------------

enum class FailingDisk : uint8_t { kLog, kCheckpoints };
struct StepCase {
  const char* name;
  FailingDisk disk;
};
class CheckpointStepTest : public DatabaseRecoveryTest,
                           public testing::WithParamInterface<StepCase> {};

// A third checkpoint with a failure at its n-th write, for every n until none is hit.
TEST_P(CheckpointStepTest, SurvivesAFailureAtEachWriteOfACheckpoint) {
  bool was_hit = true;
  for (uint64_t step = 1; was_hit; ++step) {
    ASSERT_LT(step, 20u);
    for (const bool loses : {false, true}) {
      SCOPED_TRACE(fmt::format("step {} loses {}", step, loses));
      disks_ = {};
      fill();
      const Accounts before = node_->accounts();
      MemoryDisk& disk = GetParam().disk == FailingDisk::kLog ? *disks_.log : *disks_.checkpoints;
      disk.set_faults(loses ? MemoryDisk::Faults{.lose_write = step}
                            : MemoryDisk::Faults{.fail_write = step});
      was_hit = !node_->checkpoint().ok();
      crash();
      start();
      EXPECT_EQ(node_->accounts(), before);
      EXPECT_LE(node_->checkpoints().list(kDatabase)->size(), 2u);
      ASSERT_TRUE(node_->checkpoint().ok());
      crash();
      start();
      EXPECT_EQ(node_->accounts(), before);
      EXPECT_TRUE(node_->report().notes.empty());
    }
  }
}
INSTANTIATE_TEST_SUITE_P(S08, CheckpointStepTest,
                         testing::Values(StepCase{"Log", FailingDisk::kLog},
                                         StepCase{"Checkpoints", FailingDisk::kCheckpoints}),
                         [](const auto& test) { return test.param.name; });

// Random transactions, bundles, checkpoints and crashes: after each start the state is the last
// acknowledged one, or the one of the bundle that was being written.
class RandomLife {
 public:
  explicit RandomLife(uint64_t seed) : rng_(seed) {}

  void run() {
    for (int life = 0; life < 5; ++life) {
      TestNode node(disks_);
      const Status status = node.start();
      ASSERT_TRUE(status.ok()) << status.message();
      const Status invariants = node.state().check_invariants();
      ASSERT_TRUE(invariants.ok()) << invariants.message();
      if (life == 0) {
        node.publish();
        ASSERT_TRUE(node.seal().ok());
      }
      const Accounts now = node.accounts();
      ASSERT_TRUE(now == acknowledged_ || now == written_) << "life " << life;
      acknowledged_ = now;
      MemoryDisk& disk = rng_.chance(3) ? *disks_.checkpoints : *disks_.log;
      const uint64_t fatal = 1 + rng_.below(25);
      disk.set_faults(rng_.chance(2) ? MemoryDisk::Faults{.fail_write = fatal}
                                     : MemoryDisk::Faults{.lose_write = fatal});
      live(node);
      disks_.crash(rng_);
    }
  }

 private:
  void live(TestNode& node) {
    for (int step = 0; step < 40; ++step) {
      for (uint64_t count = 1 + rng_.below(6); count > 0; --count) {
        const auto id = static_cast<uint32_t>(rng_.below(50));
        if (rng_.chance(4)) {
          node.erase(id);
        } else {
          node.put(id, static_cast<int64_t>(rng_.below(1'000)));
        }
      }
      written_ = node.accounts();
      if (!node.seal().ok()) return;
      acknowledged_ = written_;
      if (rng_.chance(4) && !node.checkpoint().ok()) return;
    }
  }

  Prng rng_;
  TestDisks disks_;
  Accounts acknowledged_;
  Accounts written_;
};

TEST(RandomLifeTest, LosesNothingThatWasAcknowledged) {
  for (const uint64_t seed : random_seeds(40)) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    RandomLife(seed).run();
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace worldline::storage
