// The log database over a memory disk [S 08/3.6].
#include "storage/log/log_store.h"

#include <gtest/gtest.h>

#include "storage/log/row_codec.h"
#include "tests/storage_log/storage_log_fixture.h"

namespace worldline::storage {
namespace {

class LogStoreTest : public testing::Test {
 protected:
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
};

TEST_F(LogStoreTest, ReadsEntriesBackInOrderWithinAByteBudget) {
  const auto store = filled_store(*disk_, 10);
  const auto all = store->read(kGroup, LogIndex{2}, LogIndex{11}, limits::MiB);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 10u);
  EXPECT_EQ(as_text(*all->at(3).payload), "entry 3");
  // At least one entry, however small the budget.
  EXPECT_EQ(store->read(kGroup, LogIndex{2}, LogIndex{11}, 1)->size(), 1u);
  EXPECT_EQ(store->read(kGroup, LogIndex{2}, LogIndex{11}, 100)->size(), 3u);
  EXPECT_EQ(store->read(kGroup, LogIndex{5}, LogIndex{6}, limits::MiB)->size(), 2u);
  EXPECT_TRUE(store->read(kGroup, LogIndex{50}, LogIndex{60}, limits::MiB)->empty());
}

TEST_F(LogStoreTest, TellsATruncatedRangeFromAHole) {
  const auto store = filled_store(*disk_, 10);
  disk_->table(Family::kLog).erase(std::string(as_text(entry_key(kGroup, LogIndex{7}).span())));
  EXPECT_EQ(store->read(kGroup, LogIndex{5}, LogIndex{11}, limits::MiB).status().code(),
            StatusCode::kCorruption);
  ASSERT_TRUE(store->write(boundary_job(kGroup, boundary_at(*store, kGroup, LogIndex{8}))).ok());
  ASSERT_TRUE(store->truncate_prefix(kGroup, LogIndex{8}).ok());
  EXPECT_EQ(store->read(kGroup, LogIndex{5}, LogIndex{11}, limits::MiB).status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(store->read(kGroup, LogIndex{8}, LogIndex{11}, limits::MiB)->size(), 4u);
}

TEST_F(LogStoreTest, WritesJobsOfManyGroupsWithOneSync) {
  LogStore store(disk_->open());
  std::vector<QueuedJob> jobs;
  for (uint64_t group = 1; group <= 3; ++group) {
    ASSERT_TRUE(store.create_group(birth_of(GroupId{group})).ok());
    JobBuilder builder{GroupId{group}};
    for (int i = 0; i < 5; ++i) jobs.push_back({LogTicket{1}, builder.next("x")});
  }
  const uint64_t syncs = disk_->syncs();
  ASSERT_TRUE(store.write(jobs).ok());
  EXPECT_EQ(disk_->syncs(), syncs + 1);
  EXPECT_EQ(store.groups().value(), (std::vector<GroupId>{GroupId{1}, GroupId{2}, GroupId{3}}));
  EXPECT_EQ(store.load_group(GroupId{2})->tail->last, LogIndex{6});
}

// --- Suffix truncation ---------------------------------------------------------------------------

// Entries 2 to 11 of term 1, then a truncation from `from`, with or without entries of term 2.
struct SuffixCase {
  const char* name;
  uint64_t boundary;  // Checkpoint before the truncation.
  uint64_t from;
  uint64_t new_entries;
  bool same_batch;  // The truncated entries are of the same write.
  uint64_t expected_last;
};
const SuffixCase kSuffixCases[] = {
    {"ReplacedByOne", 1, 6, 1, false, 6},
    {"ReplacedByMore", 1, 6, 9, false, 14},
    {"ReplacedInTheSameBatch", 1, 6, 2, true, 7},
    {"OnlyDropped", 1, 6, 0, false, 5},
    {"OnlyDroppedInTheSameBatch", 1, 6, 0, true, 5},
    {"TheLastOne", 1, 11, 0, false, 10},
    {"NothingThere", 1, 12, 0, false, 11},
    {"NothingThereAndAppended", 1, 12, 1, false, 12},
    {"BackToTheBoundary", 5, 6, 0, false, 5},
    {"BackToTheBoundaryAndOn", 5, 6, 3, false, 8},
    {"BackToTheBirth", 1, 2, 0, false, 1},
    {"BackToTheBirthInTheSameBatch", 1, 2, 0, true, 1},
};
class SuffixTruncationTest : public testing::TestWithParam<SuffixCase> {};

TEST_P(SuffixTruncationTest, IsOneBatchAndLeavesAWholeLog) {
  const SuffixCase& c = GetParam();
  const auto disk = std::make_shared<MemoryDisk>();
  const auto full = filled_store(*std::make_shared<MemoryDisk>(), 10);
  const auto entries = full->read(kGroup, LogIndex{2}, LogIndex{11}, limits::MiB);
  const auto store = filled_store(*disk, c.same_batch ? 0 : 10);
  if (c.boundary > 1) {
    ASSERT_TRUE(
        store->write(boundary_job(kGroup, boundary_at(*store, kGroup, LogIndex{c.boundary}))).ok());
  }

  std::vector<QueuedJob> jobs;
  LogJob appended;
  appended.group = kGroup;
  appended.entries = *entries;
  if (c.same_batch) jobs.push_back({LogTicket{1}, appended});
  TailRow kept{LogIndex{1}, Term{1}, genesis_chain(kGroup)};
  if (c.from > 2) {
    const LogEntry& before = entries->at(c.from - 3);
    kept = {before.index(), before.term(), before.chain()};
  }
  JobBuilder builder(kGroup, kept);
  LogJob job;
  job.group = kGroup;
  job.truncate_from = LogIndex{c.from};
  for (uint64_t i = 0; i < c.new_entries; ++i) {
    builder.set_term(Term{2});
    job.entries.push_back(builder.next("other").entries.front());
  }
  job.hard_state = HardState{ReplicaId{70}, Term{2}, {}, {}, 1};
  jobs.push_back({LogTicket{2}, job});
  const uint64_t writes = disk->writes();
  ASSERT_TRUE(store->write(jobs).ok());
  EXPECT_EQ(disk->writes(), writes + 1);

  const auto verified = verify_group(*store, kGroup);
  ASSERT_TRUE(verified.ok()) << verified.status().message();
  EXPECT_EQ(verified->tail.last, LogIndex{c.expected_last});
  EXPECT_EQ(verified->verdict, GroupVerdict::kClean);
  // The log goes on from there, after a restart too.
  disk->kill();
  LogStore again(disk->open());
  ASSERT_TRUE(adopt_group(again, *verify_group(again, kGroup)).ok());
  JobBuilder more(kGroup, verified->tail);
  more.set_term(Term{2});
  ASSERT_TRUE(again.write(more.next("more")).ok());
  EXPECT_TRUE(verify_group(again, kGroup).ok());
}
INSTANTIATE_TEST_SUITE_P(S08, SuffixTruncationTest, testing::ValuesIn(kSuffixCases),
                         [](const auto& test) { return test.param.name; });

TEST_F(LogStoreTest, RefusesATruncationWhoseLastKeptEntryIsDamaged) {
  const auto store = filled_store(*disk_, 10);
  disk_->table(Family::kLog).at(std::string(as_text(entry_key(kGroup, LogIndex{5}).span())))[44] ^=
      1;
  LogJob job;
  job.group = kGroup;
  job.truncate_from = LogIndex{6};
  const uint64_t writes = disk_->writes();
  const Status status = store->write(job);
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_NE(status.message().find("group 7 index 5"), std::string::npos) << status.message();
  EXPECT_EQ(disk_->writes(), writes);
  EXPECT_EQ(store->failure().code(), StatusCode::kCorruption);
}

// --- Snapshots -----------------------------------------------------------------------------------

LogJob snapshot_job(uint64_t index) {
  Boundary boundary;
  boundary.index = LogIndex{index};
  boundary.term = Term{3};
  boundary.chain = Chain{77};
  boundary.config = {9};
  boundary.checkpoint = {CheckpointId{4}, {5, 6}};
  LogJob job = boundary_job(kGroup, boundary);
  job.boundary_use = BoundaryUse::kSnapshot;
  job.hard_state = HardState{ReplicaId{70}, Term{3}, {}, LogIndex{index}, 2};
  return job;
}

TEST_F(LogStoreTest, ReplacesTheWholeLogByASnapshotInOneBatch) {
  for (const uint64_t index : {5u, 11u, 40u}) {
    SCOPED_TRACE(index);
    const auto disk = std::make_shared<MemoryDisk>();
    const auto store = filled_store(*disk, 10);
    const uint64_t writes = disk->writes();
    ASSERT_TRUE(store->write(snapshot_job(index)).ok());
    EXPECT_EQ(disk->writes(), writes + 1);
    EXPECT_TRUE(disk->table(Family::kLog).empty());
    EXPECT_EQ(store->read(kGroup, LogIndex{5}, LogIndex{9}, 100).status().code(),
              StatusCode::kNotFound);
    const auto verified = verify_group(*store, kGroup);
    ASSERT_TRUE(verified.ok()) << verified.status().message();
    EXPECT_EQ(verified->tail, (TailRow{LogIndex{index}, Term{3}, Chain{77}}));
    EXPECT_EQ(verified->boundary.checkpoint.id, CheckpointId{4});
    EXPECT_EQ(verified->hard_state.commit_hint, LogIndex{index});
    JobBuilder jobs(kGroup, verified->tail);
    ASSERT_TRUE(store->write(jobs.next("after")).ok());
    EXPECT_EQ(verify_group(*store, kGroup)->first, LogIndex{index + 1});
  }
}

TEST_F(LogStoreTest, AppendsBehindASnapshotInTheSameJob) {
  const auto store = filled_store(*disk_, 10);
  LogJob job = snapshot_job(40);
  job.truncate_from = LogIndex{3};  // Void: the log goes anyway.
  JobBuilder jobs(kGroup, {LogIndex{40}, Term{3}, Chain{77}});
  job.entries = jobs.next("after").entries;
  ASSERT_TRUE(store->write(job).ok());
  EXPECT_EQ(verify_group(*store, kGroup)->tail.last, LogIndex{41});
}

// [S 08/1.11]: after a crash it is either the old log or the snapshot, never a mixture.
TEST_F(LogStoreTest, InstallsASnapshotWholeOrNotAtAll) {
  for (const bool is_lost : {false, true}) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      const auto disk = std::make_shared<MemoryDisk>();
      const auto store = filled_store(*disk, 10);
      disk->set_faults(is_lost ? MemoryDisk::Faults{.lose_write = 1}
                               : MemoryDisk::Faults{.fail_write = 1});
      EXPECT_FALSE(store->write(snapshot_job(40)).ok());
      Prng rng(seed);
      disk->crash(rng);
      LogStore again(disk->open());
      const auto verified = verify_group(again, kGroup);
      ASSERT_TRUE(verified.ok()) << verified.status().message();
      EXPECT_EQ(verified->boundary.index, verified->entry_count == 0 ? LogIndex{40} : LogIndex{1});
      EXPECT_EQ(verified->entry_count, verified->boundary.index == LogIndex{1} ? 10u : 0u);
    }
  }
}

