// tests/actors/catalog_desk_test.cc: changes of the catalog are told when they are committed, and
// all of them, also when the node stops [S 04/1.2, 04/R36].
#include "actors/catalog_desk.h"

#include <gtest/gtest.h>

namespace worldline::actors {
namespace {

// The group's part is played by the test: nothing is committed before commit().
class CatalogDeskTest : public testing::Test {
 protected:
  CatalogDeskTest()
      : desk_(
            std::make_unique<storage::CatalogState>(
                storage::DatabaseState::bootstrap({storage::kCatalogGroup})),
            0, [this](const ProposalBatchPtr& batch) { proposed_ = batch; }, board_, clock_) {
    EXPECT_TRUE(desk_.lead(Term{2}).ok());
    commit();
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

  FakeClock clock_;
  CatalogBoard board_;
  ProposalBatchPtr proposed_;  // The newest.
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
  CatalogDesk idle(
      std::make_unique<storage::CatalogState>(
          storage::DatabaseState::bootstrap({storage::kCatalogGroup})),
      0, [](const ProposalBatchPtr&) { ADD_FAILURE(); }, board_, clock_);
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

}  // namespace
}  // namespace worldline::actors
