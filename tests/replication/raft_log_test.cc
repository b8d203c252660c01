// The log in rows: terms, configs, payloads, and what a peer may send [S 08/6.1.3 U-56, U-57].
#include "replication/raft_log.h"

#include <gtest/gtest.h>

#include "tests/replication/log_fixture.h"
#include "tests/replication/membership_fixture.h"

namespace worldline::replication {
namespace {

using testing::boundary_at;
using testing::config_draft;
using testing::Draft;
using testing::entries_behind;
using testing::log_of;
using testing::membership;
using testing::payload_of;
using testing::print_roles;
using testing::test_chain;

std::string config_text(const RaftLog& log) {
  return std::to_string(log.config_index().value) + ": " + print_roles(log.config());
}

void expect_sound(const RaftLog& log) {
  const Status status = log.check_invariants();
  EXPECT_TRUE(status.ok()) << status.message();
}

// --- Places and terms ----------------------------------------------------------------------------

TEST(RaftLog, CountsTheBoundaryAsAnEntry) {
  const RaftLog log = log_of(5, {{1}, {3}});
  EXPECT_EQ(log.first(), LogIndex{6});
  EXPECT_EQ(log.last(), LogIndex{7});
  EXPECT_EQ(log.last_id(), (EntryId{Term{3}, LogIndex{7}}));
  EXPECT_FALSE(log.has(LogIndex{4}));
  EXPECT_TRUE(log.has(LogIndex{5}));
  EXPECT_TRUE(log.has(LogIndex{7}));
  EXPECT_FALSE(log.has(LogIndex{8}));
  EXPECT_EQ(log.term_at(LogIndex{5}), Term{1});
  EXPECT_EQ(log.term_at(LogIndex{7}), Term{3});
  EXPECT_EQ(log.chain_at(LogIndex{5}), Chain{1005});
  EXPECT_EQ(log.chain_at(LogIndex{7}), log.last_chain());
  EXPECT_NE(log.chain_at(LogIndex{6}), log.last_chain());
  expect_sound(log);
}

TEST(RaftLog, EndsAtTheBoundaryWhenEmpty) {
  const RaftLog log = log_of(5, {});
  EXPECT_EQ(log.first(), LogIndex{6});
  EXPECT_EQ(log.last(), LogIndex{5});
  EXPECT_EQ(log.last_id(), (EntryId{Term{1}, LogIndex{5}}));  // Never term 0 [S 08/1.17 S3].
  EXPECT_EQ(log.last_chain(), Chain{1005});
  expect_sound(log);
}

TEST(RaftLog, OfAReplicaWithoutStateIsEmpty) {
  const RaftLog log(LogBoundary{}, {}, test_chain);
  EXPECT_EQ(log.last_id(), EntryId{});
  EXPECT_EQ(log.first(), LogIndex{1});
  EXPECT_EQ(log.config(), Membership{});
  EXPECT_EQ(log.config_before_last(), nullptr);
  expect_sound(log);
}

TEST(RaftLogDeathTest, HasNothingOutsideItsRange) {
  const RaftLog log = log_of(5, {{1}});
  EXPECT_DEATH(log.at(LogIndex{5}), "first");
  EXPECT_DEATH(log.at(LogIndex{7}), "last");
  EXPECT_DEATH(log.term_at(LogIndex{4}), "first");
  EXPECT_DEATH(log.config_at(LogIndex{7}), "has");
}

struct SearchCase {
  const char* name;
  uint64_t from;
  uint64_t term;
  uint64_t found;
};
// Boundary 5 in term 1, then 6..11 in terms 1 1 3 3 3 6.
constexpr SearchCase kSearchCases[] = {
    {"NewestTerm", 11, 6, 11},       {"AnyNewerTerm", 11, 9, 11},
    {"OneTermLess", 11, 5, 10},      {"WithinTermsBetween", 11, 4, 10},
    {"LastOfATerm", 11, 3, 10},      {"MissingTerm", 11, 2, 7},
    {"OldestTerm", 11, 1, 7},        {"TermBelowAll", 11, 0, 5},
    {"FromTheMiddle", 9, 6, 9},      {"FromTheMiddleDown", 9, 2, 7},
    {"FromBeyondTheEnd", 99, 6, 11}, {"FromBeyondTheEndDown", 99, 3, 10},
    {"FromFirst", 6, 1, 6},          {"FromFirstDown", 6, 0, 5},
    {"FromBoundary", 5, 9, 5},       {"FromBoundaryWithLowerTerm", 5, 0, 5},
    {"FromBelowBoundary", 2, 9, 5},
};
class RaftLogSearchTest : public ::testing::TestWithParam<SearchCase> {};

TEST_P(RaftLogSearchTest, FindsTheLastPlaceOfNoHigherTerm) {
  const RaftLog log = log_of(5, {{1}, {1}, {3}, {3}, {3}, {6}});
  EXPECT_EQ(log.find_by_term(LogIndex{GetParam().from}, Term{GetParam().term}),
            LogIndex{GetParam().found});
}
INSTANTIATE_TEST_SUITE_P(S08, RaftLogSearchTest, ::testing::ValuesIn(kSearchCases),
                         [](const auto& test) { return test.param.name; });

// --- Appending -----------------------------------------------------------------------------------

TEST(RaftLog, GivesOwnEntriesTheirPlaceAndChain) {
  RaftLog log = log_of(5, {{2}});
  const Chain before = log.last_chain();
  const Entry& entry = log.append_new(Term{4}, EntryKind::kNoop, payload_of(0));
  EXPECT_EQ(entry.id(), (EntryId{Term{4}, LogIndex{7}}));
  EXPECT_EQ(entry.kind, EntryKind::kNoop);
  EXPECT_EQ(entry.payload_bytes, 0U);
  EXPECT_EQ(entry.chain, test_chain(before, entry));
  EXPECT_EQ(log.append_new(Term{4}, EntryKind::kBundle, payload_of(9)).payload_bytes, 9U);
  EXPECT_EQ(log.last(), LogIndex{8});
  expect_sound(log);
}

TEST(RaftLogDeathTest, TakesOnlyWhatFollows) {
  RaftLog log = log_of(5, {{2}});
  const EntryId last = log.last_id();
  const auto behind = [&](EntryId prev, std::vector<Draft> drafts) {
    return entries_behind(prev, log.last_chain(), drafts)[0];
  };
  EXPECT_DEATH(log.append(behind({Term{2}, LogIndex{7}}, {{2}})), "index");
  EXPECT_DEATH(log.append(behind({Term{2}, LogIndex{5}}, {{2}})), "index");
  EXPECT_DEATH(log.append(behind(last, {{1}})), "term");
  Entry without_payload = behind(last, {{2}});
  without_payload.payload = nullptr;
  EXPECT_DEATH(log.append(without_payload), "payload");
  EXPECT_DEATH(log.append_new(Term{1}, EntryKind::kNoop, payload_of(0)), "term");
  EXPECT_DEATH(log.append_new(Term{2}, EntryKind::kNoop, nullptr), "payload");
  EXPECT_DEATH(log.append_new(Term{2}, EntryKind::kConfig, payload_of(3)), "config");
}

// --- What a peer sent ----------------------------------------------------------------------------

struct SentCase {
  const char* name;
  void (*change)(std::vector<Entry>&);
  StatusCode code;
  const char* text;
};
// Entries 8 .. 11 of terms 2 2 3 3 behind (2, 7); 10 is a config.
const SentCase kSentCases[] = {
    {"Right", [](std::vector<Entry>&) {}, StatusCode::kOk, ""},
    {"Empty", [](std::vector<Entry>& e) { e.clear(); }, StatusCode::kOk, ""},
    {"EndsEarlier", [](std::vector<Entry>& e) { e.pop_back(); }, StatusCode::kOk, ""},
    {"BeginsLater", [](std::vector<Entry>& e) { e.erase(e.begin()); }, StatusCode::kInvalidArgument,
     "log entry 9 follows 7"},
    {"Gap", [](std::vector<Entry>& e) { e.erase(e.begin() + 1); }, StatusCode::kInvalidArgument,
     "log entry 10 follows 8"},
    {"Repeated", [](std::vector<Entry>& e) { e.insert(e.begin(), e[0]); },
     StatusCode::kInvalidArgument, "log entry 8 follows 8"},
    {"Swapped", [](std::vector<Entry>& e) { std::swap(e[0], e[1]); }, StatusCode::kInvalidArgument,
     "log entry 9 follows 7"},
    {"IndexZero", [](std::vector<Entry>& e) { e[0].index = {}; }, StatusCode::kInvalidArgument,
     "log entry 0 follows 7"},
    {"TermBelowPrevious", [](std::vector<Entry>& e) { e[0].term = Term{1}; },
     StatusCode::kInvalidArgument, "log entry 8: term 1 follows term 2"},
    {"TermFalls", [](std::vector<Entry>& e) { e[3].term = Term{2}; }, StatusCode::kInvalidArgument,
     "log entry 11: term 2 follows term 3"},
    {"OtherTerm", [](std::vector<Entry>& e) { e[3].term = Term{4}; }, StatusCode::kCorruption,
     "log entry 11: chain"},
    {"KindZero", [](std::vector<Entry>& e) { e[1].kind = EntryKind{0}; }, StatusCode::kNotSupported,
     "log entry 9: unknown kind 0"},
    {"KindUnknown", [](std::vector<Entry>& e) { e[1].kind = EntryKind{kEntryKindMax + 1}; },
     StatusCode::kNotSupported, "log entry 9: unknown kind 10"},
    {"OtherKind", [](std::vector<Entry>& e) { e[1].kind = EntryKind::kNoop; },
     StatusCode::kCorruption, "log entry 9: chain"},
    {"NoPayload", [](std::vector<Entry>& e) { e[1].payload = nullptr; },
     StatusCode::kInvalidArgument, "log entry 9: no payload"},
    {"NoConfigPayload", [](std::vector<Entry>& e) { e[2].payload = nullptr; },
     StatusCode::kInvalidArgument, "log entry 10: no payload"},
    {"ShortPayload", [](std::vector<Entry>& e) { e[1].payload = payload_of(0); },
     StatusCode::kInvalidArgument, "payload of 0 B where 1 B are announced"},
    {"LongPayload", [](std::vector<Entry>& e) { e[1].payload_bytes = 0; },
     StatusCode::kInvalidArgument, "payload of 1 B where 0 B are announced"},
    {"OtherPayload", [](std::vector<Entry>& e) { e[1].payload = payload_of(1, 0x5B); },
     StatusCode::kCorruption, "log entry 9: chain"},
    {"FirstChainWrong", [](std::vector<Entry>& e) { e[0].chain = Chain{1}; },
     StatusCode::kCorruption, "log entry 8: chain"},
    {"LastChainWrong", [](std::vector<Entry>& e) { e[3].chain = Chain{1}; },
     StatusCode::kCorruption, "log entry 11: chain"},
};
class RaftLogSentTest : public ::testing::TestWithParam<SentCase> {};

TEST_P(RaftLogSentTest, IsAcceptedOnlyIfItHoldsTogether) {
  const RaftLog log = log_of(1, {});
  const EntryId prev{Term{2}, LogIndex{7}};
  std::vector<Entry> sent =
      entries_behind(prev, Chain{77}, {{2}, {2}, config_draft(3, "1 & 2"), {3}});
  GetParam().change(sent);
  const Status status = log.validate_append(prev, Chain{77}, sent);
  EXPECT_EQ(status.code(), GetParam().code) << status.message();
  EXPECT_NE(status.message().find(GetParam().text), std::string::npos) << status.message();
}
INSTANTIATE_TEST_SUITE_P(A9, RaftLogSentTest, ::testing::ValuesIn(kSentCases),
                         [](const auto& test) { return test.param.name; });

TEST(RaftLogSent, IsBoundToTheChainBeforeIt) {
  const RaftLog log = log_of(1, {});
  const EntryId prev{Term{2}, LogIndex{7}};
  const auto sent = entries_behind(prev, Chain{77}, {{2}});
  EXPECT_EQ(log.validate_append(prev, Chain{78}, sent).code(), StatusCode::kCorruption);
}

TEST(RaftLogSent, MustHoldReadableConfigs) {
  const RaftLog log = log_of(1, {});
  const EntryId prev{Term{2}, LogIndex{7}};
  const auto send = [&](ByteBuffer payload) {
    const auto shared = std::make_shared<const ByteBuffer>(std::move(payload));
    return log.validate_append(prev, {},
                               entries_behind(prev, {}, {{2}, {2, EntryKind::kConfig, shared}}));
  };
  EXPECT_TRUE(send(encode_membership(membership("1"))).ok());
  EXPECT_EQ(send({}).code(), StatusCode::kCorruption);
  EXPECT_EQ(send({1, 0}).code(), StatusCode::kCorruption);  // Decodes, but nobody votes.
  EXPECT_EQ(send({9, 0}).code(), StatusCode::kNotSupported);
  EXPECT_NE(send({1, 0}).message().find("log entry 9"), std::string::npos);
}

TEST(RaftLogSent, MustNotWrapAroundTheIndexes) {
  const RaftLog log = log_of(1, {});
  const EntryId prev{Term{2}, LogIndex{UINT64_MAX}};
  const auto sent = entries_behind(prev, {}, {{2}});
  ASSERT_EQ(sent[0].index, LogIndex{0});
  EXPECT_EQ(log.validate_append(prev, {}, sent).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(log.validate_append(prev, {}, {}).ok());
}

// --- Configs -------------------------------------------------------------------------------------

// Boundary 5 with {1} from 2, then configs at 7, 9 and 10.
RaftLog log_with_configs() {
  return log_of(5, {{1},
                    config_draft(1, "1 2 & 1"),
                    {1},
                    config_draft(2, "1 2"),
                    config_draft(2, "1 2 learners 3"),
                    {2}});
}

struct ConfigCase {
  const char* name;
  void (*change)(RaftLog&);
  const char* in_force;
  const char* before;  // Roles of config_before_last(); "none".
};
const ConfigCase kConfigCases[] = {
    {"TopOfTheStack", [](RaftLog&) {}, "10: 1 2 learners 3", "1 2"},
    {"TruncatedBehindAll", [](RaftLog& log) { log.truncate_from(LogIndex{11}); },
     "10: 1 2 learners 3", "1 2"},
    {"TruncatedBeyondTheEnd", [](RaftLog& log) { log.truncate_from(LogIndex{50}); },
     "10: 1 2 learners 3", "1 2"},
    {"TruncatedAtTheLast", [](RaftLog& log) { log.truncate_from(LogIndex{10}); }, "9: 1 2",
     "1 2 & 1"},
    {"TruncatedTwo", [](RaftLog& log) { log.truncate_from(LogIndex{9}); }, "7: 1 2 & 1", "1"},
    {"TruncatedBehindTheFirst", [](RaftLog& log) { log.truncate_from(LogIndex{8}); }, "7: 1 2 & 1",
     "1"},
    {"TruncatedAll", [](RaftLog& log) { log.truncate_from(LogIndex{6}); }, "1: 1", "none"},
    {"CompactedBeforeTheFirst", [](RaftLog& log) { log.compact_to(LogIndex{6}); },
     "10: 1 2 learners 3", "1 2"},
    {"CompactedToTheSecond", [](RaftLog& log) { log.compact_to(LogIndex{9}); },
     "10: 1 2 learners 3", "1 2"},
    {"CompactedToTheLast", [](RaftLog& log) { log.compact_to(LogIndex{10}); }, "10: 1 2 learners 3",
     "none"},
    {"CompactedToTheEnd", [](RaftLog& log) { log.compact_to(LogIndex{11}); }, "10: 1 2 learners 3",
     "none"},
    {"CompactedThenTruncated",
     [](RaftLog& log) {
       log.compact_to(LogIndex{8});
       log.truncate_from(LogIndex{9});
     },
     "7: 1 2 & 1", "none"},
    {"TruncatedThenAppended",
     [](RaftLog& log) {
       log.truncate_from(LogIndex{9});
       log.append_new(Term{3}, EntryKind::kNoop, payload_of(0));
       log.append_new(Term{3}, EntryKind::kConfig, config_draft(3, "4").payload);
     },
     "10: 4", "1 2 & 1"},
    {"Replaced", [](RaftLog& log) { log.reset_to(boundary_at(8, 3)); }, "3: 1", "none"},
    {"Evicted", [](RaftLog& log) { log.evict_to(LogIndex{11}, 0); }, "10: 1 2 learners 3", "1 2"},
};
class RaftLogConfigTest : public ::testing::TestWithParam<ConfigCase> {};

TEST_P(RaftLogConfigTest, IsThatOfTheLastConfigEntry) {  // I-15, U-57
  RaftLog log = log_with_configs();
  GetParam().change(log);
  EXPECT_EQ(config_text(log), GetParam().in_force);
  const ConfigAt* before = log.config_before_last();
  EXPECT_EQ(before == nullptr ? "none" : print_roles(before->config), GetParam().before);
  expect_sound(log);
}
INSTANTIATE_TEST_SUITE_P(S08, RaftLogConfigTest, ::testing::ValuesIn(kConfigCases),
                         [](const auto& test) { return test.param.name; });

TEST(RaftLog, KnowsTheConfigInForceAtEachPlace) {
  const RaftLog log = log_with_configs();
  const uint64_t brought_by[] = {1, 1, 7, 7, 9, 10, 10};  // Of 5 .. 11.
  for (uint64_t index = 5; index <= 11; ++index)
    EXPECT_EQ(log.config_at(LogIndex{index}).index, LogIndex{brought_by[index - 5]}) << index;
}

TEST(RaftLog, KeepsTheConfigOfItsBoundaryWhenCompacted) {
  RaftLog log = log_with_configs();
  const Chain chain = log.chain_at(LogIndex{9});
  log.compact_to(LogIndex{9});
  EXPECT_EQ(log.boundary(),
            (LogBoundary{{Term{2}, LogIndex{9}}, chain, membership("1 2"), LogIndex{9}}));
  EXPECT_EQ(log.first(), LogIndex{10});
  EXPECT_EQ(log.last(), LogIndex{11});
  log.compact_to(LogIndex{9});  // Again: nothing happens.
  EXPECT_EQ(log.first(), LogIndex{10});
  log.compact_to(LogIndex{11});
  EXPECT_EQ(log.last_id(), (EntryId{Term{2}, LogIndex{11}}));
  EXPECT_EQ(log.boundary().config_index, LogIndex{10});
  expect_sound(log);
}

TEST(RaftLogDeathTest, IsNeverTruncatedOrCompactedBeyondItsRange) {
  RaftLog log = log_of(5, {{1}, {1}});
  EXPECT_DEATH(log.truncate_from(LogIndex{5}), "first");
  EXPECT_DEATH(log.compact_to(LogIndex{4}), "has");
  EXPECT_DEATH(log.compact_to(LogIndex{8}), "has");
}

// --- Payloads ------------------------------------------------------------------------------------

// 6 .. 9 with 10, 20, 30 and 40 bytes.
RaftLog log_with_payloads() {
  return log_of(5, {{1, EntryKind::kBundle, payload_of(10)},
                    {1, EntryKind::kBundle, payload_of(20)},
                    {1, EntryKind::kBundle, payload_of(30)},
                    {1, EntryKind::kBundle, payload_of(40)}});
}

struct EvictCase {
  const char* name;
  uint64_t to;
  size_t keep;
  uint64_t gone_to;  // 5: none.
  size_t cached;
};
constexpr EvictCase kEvictCases[] = {
    {"Nothing", 5, 0, 5, 100},
    {"BelowTheBoundary", 1, 0, 5, 100},
    {"EnoughIsAllowed", 9, 100, 5, 100},
    {"OneIsEnough", 9, 99, 6, 90},
    {"ExactlyOne", 9, 90, 6, 90},
    {"Two", 9, 89, 7, 70},
    {"All", 9, 0, 9, 0},
    {"BeyondTheEnd", 99, 0, 9, 0},
    {"OnlyUpToTheIndex", 7, 0, 7, 70},
};
class RaftLogEvictTest : public ::testing::TestWithParam<EvictCase> {};

TEST_P(RaftLogEvictTest, LetsTheOldestGoFirst) {
  const EvictCase& c = GetParam();
  RaftLog log = log_with_payloads();
  log.evict_to(LogIndex{c.to}, c.keep);
  for (uint64_t index = 6; index <= 9; ++index) {
    EXPECT_EQ(log.at(LogIndex{index}).payload == nullptr, index <= c.gone_to) << index;
    EXPECT_EQ(log.at(LogIndex{index}).payload_bytes, 10 * (index - 5));  // Still known.
  }
  EXPECT_EQ(log.cached_bytes(), c.cached);
  EXPECT_EQ(log.bytes_after(LogIndex{5}), 100U);
  expect_sound(log);
}
INSTANTIATE_TEST_SUITE_P(S08, RaftLogEvictTest, ::testing::ValuesIn(kEvictCases),
                         [](const auto& test) { return test.param.name; });

TEST(RaftLog, CountsBytesBehindAPlace) {
  RaftLog log = log_with_payloads();
  const size_t behind[] = {100, 100, 90, 70, 40, 0, 0};  // Of 4 .. 10; 5 is the boundary.
  for (uint64_t index = 4; index <= 10; ++index)
    EXPECT_EQ(log.bytes_after(LogIndex{index}), behind[index - 4]) << index;
  log.compact_to(LogIndex{7});
  EXPECT_EQ(log.bytes_after(LogIndex{7}), 70U);
  EXPECT_EQ(log.bytes_after(LogIndex{2}), 70U) << "what lies before the boundary is not counted";
  log.truncate_from(LogIndex{9});
  EXPECT_EQ(log.bytes_after(LogIndex{7}), 30U);
  EXPECT_EQ(log.cached_bytes(), 30U);
  log.truncate_from(LogIndex{8});
  EXPECT_EQ(log.bytes_after(LogIndex{7}), 0U);
  log.append_new(Term{1}, EntryKind::kBundle, payload_of(7));
  EXPECT_EQ(log.bytes_after(LogIndex{7}), 7U);
  log.reset_to(boundary_at(50));
  EXPECT_EQ(log.bytes_after(LogIndex{0}), 0U);
  EXPECT_EQ(log.cached_bytes(), 0U);
  expect_sound(log);
}

TEST(RaftLog, KeepsNewPayloadsAfterATruncationBelowEvictedOnes) {
  RaftLog log = log_with_payloads();
  log.evict_to(LogIndex{8}, 0);
  log.truncate_from(LogIndex{7});
  EXPECT_EQ(log.cached_bytes(), 0U);
  log.append_new(Term{2}, EntryKind::kBundle, payload_of(3));
  EXPECT_EQ(log.cached_bytes(), 3U);
  EXPECT_NE(log.at(LogIndex{7}).payload, nullptr);
  expect_sound(log);
  log.evict_to(LogIndex{7}, 0);
  EXPECT_EQ(log.at(LogIndex{7}).payload, nullptr);
  expect_sound(log);
}

TEST(RaftLog, IsRestoredWithoutOldPayloads) {
  const LogBoundary boundary = boundary_at(5);
  auto entries =
      entries_behind(boundary.id, boundary.chain, {{1}, config_draft(1, "1 2"), {1}, {1}, {1}});
  const size_t config_bytes = entries[1].payload_bytes;
  entries[0].payload = nullptr;
  entries[2].payload = nullptr;
  const RaftLog log(boundary, entries, test_chain);
  EXPECT_EQ(config_text(log), "7: 1 2");
  EXPECT_EQ(log.at(LogIndex{7}).payload, nullptr) << "older than a missing one";
  EXPECT_NE(log.at(LogIndex{9}).payload, nullptr);
  EXPECT_EQ(log.cached_bytes(), 2U);
  EXPECT_EQ(log.bytes_after(LogIndex{5}), 4 + config_bytes);
  expect_sound(log);
}

TEST(RaftLogDeathTest, IsNotRestoredWithoutItsConfigs) {
  const LogBoundary boundary = boundary_at(5);
  auto entries = entries_behind(boundary.id, boundary.chain, {config_draft(1, "1 2"), {1}});
  entries[0].payload = nullptr;
  EXPECT_DEATH(RaftLog(boundary, entries, test_chain), "payload");
}

TEST(RaftLog, SeesThatAFrozenPayloadWasChanged) {
  const auto shared = std::make_shared<ByteBuffer>(4, Byte{1});
  RaftLog log = log_of(5, {{1, EntryKind::kBundle, shared}, {1}});
  expect_sound(log);
  (*shared)[2] = 9;
  const Status status = log.check_invariants();
  EXPECT_EQ(status.message(), "I-4: chain of log entry 6 does not match");
}

}  // namespace
}  // namespace worldline::replication