TEST_F(LogStoreTest, KeepsAReplicaThatWaitsForItsFirstSnapshot) {
  {
    LogStore store(disk_->open());
    ASSERT_TRUE(store.create_uninitialised(kGroup, ReplicaId{70}).ok());
    EXPECT_EQ(store.create_group(birth_of(kGroup)).code(), StatusCode::kAlreadyExists);
    LogJob job;
    job.group = kGroup;
    job.hard_state = HardState{ReplicaId{70}, Term{3}, {}, {}, 1};
    ASSERT_TRUE(store.write(job).ok());
    disk_->kill();
  }
  LogStore store(disk_->open());
  const auto verified = verify_group(store, kGroup);
  EXPECT_EQ(judge_group(verified, Copies::kSeveral), StartVerdict::kUninitialised);
  EXPECT_EQ(verified->hard_state.term, Term{3});
  ASSERT_TRUE(adopt_group(store, *verified).ok());
  ASSERT_TRUE(store.write(snapshot_job(40)).ok());
  EXPECT_EQ(judge_group(verify_group(store, kGroup), Copies::kSeveral), StartVerdict::kServe);
}

// --- What no job may do --------------------------------------------------------------------------

struct ForbiddenCase {
  const char* name;
  void (*change)(LogJob&, const TailRow& tail);
  const char* check;  // Part of the message of the check that fires.
};
// Before it: entries 2 to 11 of term 1, boundary at 4, term 2, vote for 70, commit hint 6.
const ForbiddenCase kForbiddenCases[] = {
    {"TruncatingBelowTheBoundary",
     [](LogJob& job, const TailRow&) { job.truncate_from = LogIndex{4}; }, "boundary"},
    {"TruncatingWhatIsCommitted",
     [](LogJob& job, const TailRow&) { job.truncate_from = LogIndex{6}; }, "commit_hint"},
    {"AGap",
     [](LogJob& job, const TailRow&) {
       JobBuilder jobs(kGroup, {LogIndex{12}, Term{1}, Chain{1}});
       job.entries = jobs.next("x").entries;
     },
     "tail.last.next"},
    {"AnEntryOfAnOlderTerm",
     [](LogJob& job, const TailRow&) {
       JobBuilder jobs(kGroup, {LogIndex{11}, Term{1}, Chain{1}});
       jobs.set_term(Term{0});
       job.entries = jobs.next("x").entries;
     },
     "term"},
    {"AnEntryOfATermNotYetStored",
     [](LogJob& job, const TailRow& tail) {
       JobBuilder jobs(kGroup, tail);
       jobs.set_term(Term{3});
       job.entries = jobs.next("x").entries;
     },
     "term"},
    {"AnotherVoteInTheSameTerm",
     [](LogJob& job, const TailRow&) { job.hard_state->vote = ReplicaId{71}; }, "vote"},
    {"AnOlderTerm", [](LogJob& job, const TailRow&) { job.hard_state->term = Term{1}; }, "term"},
    {"AnotherReplica", [](LogJob& job, const TailRow&) { job.hard_state->replica = ReplicaId{71}; },
     "replica"},
    {"ACommitHintBehindTheLog",
     [](LogJob& job, const TailRow&) { job.hard_state->commit_hint = LogIndex{12}; },
     "commit_hint"},
    {"ALowerCommitHint",
     [](LogJob& job, const TailRow&) { job.hard_state->commit_hint = LogIndex{5}; }, "commit_hint"},
    {"AnOlderBoundary",
     [](LogJob& job, const TailRow&) {
       job.boundary.emplace();
       job.boundary->index = LogIndex{3};
     },
     "boundary"},
    {"ABoundaryBehindTheLog",
     [](LogJob& job, const TailRow&) {
       job.boundary.emplace();
       job.boundary->index = LogIndex{12};
     },
     "boundary"},
    {"ASnapshotBelowTheBoundary",
     [](LogJob& job, const TailRow&) {
       job.boundary.emplace();
       job.boundary->index = LogIndex{4};
       job.boundary_use = BoundaryUse::kSnapshot;
     },
     "boundary"},
};
class ForbiddenJobTest : public testing::TestWithParam<ForbiddenCase> {};

