// From the core's jobs to the node's log and back after a restart [S 08/3.6, 3.7].
#include "replication/log_adapter.h"

#include <gtest/gtest.h>

#include "storage/log/memory_disk.h"
#include "storage/log/row_codec.h"

namespace worldline::replication {
namespace {

constexpr GroupId kGroup{7};
constexpr ReplicaId kReplica{71};

Membership members_of(std::initializer_list<uint64_t> voters) {
  Membership members;
  for (const uint64_t id : voters) {
    members.voters.push_back(ReplicaId{id});
    members.members.push_back({ReplicaId{id}, NodeId{id - 70}, "zone"});
  }
  return members;
}

SharedBytes payload_of(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return std::make_shared<const ByteBuffer>(bytes.begin(), bytes.end());
}

// Writes jobs to a store on a memory disk and starts again from what it left.
class LogAdapterTest : public testing::Test {
 protected:
  void create(const storage::GroupBirth& birth) {
    open();
    ASSERT_TRUE(store_->create_group(birth).ok());
  }
  void open() { store_ = std::make_unique<storage::LogStore>(disk_->open()); }

  // A job of `count` entries of `term` after the end of `chain_`.
  PersistJob job_of(uint64_t first, size_t count, Term term) {
    PersistJob job;
    job.job = JobId{++jobs_};
    for (size_t i = 0; i < count; ++i) {
      Entry entry;
      entry.index = LogIndex{first + i};
      entry.term = term;
      entry.kind = EntryKind::kBundle;
      entry.payload = payload_of("entry " + std::to_string(first + i));
      entry.payload_bytes = static_cast<uint32_t>(entry.payload->size());
      entry.chain = log_chain(chains_.at(first + i - 1), entry);
      chains_[first + i] = entry.chain;
      job.entries.push_back(entry);
    }
    job.hard_state = HardState{term, ReplicaId{72}, LogIndex{1}};
    return job;
  }
  void write(const PersistJob& job, const CheckpointPlace* installed = nullptr) {
    ASSERT_TRUE(store_->write(adapter_.to_log_job(job, installed)).ok());
  }
  void checkpoint(LogIndex index, Term term) {
    const LogBoundary boundary{
        {term, index}, chains_.at(index.value), members_of({71, 72}), LogIndex{1}};
    ASSERT_TRUE(store_->write(adapter_.to_checkpoint_job(boundary, place_)).ok());
  }

  // As a start of the node does.
  RestoredState restart() {
    disk_->kill();
    open();
    const auto verified = storage::verify_group(*store_, kGroup);
    EXPECT_TRUE(verified.ok()) << verified.status().message();
    EXPECT_TRUE(storage::adopt_group(*store_, *verified).ok());
    auto state = restore_state(*store_, *verified);
    EXPECT_TRUE(state.ok()) << state.status().message();
    return std::move(state).value();
  }

