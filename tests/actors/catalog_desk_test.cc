// tests/actors/catalog_desk_test.cc: changes of the catalog are told when they are committed, and
// all of them, also when the node stops [S 04/1.2, 04/R36].
#include "actors/catalog_desk.h"

#include <gtest/gtest.h>

#include "storage/log/database_recovery.h"
#include "storage/log/memory_disk.h"

namespace worldline::actors {
namespace {

// The log writer's part is played by the test: nothing is stable before write().
class CatalogDeskTest : public testing::Test, private storage::LogCompletions {
 protected:
  CatalogDeskTest() : log_(std::make_shared<storage::MemoryDisk>()->open()), queue_(log_, *this) {
    const GroupId group = storage::kCatalogGroup;
    auto state = storage::DatabaseState::bootstrap({group});
    EXPECT_TRUE(log_.create_group({group, storage::ReplicaId{1}, {}, state->digest()}).ok());
    const auto rows = log_.load_group(group);
    const storage::GroupEnd end{group, *rows->hard_state, *rows->tail, 0};
    desk_.emplace(std::make_unique<storage::CatalogState>(std::move(state)),
                  storage::GroupAppender(end, clock_.steady()), queue_, board_, clock_);
    EXPECT_TRUE(desk_->begin_term({storage::NodeId{1}, 1}).ok());
    write();
  }

  // Writes what is queued; the desk is told.
  void write() {
    queue_.push_task([](storage::LogStore&) {}).status().ignore("ends the batch");
    storage::LogWork work;
    do {
      ASSERT_TRUE(queue_.take_batch(work));
      queue_.perform(work);
    } while (!work.jobs.empty());
  }
  void on_written(std::span<const storage::QueuedJob> jobs, const Status& status) override {
    ASSERT_TRUE(status.ok());
    desk_->committed(jobs.back().job.entries.back().index());
  }
  void add_name(const std::string& name, Callback<Status> done) {
    desk_->run(
        [name](storage::CatalogState& catalog, Timestamp now) {
          return catalog.add_name({name, {}, {}}, now);
        },
        std::move(done));
  }
  bool is_published(const std::string& name) const {
    return board_.index()->find_name(name) != nullptr;
  }

  FakeClock clock_;
  storage::LogStore log_;
  storage::LogWriterQueue queue_;
  CatalogBoard board_;
  std::optional<CatalogDesk> desk_;
};

TEST_F(CatalogDeskTest, TellsAndShowsAChangeOnlyWhenItIsCommitted) {
  std::optional<Status> told;
  add_name("a", [&](const Status& status) { told = status; });
  EXPECT_FALSE(told.has_value());
  EXPECT_FALSE(is_published("a"));
  write();
  ASSERT_TRUE(told.has_value());
  EXPECT_TRUE(told->ok());
  EXPECT_TRUE(is_published("a"));
}

TEST_F(CatalogDeskTest, IsDoneWhenEverythingThatWasRunIsAnswered) {
  std::vector<std::string> told;
  const auto tell = [&told](const char* who) {
    return [&told, who](const Status& status) {
      told.push_back(std::string(who) + (status.ok() ? " ok" : " " + status.message()));
    };
  };
  add_name("a", tell("a"));
  EXPECT_FALSE(desk_->is_done()) << "not closed";
  desk_->close();
  EXPECT_FALSE(desk_->is_done()) << "`a` is not committed";
  add_name("b", tell("b"));
  write();
  EXPECT_TRUE(desk_->is_done());
  EXPECT_EQ(told, (std::vector<std::string>{"b the node is stopping", "a ok"}));
  EXPECT_TRUE(is_published("a"));
  EXPECT_FALSE(is_published("b"));
}

}  // namespace
}  // namespace worldline::actors
