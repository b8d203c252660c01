// Levels of a filling disk [S 08/3.12, S 09/1.8].
#include "storage/log/disk_space_monitor.h"

#include <gtest/gtest.h>

namespace worldline::storage {
namespace {

constexpr uint64_t kTotal = 1'000 * limits::GiB;

// Free space of a disk of 1,000 GiB, in GiB, one reading after the other.
struct SpaceCase {
  const char* name;
  std::vector<uint64_t> free;
  SpaceLevel expected;
};
const SpaceCase kSpaceCases[] = {
    {"Empty", {900}, SpaceLevel::kPlenty},
    {"AtTheWarning", {200}, SpaceLevel::kPlenty},
    {"BelowTheWarning", {199}, SpaceLevel::kWarning},
    {"AlmostFull", {99}, SpaceLevel::kAlmostFull},
    {"Full", {49}, SpaceLevel::kFull},
    {"FullAtOnce", {900, 49}, SpaceLevel::kFull},
    {"JustAboveFullAgain", {49, 51}, SpaceLevel::kFull},
    {"AboveFullByTheMargin", {49, 71}, SpaceLevel::kAlmostFull},
    {"JustAboveAlmostFullAgain", {99, 110}, SpaceLevel::kAlmostFull},
    {"AboveAlmostFullByTheMargin", {99, 121}, SpaceLevel::kWarning},
    {"FromFullToPlenty", {49, 500}, SpaceLevel::kPlenty},
    {"FromFullIntoTheMarginOfTheWarning", {49, 210}, SpaceLevel::kWarning},
    {"NoMarginOnTheWayDown", {210}, SpaceLevel::kPlenty},
    {"DownInsideAMargin", {121, 99, 115, 49}, SpaceLevel::kFull},
};
class DiskSpaceMonitorTest : public testing::TestWithParam<SpaceCase> {};

TEST_P(DiskSpaceMonitorTest, EntersALevelAtOnceAndLeavesItByAMargin) {
  DiskSpaceMonitor monitor({});
  SpaceLevel told = SpaceLevel::kPlenty;
  for (const uint64_t free : GetParam().free) {
    const auto change = monitor.observe({free * limits::GiB, kTotal});
    if (!change) continue;
    EXPECT_EQ(change->before, told);
    told = change->after;
  }
  EXPECT_EQ(monitor.level(), GetParam().expected) << space_level_name(monitor.level());
  EXPECT_EQ(told, monitor.level());
  EXPECT_FALSE(monitor.observe({GetParam().free.back() * limits::GiB, kTotal}));
}
INSTANTIATE_TEST_SUITE_P(S08, DiskSpaceMonitorTest, testing::ValuesIn(kSpaceCases),
                         [](const auto& test) { return test.param.name; });

// Bytes count more than shares on a small disk, but no number of bytes makes one full at birth.
struct SmallCase {
  const char* name;
  uint64_t free_gib;
  uint64_t total_gib;
  SpaceLevel expected;
};
constexpr SmallCase kSmallCases[] = {
    {"Above", 15, 32, SpaceLevel::kPlenty},
    {"BelowEightGiBThoughAboveAFifth", 7, 32, SpaceLevel::kAlmostFull},
    {"BelowFourGiBThoughAboveATenth", 3, 32, SpaceLevel::kFull},
    {"EightGiBOfSixty", 7, 60, SpaceLevel::kAlmostFull},
    {"FourGiBOfSixty", 3, 60, SpaceLevel::kFull},
    {"NotFullAtBirth", 3, 4, SpaceLevel::kPlenty},
    {"FullBelowItsLastQuarter", 3, 16, SpaceLevel::kFull},
};

TEST(SmallDiskTest, CountsTheAbsoluteLimits) {
  for (const SmallCase& c : kSmallCases) {
    SCOPED_TRACE(c.name);
    DiskSpaceMonitor monitor({});
    monitor.observe({c.free_gib * limits::GiB, c.total_gib * limits::GiB});
    EXPECT_EQ(monitor.level(), c.expected) << space_level_name(monitor.level());
  }
}

TEST(SpaceRulesTest, ForbidMoreWithEachLevel) {
  EXPECT_TRUE(rules_of(SpaceLevel::kPlenty).may_lead);
  EXPECT_TRUE(rules_of(SpaceLevel::kWarning).may_lead);
  const SpaceRules almost = rules_of(SpaceLevel::kAlmostFull);
  EXPECT_FALSE(almost.may_lead);
  EXPECT_TRUE(almost.accepts_appends);
  EXPECT_FALSE(rules_of(SpaceLevel::kFull).accepts_appends);
}

TEST(SpacePolicyTest, NamesAllItsFaults) {
  EXPECT_TRUE(SpacePolicy{}.validate().ok());
  SpacePolicy policy;
  policy.full = {0.5, 0};
  policy.margin_share = 1;
  policy.warning.share = -1;
  const Status status = policy.validate();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  for (const char* fault : {"warning is -1", "margin is 1", "full begins above almost full"})
    EXPECT_NE(status.message().find(fault), std::string::npos) << status.message();
}

}  // namespace
}  // namespace worldline::storage