  std::shared_ptr<storage::MemoryDisk> disk_ = std::make_shared<storage::MemoryDisk>();
  std::unique_ptr<storage::LogStore> store_;
  LogAdapter adapter_{kGroup, kReplica, 0};
  std::map<uint64_t, Chain> chains_{{1, genesis_boundary(kGroup, {}).chain}};
  CheckpointPlace place_{{storage::CheckpointId{5}, {1, 2}}, {3, 4}};
  uint64_t jobs_ = 0;
};

TEST_F(LogAdapterTest, ANewGroupStartsAtTheSameBoundaryEverywhere) {
  create(group_birth(kGroup, kReplica, members_of({71, 72}), {}));
  const RestoredState state = restart();
  EXPECT_EQ(state.boundary, genesis_boundary(kGroup, members_of({71, 72})));
  EXPECT_EQ(state.hard, (HardState{Term{1}, {}, {}}));
  EXPECT_EQ(state.applied, LogIndex{1});
  EXPECT_TRUE(state.entries.empty());
}

TEST_F(LogAdapterTest, AJoiningReplicaStartsWithoutAnyState) {
  open();
  ASSERT_TRUE(store_->create_uninitialised(kGroup, kReplica).ok());
  RestoredState state = restart();
  EXPECT_EQ(state.boundary.id, EntryId{});
  EXPECT_TRUE(state.boundary.config.members.empty());
  EXPECT_EQ(state.hard, HardState{});
  EXPECT_EQ(state.applied, LogIndex{});

  // It may learn a term before anything else.
  PersistJob job;
  job.hard_state = HardState{Term{9}, {}, {}};
  write(job);
  state = restart();
  EXPECT_EQ(state.boundary.id, EntryId{});
  EXPECT_TRUE(state.boundary.config.members.empty());
  EXPECT_EQ(state.hard.term, Term{9});
}

TEST_F(LogAdapterTest, EntriesComeBackAsTheyWere) {
  create(group_birth(kGroup, kReplica, members_of({71, 72}), {}));
  const PersistJob job = job_of(2, 3, Term{4});
  write(job);
  const RestoredState state = restart();
  EXPECT_EQ(state.hard, (HardState{Term{4}, ReplicaId{72}, LogIndex{1}}));
  ASSERT_EQ(state.entries.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(state.entries[i].id(), job.entries[i].id());
    EXPECT_EQ(state.entries[i].chain, job.entries[i].chain);
    EXPECT_EQ(state.entries[i].kind, job.entries[i].kind);
    EXPECT_EQ(*state.entries[i].payload, *job.entries[i].payload);
    EXPECT_EQ(state.entries[i].payload_bytes, job.entries[i].payload_bytes);
  }
}

TEST_F(LogAdapterTest, ATruncatedSuffixIsReplaced) {
  create(group_birth(kGroup, kReplica, members_of({71, 72}), {}));
  write(job_of(2, 5, Term{2}));
  PersistJob job = job_of(4, 1, Term{3});
  job.truncate_from = LogIndex{4};
  write(job);
  const RestoredState state = restart();
  ASSERT_EQ(state.entries.size(), 3u);
  EXPECT_EQ(state.entries[2].id(), (EntryId{Term{3}, LogIndex{4}}));
}

TEST_F(LogAdapterTest, ASnapshotTakesThePlaceOfTheLog) {
  create(group_birth(kGroup, kReplica, members_of({71, 72}), {}));
  write(job_of(2, 5, Term{2}));
  PersistJob job;
  job.hard_state = HardState{Term{6}, {}, LogIndex{20}};
  job.new_boundary =
      LogBoundary{{Term{5}, LogIndex{20}}, Chain{99}, members_of({71, 73}), LogIndex{11}};
  chains_[20] = Chain{99};
  write(job, &place_);
  EXPECT_EQ(restart().boundary, *job.new_boundary);
  EXPECT_EQ(store_->load_group(kGroup)->boundary->checkpoint, place_.checkpoint);

  // The log goes on behind it, in the same job or later.
  PersistJob next = job_of(21, 2, Term{6});
  if (next.hard_state) next.hard_state->commit_hint = LogIndex{20};
  write(next);
  const RestoredState state = restart();
  EXPECT_EQ(state.applied, LogIndex{20});
  ASSERT_EQ(state.entries.size(), 2u);
  EXPECT_EQ(state.entries[0].index, LogIndex{21});
}

TEST_F(LogAdapterTest, ASnapshotAndWhatFollowsItFitOneJob) {
  open();
  ASSERT_TRUE(store_->create_uninitialised(kGroup, kReplica).ok());
  chains_[20] = Chain{99};
  PersistJob job = job_of(21, 2, Term{6});
  job.new_boundary =
      LogBoundary{{Term{5}, LogIndex{20}}, Chain{99}, members_of({71, 73}), LogIndex{11}};
  write(job, &place_);
  const RestoredState state = restart();
  EXPECT_EQ(state.boundary, *job.new_boundary);
  EXPECT_EQ(state.entries.size(), 2u);
}

// A checkpoint at index 6 of a log of 2 ... 9, its config being that of entry `config_index`.
struct TailCase {
  const char* name;
  uint64_t first;     // What compaction left.
  uint64_t boundary;  // Where the restored log begins.
};
class TailTest : public LogAdapterTest, public testing::WithParamInterface<TailCase> {};

TEST_P(TailTest, EntriesBehindTheCheckpointStayForFollowers) {
  create(group_birth(kGroup, kReplica, members_of({71, 72}), {}));
  write(job_of(2, 8, Term{2}));
  checkpoint(LogIndex{6}, Term{2});
  ASSERT_TRUE(store_->truncate_prefix(kGroup, LogIndex{GetParam().first}).ok());
  ASSERT_TRUE(store_->flush_truncations().ok());
  const RestoredState state = restart();
  const LogIndex begin{GetParam().boundary};
  EXPECT_EQ(state.boundary.id.index, begin);
  EXPECT_EQ(state.boundary.id.term, begin == LogIndex{1} ? Term{1} : Term{2});
  EXPECT_EQ(state.boundary.chain, chains_.at(begin.value));
  EXPECT_EQ(state.boundary.config, members_of({71, 72}));
  EXPECT_EQ(state.boundary.config_index, LogIndex{1});
  EXPECT_EQ(state.applied, LogIndex{6});
  ASSERT_EQ(state.entries.size(), 9 - begin.value);
  for (const Entry& entry : state.entries) {
    EXPECT_EQ(entry.chain, chains_.at(entry.index.value));
    EXPECT_EQ(entry.payload == nullptr, entry.index <= state.applied) << entry.index.value;
    EXPECT_GT(entry.payload_bytes, 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(S08, TailTest,
                         testing::Values(TailCase{"NothingCompacted", 2, 2},
                                         TailCase{"SomeCompacted", 4, 4},
                                         TailCase{"OnlyTheCheckpointsEntry", 6, 6},
                                         TailCase{"AllCompacted", 7, 6}),
                         [](const auto& test) { return test.param.name; });

TEST_F(LogAdapterTest, FetchesWhatTheLogHolds) {
  create(group_birth(kGroup, kReplica, members_of({71, 72}), {}));
  write(job_of(2, 8, Term{2}));
  const auto fetch = [this](uint64_t first, uint64_t last, size_t bytes_max) {
    const auto entries =
        read_entries(*store_, kGroup, {ReplicaId{72}, LogIndex{first}, LogIndex{last}, bytes_max});
    return entries.ok() ? entries->size() : SIZE_MAX;
  };
  EXPECT_EQ(fetch(3, 5, 1000), 3u);
  EXPECT_EQ(fetch(3, 5, 1), 1u) << "at least one";
  EXPECT_EQ(fetch(3, 5, 14), 2u) << "seven bytes each";
  EXPECT_EQ(fetch(3, 5, 20), 2u);
  EXPECT_EQ(fetch(8, 20, 1000), 2u) << "the log ends at 9";
  EXPECT_EQ(fetch(10, 20, 1000), 0u);
  checkpoint(LogIndex{6}, Term{2});
  ASSERT_TRUE(store_->truncate_prefix(kGroup, LogIndex{5}).ok());
  ASSERT_TRUE(store_->flush_truncations().ok());
  EXPECT_EQ(fetch(4, 6, 1000), 0u) << "gone";
}

TEST_F(LogAdapterTest, EveryWriteOfTheHardStateIsCounted) {
  create(group_birth(kGroup, kReplica, members_of({71, 72}), {}));
  write(job_of(2, 1, Term{2}));
  write(job_of(3, 1, Term{2}));
  EXPECT_EQ(store_->load_group(kGroup)->hard_state->generation, 2u);
  EXPECT_EQ(store_->load_group(kGroup)->hard_state->replica, kReplica);
}

struct BoundaryCase {
  const char* name;
  void (*damage)(storage::Boundary&);
  StatusCode code;
};
const BoundaryCase kBoundaryCases[] = {
    {"NoConfig", [](storage::Boundary& row) { row.config.clear(); }, StatusCode::kCorruption},
    {"ShortConfig", [](storage::Boundary& row) { row.config.resize(8); }, StatusCode::kCorruption},
    {"NewerVersion", [](storage::Boundary& row) { row.config[0] = 2; }, StatusCode::kNotSupported},
    {"ConfigBehindTheBoundary", [](storage::Boundary& row) { row.config[1] = 21; },
     StatusCode::kCorruption},
    {"ConfigOfNoEntry", [](storage::Boundary& row) { row.config[1] = 0; }, StatusCode::kCorruption},
    {"CutMembers", [](storage::Boundary& row) { row.config.pop_back(); }, StatusCode::kCorruption},
};
class BoundaryDamageTest : public testing::TestWithParam<BoundaryCase> {};

TEST_P(BoundaryDamageTest, IsNamed) {
  const LogBoundary boundary{{Term{5}, LogIndex{20}}, Chain{9}, members_of({71}), LogIndex{11}};
  storage::Boundary row = encode_log_boundary(boundary, {});
  ASSERT_EQ(*decode_log_boundary(row), boundary);
  GetParam().damage(row);
  EXPECT_EQ(decode_log_boundary(row).status().code(), GetParam().code);
}
INSTANTIATE_TEST_SUITE_P(S08, BoundaryDamageTest, testing::ValuesIn(kBoundaryCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication
