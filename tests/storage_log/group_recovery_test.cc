// What a start accepts and what it refuses [S 08/3.7].
#include "storage/log/group_recovery.h"

#include <functional>

#include <gtest/gtest.h>

#include "storage/log/node_recovery.h"
#include "storage/log/row_codec.h"
#include "tests/storage_log/storage_log_fixture.h"

namespace worldline::storage {
namespace {

std::string key_text(const LogKey& key) {
  return std::string(as_text(key.span()));
}
std::string entry_at(uint64_t index) {
  return key_text(entry_key(kGroup, LogIndex{index}));
}
std::string row_at(HardRow row) {
  return key_text(hard_key(kGroup, row));
}

void put_row(MemoryDisk& disk, HardRow row, const ByteBuffer& value) {
  disk.table(Family::kHard)[row_at(row)] = std::string(as_text(value));
}

// Moves the checkpoint to an entry of the log, as if one had been taken there.
void set_boundary(MemoryDisk& disk, uint64_t index) {
  const auto entry = decode_entry(as_bytes(disk.table(Family::kLog).at(entry_at(index))));
  Boundary boundary;
  boundary.index = LogIndex{index};
  boundary.term = entry->term();
  boundary.chain = entry->chain();
  put_row(disk, HardRow::kBoundary, encode_boundary(boundary));
}

// A log of entries 2 to 11, damaged in one way.
struct DamageCase {
  const char* name;
  void (*damage)(MemoryDisk&);
  const char* error;  // Part of the message; nullptr = accepted.
  GroupVerdict verdict = GroupVerdict::kClean;
};

const DamageCase kDamageCases[] = {
    {"NothingWrong", [](MemoryDisk&) {}, nullptr},
    {"FlippedPayloadByte",
     [](MemoryDisk& disk) { disk.table(Family::kLog).at(entry_at(6))[44] ^= 1; },
     "group 7 index 6: log entry 6: checksum"},
    {"FlippedByteOfTheLastEntry",
     [](MemoryDisk& disk) { disk.table(Family::kLog).at(entry_at(11))[44] ^= 1; },
     "group 7 index 11: log entry 11: checksum"},
    {"CutEntry", [](MemoryDisk& disk) { disk.table(Family::kLog).at(entry_at(6)).resize(20); },
     "group 7 index 6: log entry of 20 B is shorter than its header"},
    {"DroppedEntryInTheMiddle",
     [](MemoryDisk& disk) { disk.table(Family::kLog).erase(entry_at(6)); },
     "group 7 index 6: entries up to 6 are missing"},
    {"DroppedFirstEntry", [](MemoryDisk& disk) { disk.table(Family::kLog).erase(entry_at(2)); },
     "group 7 index 2: entries up to 2 are missing"},
    {"DroppedLastEntry", [](MemoryDisk& disk) { disk.table(Family::kLog).erase(entry_at(11)); },
     "tail row names index 11 term 1, but the log ends at index 10"},
    {"EntryBehindTheTail",
     [](MemoryDisk& disk) {
       put_row(disk, HardRow::kTail, encode_tail({LogIndex{9}, {}, {}}));
     },
     "tail row names index 9"},
    {"TailWithAnotherChain",
     [](MemoryDisk& disk) {
       put_row(disk, HardRow::kTail, encode_tail({LogIndex{11}, Term{1}, Chain{1}}));
     },
     "tail row names index 11"},
    {"SwappedEntries",
     [](MemoryDisk& disk) {
       std::swap(disk.table(Family::kLog).at(entry_at(6)),
                 disk.table(Family::kLog).at(entry_at(7)));
     },
     "group 7 index 6: the entry says it is index 7"},
    {"EntryOfAnotherHistory",
     [](MemoryDisk& disk) {
       const LogEntry other =
           seal_entry({EntryKind::kBundle, Term{1}, LogIndex{6}, Chain{99}}, payload_of("x"));
       ByteBuffer bytes;
       append_le(bytes, other.header);
       append(bytes, *other.payload);
       disk.table(Family::kLog)[entry_at(6)] = std::string(as_text(bytes));
     },
     "group 7 index 6: the chain does not follow"},
    {"HardStateDamaged",
     [](MemoryDisk& disk) { disk.table(Family::kHard).at(row_at(HardRow::kState))[3] ^= 1; },
     "group 7: hard state: checksum"},
    {"HardStateMissing",
     [](MemoryDisk& disk) { disk.table(Family::kHard).erase(row_at(HardRow::kState)); },
     "group 7: the hard state is missing"},
    {"BoundaryMissing",
     [](MemoryDisk& disk) { disk.table(Family::kHard).erase(row_at(HardRow::kBoundary)); },
     "group 7: the boundary is missing"},
    {"TailMissing",
     [](MemoryDisk& disk) { disk.table(Family::kHard).erase(row_at(HardRow::kTail)); },
     "group 7: the tail row is missing"},
    {"CommitBeyondTheLog",
     [](MemoryDisk& disk) {
       put_row(disk, HardRow::kState,
               encode_hard_state({ReplicaId{70}, Term{1}, {}, LogIndex{12}, 1}));
     },
     "group 7: index 12 was committed, but the log ends at index 11"},
    {"LogOfALaterTermThanTheHardState",
     [](MemoryDisk& disk) {
       put_row(disk, HardRow::kState, encode_hard_state({ReplicaId{70}, Term{0}, {}, {}, 1}));
     },
     "group 7: the hard state has term 0"},
    {"TombstoneDamaged",
     [](MemoryDisk& disk) {
       ByteBuffer row = encode_tombstone({ReplicaId{3}, ReplicaId{0}, ""});
       row[2] ^= 1;
       disk.table(Family::kTomb)[std::string(as_text(group_key(kGroup)))] = as_text(row);
     },
     "tombstone: checksum"},
    {"EntriesWithoutABoundary",
     [](MemoryDisk& disk) { put_row(disk, HardRow::kBoundary, encode_boundary({})); },
     "an entry in the log of a replica without a state"},
    {"LogGoneBeforeTheCheckpoint",
     [](MemoryDisk& disk) {
       set_boundary(disk, 6);
       for (uint64_t i = 2; i <= 6; ++i) disk.table(Family::kLog).erase(entry_at(i));
     },
     nullptr},
    {"WholeLogTruncated",
     [](MemoryDisk& disk) {
       set_boundary(disk, 11);
       disk.table(Family::kLog).clear();
     },
     nullptr},
    {"LogOlderThanTheCheckpoint", [](MemoryDisk& disk) { set_boundary(disk, 6); }, nullptr},
    {"TruncationInterrupted",
     [](MemoryDisk& disk) {
       set_boundary(disk, 6);
       disk.table(Family::kLog).erase(entry_at(4));
     },
     nullptr, GroupVerdict::kTruncationFinished},
    {"EntryMissingBehindTheCheckpoint",
     [](MemoryDisk& disk) {
       set_boundary(disk, 6);
       disk.table(Family::kLog).erase(entry_at(7));
     },
     "group 7 index 7: entries up to 7 are missing"},
    {"CheckpointOfAnotherHistory",
     [](MemoryDisk& disk) {
       set_boundary(disk, 6);
       auto boundary =
           decode_boundary(as_bytes(disk.table(Family::kHard).at(row_at(HardRow::kBoundary))));
       boundary->chain = Chain{5};
       put_row(disk, HardRow::kBoundary, encode_boundary(*boundary));
     },
     "group 7 index 6: the entry is not the one the checkpoint was cut at"},
    {"LogEndsBeforeTheCheckpoint",
     [](MemoryDisk& disk) {
       set_boundary(disk, 11);
       const auto last = decode_entry(as_bytes(disk.table(Family::kLog).at(entry_at(9))));
       put_row(disk, HardRow::kTail, encode_tail({LogIndex{9}, Term{1}, last->chain()}));
       disk.table(Family::kLog).erase(entry_at(10));
       disk.table(Family::kLog).erase(entry_at(11));
     },
     "group 7 index 9: the log ends before the checkpoint at index 11"},
};

class GroupRecoveryTest : public testing::TestWithParam<DamageCase> {};

TEST_P(GroupRecoveryTest, AcceptsAWholeLogAndNamesTheDamageOfAnyOther) {
  auto disk = std::make_shared<MemoryDisk>();
  filled_store(*disk, 10);
  disk->kill();
  GetParam().damage(*disk);
  LogStore store(disk->open());
  const Result<VerifiedGroup> verified = verify_group(store, kGroup);
  if (GetParam().error != nullptr) {
    ASSERT_FALSE(verified.ok());
    EXPECT_EQ(verified.status().code(), StatusCode::kCorruption);
    EXPECT_NE(verified.status().message().find(GetParam().error), std::string::npos)
        << verified.status().message();
    return;
  }
  ASSERT_TRUE(verified.ok()) << verified.status().message();
  EXPECT_EQ(verified->verdict, GetParam().verdict);
  EXPECT_EQ(verified->tail.last, LogIndex{11});
  // What was accepted can be written to, and is accepted again.
  ASSERT_TRUE(adopt_group(store, *verified).ok());
  ASSERT_TRUE(store.write(JobBuilder(kGroup, verified->tail).next("more")).ok());
  const Result<VerifiedGroup> again = verify_group(store, kGroup);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->verdict, GroupVerdict::kClean);
  EXPECT_EQ(again->tail.last, LogIndex{12});
}
INSTANTIATE_TEST_SUITE_P(S08, GroupRecoveryTest, testing::ValuesIn(kDamageCases),
                         [](const auto& test) { return test.param.name; });

// Every damage of the table above: several copies give it up for good and keep it for analysis, an
// only copy is not touched [S 08/3.7].
TEST_P(GroupRecoveryTest, MarksADamagedReplicaForGoodUnlessItIsTheOnlyOne) {
  auto disk = std::make_shared<MemoryDisk>();
  filled_store(*disk, 10);
  disk->kill();
  GetParam().damage(*disk);
  LogStore store(disk->open());
  const auto verified = verify_group(store, kGroup);
  const bool is_damaged = GetParam().error != nullptr;
  EXPECT_EQ(judge_group(verified, Copies::kOnlyOne),
            is_damaged ? StartVerdict::kRefuse : StartVerdict::kServe);
  ASSERT_EQ(judge_group(verified, Copies::kSeveral),
            is_damaged ? StartVerdict::kQuarantine : StartVerdict::kServe);
  if (!is_damaged) return;

  const MemoryDisk::Table log = disk->table(Family::kLog);
  const MemoryDisk::Table hard = disk->table(Family::kHard);
  ASSERT_TRUE(quarantine_damaged(store, kGroup, verified.status()).ok());
  disk->kill();
  LogStore again(disk->open());
  const auto after = verify_group(again, kGroup);
  EXPECT_EQ(judge_group(after, Copies::kSeveral), StartVerdict::kQuarantined);
  EXPECT_NE(after.status().message().find(GetParam().error), std::string::npos)
      << after.status().message();
  EXPECT_TRUE(disk->table(Family::kLog) == log && disk->table(Family::kHard) == hard);
  EXPECT_EQ(again.create_group(birth_of(kGroup)).code(), StatusCode::kFailedPrecondition)
      << "its id is never born again";
  // The catalog makes room for a new copy.
  ASSERT_TRUE(again.destroy_group(kGroup, {ReplicaId{71}, ReplicaId{0}, ""}).ok());
  EXPECT_EQ(again.create_uninitialised(kGroup, ReplicaId{70}).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_TRUE(again.create_uninitialised(kGroup, ReplicaId{71}).ok());
}

TEST(GroupRecoveryTest, RefusesAReplicaBelowItsTombstone) {
  auto disk = std::make_shared<MemoryDisk>();
  auto store = filled_store(*disk, 3);
  disk->table(Family::kTomb)[std::string(as_text(group_key(kGroup)))] =
      as_text(encode_tombstone({ReplicaId{71}, ReplicaId{0}, ""}));
  const auto verified = verify_group(*store, kGroup);
  EXPECT_EQ(judge_group(verified, Copies::kOnlyOne), StartVerdict::kQuarantined);
  EXPECT_NE(verified.status().message().find("below the tombstone 71"), std::string::npos);
}

TEST(GroupRecoveryTest, RefusesToStartOnANewerFormatOrAFailingDisk) {
  for (const StatusCode code : {StatusCode::kNotSupported, StatusCode::kIoError})
    for (const Copies copies : {Copies::kOnlyOne, Copies::kSeveral})
      EXPECT_EQ(judge_group(Status(code, "why"), copies), StartVerdict::kRefuse);
}

TEST(GroupRecoveryTest, RefusesAQuarantinedReplicaAfterEveryStart) {
  auto disk = std::make_shared<MemoryDisk>();
  auto store = filled_store(*disk, 3);
  ASSERT_TRUE(store->quarantine(kGroup, ReplicaId{70}, Status::corruption("digest")).ok());
  const Result<VerifiedGroup> verified = verify_group(*store, kGroup);
  EXPECT_EQ(verified.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(verified.status().message().find("digest"), std::string::npos);
}

// Whatever is wrong with it, its owner may give it up [S 08/3.7].
TEST(GroupRecoveryTest, DiscardsWhatIsLeftOfAGroup) {
  const struct {
    const char* name;
    std::function<void(MemoryDisk&, LogStore&)> harm;
    ReplicaId lowest;
  } kHarms[] = {
      {"Whole", [](MemoryDisk&, LogStore&) {}, ReplicaId{71}},
      {"Quarantined",
       [](MemoryDisk&, LogStore& store) {
         ASSERT_TRUE(store.quarantine(kGroup, ReplicaId{70}, Status::corruption("why")).ok());
       },
       ReplicaId{71}},
      {"HardStateDamaged",
       [](MemoryDisk& disk, LogStore&) {
         const auto key = hard_key(kGroup, HardRow::kState);
         disk.table(Family::kHard)[std::string(as_text(key.span()))] = "nothing of the kind";
       },
       kUnknownReplica},
  };
  for (const auto& test : kHarms) {
    SCOPED_TRACE(test.name);
    auto disk = std::make_shared<MemoryDisk>();
    const auto store = filled_store(*disk, 3);
    test.harm(*disk, *store);
    for (int time = 0; time < 2; ++time) ASSERT_TRUE(discard_group(*store, kGroup).ok());
    EXPECT_TRUE(store->groups()->empty());
    EXPECT_EQ(store->tombstone(kGroup).value()->lowest_allowed, test.lowest);
  }
}

// Random batches over several groups, with a crash of the disk at a random point: every group is
// accepted afterwards and has at least what was acknowledged, unchanged [I-18, G1, G2 of S 05/5.1].
TEST(CrashTest, LosesNothingThatWasAcknowledged) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng rng(seed);
    auto disk = std::make_shared<MemoryDisk>();
    std::map<GroupId, std::vector<std::string>> acknowledged;
    for (int life = 0; life < 4; ++life) {
      LogStore store(disk->open());
      std::map<GroupId, JobBuilder> builders;
      for (uint64_t id = 1; id <= 3; ++id) {
        const GroupId group{id};
        if (life == 0) {
          ASSERT_TRUE(store.create_group(birth_of(group)).ok());
        } else {
          const auto verified = verify_group(store, group);
          ASSERT_TRUE(verified.ok()) << verified.status().message();
          ASSERT_TRUE(adopt_group(store, *verified).ok());
        }
        const auto entries = store.read(group, LogIndex{2}, LogIndex{1000}, limits::GiB);
        ASSERT_TRUE(entries.ok());
        auto& expected = acknowledged[group];
        ASSERT_GE(entries->size(), expected.size());
        for (size_t i = 0; i < expected.size(); ++i)
          EXPECT_EQ(as_text(*entries->at(i).payload), expected[i]);
        for (size_t i = expected.size(); i < entries->size(); ++i)
          expected.emplace_back(as_text(*entries->at(i).payload));  // Stable from now on.
        builders.emplace(group, JobBuilder(group, *store.load_group(group)->tail));
      }
      // The n-th write fails, sometimes leaving its bytes behind.
      const uint64_t fatal = 1 + rng.below(12);
      disk->set_faults(rng.chance(2) ? MemoryDisk::Faults{.fail_write = fatal}
                                     : MemoryDisk::Faults{.lose_write = fatal});
      while (true) {
        std::vector<QueuedJob> jobs;
        for (uint64_t count = 1 + rng.below(5); count > 0; --count) {
          const GroupId group{1 + rng.below(3)};
          const std::string text = std::to_string(rng.next());
          jobs.push_back({LogTicket{count}, builders.at(group).next(text)});
        }
        if (!store.write(jobs).ok()) break;
        for (const QueuedJob& queued : jobs)
          acknowledged[queued.job.group].emplace_back(as_text(*queued.job.entries.front().payload));
      }
      disk->crash(rng);
    }
  }
}

TEST(NodeRecoveryTest, RaisesTheIncarnationAndRemembersACleanStop) {
  auto disk = std::make_shared<MemoryDisk>();
  NodeOpenOptions options;
  options.fresh_uuid.fill(1);
  options.fresh_cluster.fill(2);
  {
    LogStore store(disk->open());
    const auto node = open_node(store, options);
    ASSERT_TRUE(node.ok());
    EXPECT_TRUE(node->is_first_start);
    EXPECT_EQ(node->record.incarnation, 1u);
    Prng rng(1);
    disk->crash(rng);
  }
  options.fresh_uuid.fill(9);
  {
    LogStore store(disk->open());
    const auto node = open_node(store, options);
    ASSERT_TRUE(node.ok());
    EXPECT_FALSE(node->is_first_start);
    EXPECT_FALSE(node->was_clean_shutdown);
    EXPECT_EQ(node->record.incarnation, 2u);
    EXPECT_EQ(node->record.uuid[0], 1) << "the uuid lives with the data";
    ASSERT_TRUE(close_node(store, node->record).ok());
  }
  LogStore store(disk->open());
  EXPECT_TRUE(open_node(store, options)->was_clean_shutdown);
  EXPECT_FALSE(store.node_record().value()->clean_shutdown) << "from now on it is not";
}

TEST(NodeRecoveryTest, RefusesForeignNewerAndHeadlessDirectories) {
  auto disk = std::make_shared<MemoryDisk>();
  LogStore store(disk->open());
  ASSERT_TRUE(open_node(store, {}).ok());
  NodeOpenOptions other;
  other.expected_cluster.emplace().fill(7);
  EXPECT_EQ(open_node(store, other).status().code(), StatusCode::kFailedPrecondition);
  NodeRecord newer;
  newer.format = kNodeFormatVersion + 1;
  ASSERT_TRUE(store.write_node_record(newer).ok());
  EXPECT_EQ(open_node(store, {}).status().code(), StatusCode::kNotSupported);
  disk->table(Family::kNode).clear();
  ASSERT_TRUE(store.create_group(birth_of(kGroup)).ok());
  EXPECT_EQ(open_node(store, {}).status().code(), StatusCode::kCorruption);
}

NodeOpenOptions waiting_node() {
  NodeOpenOptions options;
  options.fresh_uuid.fill(1);
  options.fresh_node = NodeId{};
  return options;
}

ClusterEntry founder_entry() {
  ClusterEntry entry;
  entry.cluster.fill(7);
  entry.node = NodeId{3};
  entry.genesis = {1, 5, 9};
  return entry;
}

// Whatever the power loss leaves: the node waits as before, or is in with all that belongs to it.
TEST(NodeRecoveryTest, EntersItsClusterWhollyOrNotAtAll) {
  for (const bool is_let_down : {false, true}) {
    SCOPED_TRACE(is_let_down);
    auto disk = std::make_shared<MemoryDisk>();
    {
      LogStore store(disk->open());
      auto node = open_node(store, waiting_node());
      ASSERT_TRUE(node.ok());
      EXPECT_EQ(node->record.cluster, RandomId{});
      disk->set_faults({.fail_write = is_let_down ? 1u : 0u});
      EXPECT_EQ(enter_cluster(store, *node, founder_entry()).ok(), !is_let_down);
      Prng rng(1);
      disk->crash(rng);
    }
    disk->set_faults({});
    LogStore store(disk->open());
    auto node = open_node(store, waiting_node());
    ASSERT_TRUE(node.ok());
    EXPECT_EQ(node->record.incarnation, 2u);
    EXPECT_EQ(store.genesis()->has_value(), !is_let_down);
    EXPECT_EQ(node->record.cluster[0], is_let_down ? 0 : 7);
    EXPECT_EQ(node->record.node, is_let_down ? NodeId{} : NodeId{3});
    EXPECT_EQ(store.genesis()->value_or(ByteBuffer{}),
              is_let_down ? ByteBuffer{} : (ByteBuffer{1, 5, 9}));
    EXPECT_TRUE(enter_cluster(store, *node, founder_entry()).ok()) << "asked for again";
  }
}

TEST(NodeRecoveryTest, EntersOneClusterOnce) {
  auto disk = std::make_shared<MemoryDisk>();
  LogStore store(disk->open());
  auto node = open_node(store, waiting_node());
  ASSERT_TRUE(node.ok());
  ClusterEntry joined = founder_entry();
  joined.genesis.clear();
  ASSERT_TRUE(enter_cluster(store, *node, joined).ok());
  EXPECT_FALSE(store.genesis()->has_value()) << "it was not there";
  ClusterEntry other = joined;
  other.cluster.fill(8);
  EXPECT_EQ(enter_cluster(store, *node, other).code(), StatusCode::kFailedPrecondition);
  other = joined;
  other.node = NodeId{4};
  EXPECT_EQ(enter_cluster(store, *node, other).code(), StatusCode::kFailedPrecondition);

  auto used = std::make_shared<MemoryDisk>();
  LogStore groups(used->open());
  ASSERT_TRUE(open_node(groups, waiting_node()).ok());
  ASSERT_TRUE(groups.create_group(birth_of(kGroup)).ok());
  auto with_groups = open_node(groups, waiting_node());
  ASSERT_TRUE(with_groups.ok());
  EXPECT_EQ(enter_cluster(groups, *with_groups, joined).code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace worldline::storage