TEST_P(ForbiddenJobTest, EndsTheProcessBeforeAByteIsWritten) {
  GTEST_FLAG_SET(death_test_style, "fast");
  const auto disk = std::make_shared<MemoryDisk>();
  const auto store = filled_store(*disk, 10);
  LogJob setup = boundary_job(kGroup, boundary_at(*store, kGroup, LogIndex{4}));
  setup.hard_state = HardState{ReplicaId{70}, Term{2}, ReplicaId{70}, LogIndex{6}, 1};
  ASSERT_TRUE(store->write(setup).ok());
  LogJob job;
  job.group = kGroup;
  job.hard_state = setup.hard_state;
  ASSERT_TRUE(store->write(job).ok()) << "unchanged, it may be written again";
  GetParam().change(job, *store->load_group(kGroup)->tail);
  EXPECT_DEATH(store->write(job).ignore("dies"), GetParam().check);
}
INSTANTIATE_TEST_SUITE_P(S08, ForbiddenJobTest, testing::ValuesIn(kForbiddenCases),
                         [](const auto& test) { return test.param.name; });

// --- Prefix truncation ---------------------------------------------------------------------------

TEST_F(LogStoreTest, TruncatesThePrefixWithTheNextWriteAndRefusesReadersAtOnce) {
  const auto store = filled_store(*disk_, 20);
  ASSERT_TRUE(store->write(boundary_job(kGroup, boundary_at(*store, kGroup, LogIndex{20}))).ok());
  JobBuilder jobs(kGroup, *store->load_group(kGroup)->tail);
  const uint64_t syncs = disk_->syncs();
  const uint64_t writes = disk_->writes();
  ASSERT_TRUE(store->truncate_prefix(kGroup, LogIndex{6}).ok());
  EXPECT_EQ(disk_->writes(), writes);
  EXPECT_EQ(store->read(kGroup, LogIndex{5}, LogIndex{9}, 100).status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(disk_->table(Family::kLog).size(), 20u);
  ASSERT_TRUE(store->write(jobs.next("x")).ok());
  EXPECT_EQ(disk_->syncs(), syncs + 1) << "the truncation costs no sync of its own";
  EXPECT_EQ(disk_->table(Family::kLog).size(), 17u);
  // Further ones; MemoryDisk checks that files are given back only below what is durably gone.
  for (const uint64_t first : {8u, 8u, 7u, 12u, 18u, 21u}) {
    ASSERT_TRUE(store->truncate_prefix(kGroup, LogIndex{first}).ok());
    ASSERT_TRUE(store->write(jobs.next("x")).ok());
  }
  EXPECT_EQ(verify_group(*store, kGroup)->first, LogIndex{21});
  ASSERT_TRUE(store->truncate_prefix(kGroup, LogIndex{21}).ok());
  const uint64_t before = disk_->writes();
  ASSERT_TRUE(store->flush_truncations().ok());
  EXPECT_EQ(disk_->writes(), before) << "there was nothing to do";
}

TEST_F(LogStoreTest, StaysFailedAfterTheFirstFailedWrite) {
  const auto store = filled_store(*disk_, 1);
  JobBuilder jobs(kGroup, *store->load_group(kGroup)->tail);
  disk_->set_faults({.fail_write = 1});
  EXPECT_EQ(store->write(jobs.next("a")).code(), StatusCode::kIoError);
  const uint64_t writes = disk_->writes();
  EXPECT_EQ(store->write(jobs.next("b")).code(), StatusCode::kIoError);
  EXPECT_EQ(store->write_node_record({}).code(), StatusCode::kIoError);
  EXPECT_EQ(store->truncate_prefix(kGroup, LogIndex{2}).code(), StatusCode::kIoError);
  EXPECT_EQ(disk_->writes(), writes) << "nothing may be retried";
}

TEST_F(LogStoreTest, LeavesATombstoneThatForbidsOlderReplicas) {
  const auto store = filled_store(*disk_, 3);
  ASSERT_TRUE(store->destroy_group(kGroup, {ReplicaId{71}, ReplicaId{0}, ""}).ok());
  EXPECT_TRUE(store->groups()->empty());
  EXPECT_TRUE(store->read(kGroup, LogIndex{2}, LogIndex{9}, limits::MiB)->empty());
  EXPECT_EQ(store->create_group(birth_of(kGroup)).code(), StatusCode::kFailedPrecondition);
  GroupBirth later = birth_of(kGroup);
  later.replica = ReplicaId{71};
  EXPECT_TRUE(store->create_group(later).ok());
  EXPECT_EQ(store->create_group(later).code(), StatusCode::kAlreadyExists);
}

TEST_F(LogStoreTest, NeverForgetsWhatATombstoneOrAQuarantineForbids) {
  const auto store = filled_store(*disk_, 3);
  ASSERT_TRUE(store->quarantine(kGroup, ReplicaId{70}, Status::corruption("bad")).ok());
  EXPECT_EQ(store->create_group(birth_of(kGroup)).code(), StatusCode::kFailedPrecondition);
  GroupBirth next = birth_of(kGroup);
  next.replica = ReplicaId{71};
  EXPECT_EQ(store->create_group(next).code(), StatusCode::kAlreadyExists) << "its rows stay";
  // A lower tombstone changes nothing.
  ASSERT_TRUE(store->destroy_group(kGroup, {ReplicaId{5}, ReplicaId{0}, ""}).ok());
  EXPECT_EQ(store->create_group(birth_of(kGroup)).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(store->create_uninitialised(kGroup, ReplicaId{70}).code(),
            StatusCode::kFailedPrecondition);
  ASSERT_TRUE(store->create_group(next).ok());
  ASSERT_TRUE(store->destroy_group(kGroup, {ReplicaId{90}, ReplicaId{0}, ""}).ok());
  EXPECT_EQ(store->create_uninitialised(kGroup, ReplicaId{89}).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_TRUE(store->create_uninitialised(kGroup, ReplicaId{90}).ok());
}

TEST_F(LogStoreTest, AFrozenGroupStaysFrozenWhateverElseIsSaidOfIt) {
  const auto store = filled_store(*disk_, 3);
  EXPECT_TRUE(store->is_attached(kGroup));
  ASSERT_TRUE(store->freeze(kGroup, ReplicaId{70}, Status::corruption("two leaders")).ok());
  EXPECT_FALSE(store->is_attached(kGroup));
  EXPECT_EQ(store->tombstone(kGroup).value()->mark, MarkKind::kFrozen);
  ASSERT_TRUE(store->quarantine(kGroup, ReplicaId{70}, Status::corruption("bad")).ok());
  disk_->kill();
  const LogStore later(disk_->open());
  EXPECT_EQ(later.tombstone(kGroup).value()->mark, MarkKind::kFrozen);
  EXPECT_EQ(verify_group(later, kGroup).status().message(), "group 7: replica 70 is frozen: bad");
}

TEST_F(LogStoreTest, MakesRoomForAnUnknownReplicaOnlyByOrder) {
  const auto store = filled_store(*disk_, 3);
  ASSERT_TRUE(store->quarantine(kGroup, kUnknownReplica, Status::corruption("bad")).ok());
  EXPECT_EQ(store->create_uninitialised(kGroup, ReplicaId{99}).code(),
            StatusCode::kFailedPrecondition);
  ASSERT_TRUE(store->destroy_group(kGroup, {ReplicaId{99}, ReplicaId{0}, ""}).ok());
  EXPECT_TRUE(store->create_uninitialised(kGroup, ReplicaId{99}).ok());
}

TEST_F(LogStoreTest, FindsGroupsThatHaveEntriesButNoRows) {
  const auto store = filled_store(*disk_, 3);
  disk_->table(Family::kHard).clear();
  EXPECT_EQ(store->groups().value(), std::vector<GroupId>{kGroup});
}

TEST(MemoryDiskTest, LosesUnsyncedWritesButKeepsTheirOrder) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    auto disk = std::make_shared<MemoryDisk>();
    auto store = disk->open();
    const auto batch = store->new_batch();
    for (Byte i = 0; i < 10; ++i) {
      const std::array<Byte, 1> key = {i};
      batch->clear();
      batch->put(Family::kNode, key, key);
      ASSERT_TRUE(store->apply(*batch, i == 4 ? Sync::kYes : Sync::kNo).ok());
    }
    Prng rng(seed);
    disk->crash(rng);
    EXPECT_EQ(store->sync().code(), StatusCode::kIoError) << "a store of the life before";
    const size_t kept = disk->table(Family::kNode).size();
    EXPECT_GE(kept, 5u);
    for (size_t i = 0; i < kept; ++i)
      EXPECT_TRUE(disk->table(Family::kNode).contains(std::string(1, static_cast<char>(i))));
  }
}

}  // namespace
}  // namespace worldline::storage
