// tests/actors/catalog_desk_test.cc: changes of the catalog are told when they are committed, and
// all of them, also when the node stops [S 04/1.2, 04/R36].
#include "actors/catalog_desk.h"

#include <gtest/gtest.h>

#include "storage/checkpoint_loader.h"
#include "storage/log/memory_disk.h"

namespace worldline::actors {
namespace {

// The group's part is played by the test: nothing is committed before commit().
class CatalogDeskTest : public testing::Test {
 protected:
  CatalogDeskTest() : desk_(parts()) {
    EXPECT_TRUE(desk_.lead(Term{2}).ok());
    commit();
  }

  CatalogDeskParts parts() {
    CatalogDeskParts parts;
    parts.state = std::make_unique<storage::CatalogState>(
        storage::DatabaseState::bootstrap({storage::kCatalogGroup}));
    parts.propose = [this](const ProposalBatchPtr& batch) { proposed_ = batch; };
    parts.checkpoint = [this](ProposalSeq covers, CheckpointJob job) {
      checkpoints_.emplace_back(covers, std::move(job));
    };
    parts.checkpoint_writer = std::make_shared<storage::CheckpointWriter>(
        store_, storage::kCatalogGroup, storage::CheckpointWriter::Known{});
    parts.checkpoint_policy = {.log_bytes_min = limits::GiB, .transactions = kTransactions};
    parts.board = &board_;
    parts.clock = &clock_;
    return parts;
  }

  void commit() {
    ASSERT_NE(proposed_, nullptr);
    EXPECT_EQ(proposed_->term, Term{2});
    desk_.committed(proposed_->seq);
  }
  void add_name(const std::string& name, Callback<Status> done) {
    desk_.run(
        [name](storage::CatalogState& catalog, Timestamp now) {
          return catalog.add_name({name, {}, {}}, now);
        },
        std::move(done));
  }
  bool is_published(const std::string& name) const {
    return board_.index()->find_name(name) != nullptr;
  }

  static constexpr uint64_t kTransactions = 20;  // Of a checkpoint, more or less.

  FakeClock clock_;
  CatalogBoard board_;
  storage::CheckpointStore store_{std::make_shared<storage::MemoryDisk>()->open()};
  ProposalBatchPtr proposed_;                                       // The newest.
  std::vector<std::pair<ProposalSeq, CheckpointJob>> checkpoints_;  // Asked for.
  CatalogDesk desk_;
};

TEST_F(CatalogDeskTest, TellsAndShowsAChangeOnlyWhenItIsCommitted) {
  std::optional<Status> told;
  add_name("a", [&](const Status& status) { told = status; });
  EXPECT_FALSE(told.has_value());
  EXPECT_FALSE(is_published("a"));
  commit();
  ASSERT_TRUE(told.has_value());
  EXPECT_TRUE(told->ok());
  EXPECT_TRUE(is_published("a"));
}

TEST_F(CatalogDeskTest, RefusesChangesBeforeItsNodeLeads) {
  CatalogDeskParts idle_parts = parts();
  idle_parts.propose = [](const ProposalBatchPtr&) { ADD_FAILURE(); };
  CatalogDesk idle(std::move(idle_parts));
  StatusCode told = StatusCode::kOk;
  idle.run([](storage::CatalogState&, Timestamp) { return Status(); },
           [&told](const Status& status) { told = status.code(); });
  EXPECT_EQ(told, StatusCode::kUnavailable);
}

TEST_F(CatalogDeskTest, IsDoneWhenEverythingThatWasRunIsAnswered) {
  std::vector<std::string> told;
  const auto tell = [&told](const char* who) {
    return [&told, who](const Status& status) {
      told.push_back(std::string(who) + (status.ok() ? " ok" : " " + status.message()));
    };
  };
  add_name("a", tell("a"));
  EXPECT_FALSE(desk_.is_done()) << "not closed";
  desk_.close();
  EXPECT_FALSE(desk_.is_done()) << "`a` is not committed";
  add_name("b", tell("b"));
  commit();
  EXPECT_TRUE(desk_.is_done());
  EXPECT_EQ(told, (std::vector<std::string>{"b the node is stopping", "a ok"}));
  EXPECT_TRUE(is_published("a"));
  EXPECT_FALSE(is_published("b"));
}

// What the checkpoint holds, as the next start will read it.
std::vector<storage::NameRecord> names_in(storage::CheckpointStore& store, CheckpointJob& job) {
  EXPECT_TRUE(job.writer->store(*job.snapshot, job.cut).ok());
  const auto ids = store.list(job.group);
  const auto manifest = store.load_manifest(job.group, ids->front());
  storage::CheckpointLoader loader(manifest->state);
  size_t position = 0;
  for (const auto& table : manifest->state.tables)
    for (const auto& page : table.pages) {
      const auto image = store.load_page(job.group, manifest->page_hashes[position++]);
      EXPECT_TRUE(loader.add_page(table.table, page.number, *image).ok());
    }
  auto state = loader.finish();
  EXPECT_TRUE(state.ok()) << state.status().message();
  storage::CatalogState catalog(std::move(state).value());
  EXPECT_TRUE(catalog.prepare(manifest->last_timestamp).ok());
  return catalog.names();
}

TEST_F(CatalogDeskTest, WritesACheckpointOfEverythingItProposedWhenEnoughHasChanged) {
  for (uint64_t i = 0; checkpoints_.empty() && i < 2 * kTransactions; ++i) {
    clock_.advance(std::chrono::seconds(1));
    add_name(fmt::format("n{:02}", i), [](const Status& status) { EXPECT_TRUE(status.ok()); });
  }
  ASSERT_EQ(checkpoints_.size(), 1u);
  auto& [covers, job] = checkpoints_[0];
  EXPECT_EQ(covers, proposed_->seq);
  EXPECT_EQ(job.group, storage::kCatalogGroup);
  EXPECT_EQ(job.cut.last_timestamp, clock_.now());
  commit();
  const auto names = names_in(store_, job);
  EXPECT_EQ(names.size(), board_.index()->names.size());
  EXPECT_EQ(names.back().name, board_.index()->names.rbegin()->first);
}

TEST_F(CatalogDeskTest, WritesALastCheckpointIfThereIsAnythingToWrite) {
  add_name("a", [](const Status&) {});
  commit();
  desk_.close();
  desk_.write_last_checkpoint();
  ASSERT_EQ(checkpoints_.size(), 1u);
  EXPECT_EQ(checkpoints_[0].first, proposed_->seq);
  checkpoints_[0].second.done({});
  desk_.write_last_checkpoint();
  EXPECT_EQ(checkpoints_.size(), 1u) << "nothing is new";
}

}  // namespace
}  // namespace worldline::actors
