// tests/runtime/npm_modules_test.cc: modules bundled against npm spacetimedb 1.6 to 2.10.1 run
// unmodified [S 03/3.9, 6]. Sources and how to bundle them: modules/src.
#include <map>

#include <gtest/gtest.h>

#include "storage/system_tables.h"
#include "tests/runtime/runtime_fixture.h"

namespace worldline::runtime {
namespace {

class Npm2Test : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(db.published.ok()) << db.published.status().message();
    db.log.clear();
  }
  TestDatabase db{read_test_file(GetParam())};
};

TEST_P(Npm2Test, InsertsFindsUpdatesAndDeletes) {
  for (const char* text : {"one", "two", "three"})
    ASSERT_TRUE(db.call("add_note", ArgsWriter().text(text)).committed()) << db.log.all();
  EXPECT_TRUE(db.log.contains("Info: note 1\nInfo: note 2\nInfo: note 3\n")) << db.log.all();
  EXPECT_EQ(db.row_count("note"), 3u);
  ASSERT_TRUE(db.call("break_out").committed()) << db.log.all();
  EXPECT_TRUE(db.log.contains("first one"));
  ASSERT_TRUE(db.call("drop_notes").committed()) << db.log.all();
  EXPECT_EQ(db.row_count("note"), 0u);
  ASSERT_TRUE(db.call("seed", ArgsWriter().add(uint32_t{10})).committed()) << db.log.all();
  ASSERT_TRUE(db.call("transfer", ArgsWriter().add(uint32_t{1}).add(uint32_t{2}).add(int64_t{30}))
                  .committed())
      << db.log.all();
  std::map<uint32_t, int64_t> balances;
  for (const ByteBuffer& row : db.rows("account"))
    balances[load_le<uint32_t>(row.data())] = load_le<int64_t>(row.data() + 4);
  EXPECT_EQ(balances.size(), 10u);
  EXPECT_EQ(balances[1], 970);
  EXPECT_EQ(balances[2], 1030);
}

TEST_P(Npm2Test, ErrorsAreTheClassesOfThePackage) {
  EXPECT_EQ(db.call("add_note", ArgsWriter().text("")).message, "empty text");
  EXPECT_TRUE(db.log.contains("Error: empty text"));
  ASSERT_TRUE(db.call("duplicate_email").committed()) << db.log.all();
  EXPECT_TRUE(db.log.contains(
      "Warn: refused: UniqueAlreadyExists: Value with given unique identifier already exists"))
      << db.log.all();
  EXPECT_EQ(db.call("update_missing").kind, CallResultKind::kFatal);
  EXPECT_TRUE(db.log.contains("The row was not found, e.g., in an update call")) << db.log.all();
}

TEST_P(Npm2Test, CrashesRollBackAndKeepGlobals) {
  ASSERT_TRUE(db.call("counter").committed());
  EXPECT_EQ(db.call("crash").kind, CallResultKind::kFatal);
  EXPECT_TRUE(db.log.contains("Panic: Uncaught TypeError: boom\n\tat "));
  EXPECT_FALSE(db.log.contains("__spacetimedb_end_short_backtrace")) << db.log.all();
  const uint64_t before = db.row_count("log");
  EXPECT_EQ(db.call("insert_then_crash").kind, CallResultKind::kFatal);
  EXPECT_EQ(db.row_count("log"), before);
  ASSERT_TRUE(db.call("counter").committed());
  EXPECT_TRUE(db.log.contains("counter 2"));
}

TEST_P(Npm2Test, RowsBeyondTheIterationBufferArrive) {
  for (const uint32_t size : {10u, 40'000u, 200'000u})
    ASSERT_TRUE(db.call("big_rows", ArgsWriter().add(size)).committed()) << db.log.all();
  EXPECT_TRUE(db.log.contains("big 3 240010 3")) << db.log.all();
}

TEST_P(Npm2Test, ConsoleLevelsTimersAndIdentities) {
  ASSERT_TRUE(db.call("whoami").committed());
  EXPECT_TRUE(db.log.contains(identity_of(2).to_hex() + " " + identity_of(0xdb).to_hex()))
      << db.log.all();
  EXPECT_TRUE(
      db.log.contains("Error: an error\nDebug: a detail\nTrace: a trace\n"
                      "Info: Timing span \"span\": 0ns"))
      << db.log.all();
}

TEST_P(Npm2Test, LifecycleHooksAndTheTokenOfTheCaller) {
  const storage::ClientRow client{identity_of(2), connection_of(3)};
  ASSERT_TRUE(
      db.executor
          ->client_connected(client, R"({"iss":"i","sub":"me","iat":1})", db.next_timestamp())
          .committed())
      << db.log.all();
  EXPECT_EQ(db.row_count("log"), 2u);
  ASSERT_TRUE(db.executor->client_disconnected(client, db.next_timestamp()).reducer.committed());
  EXPECT_EQ(db.row_count("log"), 3u);
}

TEST_P(Npm2Test, ScheduledReducersGetTheirRow) {
  const CallResult armed =
      db.call("schedule", ArgsWriter().text("once").add(int64_t{5}).add(uint8_t{0}));
  ASSERT_EQ(armed.arm.size(), 1u) << db.log.all();
  const ScheduledResult result = db.executor->run_scheduled(
      {armed.arm[0].table, armed.arm[0].schedule_id, armed.arm[0].due}, db.next_timestamp());
  EXPECT_TRUE(result.call.committed()) << db.log.all();
  EXPECT_EQ(db.row_count("tick"), 0u);
  bool found = false;
  for (const ByteBuffer& row : db.rows("log"))
    found = found || as_text(row).find("tick once true") != std::string_view::npos;
  EXPECT_TRUE(found) << "no connection";
}

INSTANTIATE_TEST_SUITE_P(S03, Npm2Test,
                         testing::Values("notes_2_0.bundle", "notes_2_4.bundle",
                                         "notes_2_10_esnext.bundle"),
                         [](const auto& test) {
                           std::string name = test.param;
                           return name.substr(0, name.find('.'));
                         });

class Npm1Test : public testing::TestWithParam<const char*> {};

TEST_P(Npm1Test, RunsOnTheFirstAbi) {
  TestDatabase db(read_test_file(GetParam()));
  ASSERT_TRUE(db.published.ok()) << db.published.status().message();
  EXPECT_EQ(db.row_count("note"), 1u);
  ASSERT_TRUE(db.call("add_note", ArgsWriter().text("hello")).committed()) << db.log.all();
  EXPECT_TRUE(db.log.contains("Info: note 2")) << db.log.all();
  const CallResult refused = db.call("add_note", ArgsWriter().text(""));
  EXPECT_EQ(refused.kind, CallResultKind::kUserError);
  EXPECT_EQ(refused.message, "empty text");
  ASSERT_TRUE(db.call("drop_notes").committed()) << db.log.all();
  EXPECT_EQ(db.row_count("note"), 1u) << "only the caller's";
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(db.call("move", ArgsWriter().add(uint32_t{4}).add(int64_t{21})).committed())
        << db.log.all();
  EXPECT_EQ(load_le<int64_t>(db.rows("account").at(0).data() + 4), 42);
  for (const uint32_t size : {40'000u, 200'000u})
    ASSERT_TRUE(db.call("big_rows", ArgsWriter().add(size)).committed()) << db.log.all();
  EXPECT_TRUE(db.log.contains("big 240000")) << db.log.all();
  EXPECT_EQ(db.call("clash").kind, CallResultKind::kFatal);
  EXPECT_EQ(db.call("crash").kind, CallResultKind::kFatal);
  EXPECT_TRUE(db.log.contains("TypeError: boom")) << db.log.all();
}
INSTANTIATE_TEST_SUITE_P(S03, Npm1Test, testing::Values("notes_1_6.bundle", "notes_1_12.bundle"),
                         [](const auto& test) {
                           std::string name = test.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(Submodules, HaveDottedNamesAndIdsCountedDepthFirst) {
  TestDatabase db(read_test_file("with_sub_2_10.bundle"));
  ASSERT_TRUE(db.published.ok()) << db.published.status().message();
  ASSERT_TRUE(db.call("add_note", ArgsWriter().add(uint32_t{1})).committed()) << db.log.all();
  ASSERT_TRUE(db.call("sub.add_item", ArgsWriter().add(uint32_t{2})).committed()) << db.log.all();
  EXPECT_EQ(db.row_count("note"), 1u);
  EXPECT_EQ(db.row_count("sub.item"), 1u);
  EXPECT_EQ(db.call("add_item", ArgsWriter().add(uint32_t{2})).kind,
            CallResultKind::kNoSuchReducer);
}

TEST(RawExample, OfTheSpecificationRuns) {
  TestDatabase db(read_test_file("say_raw_2_0.bundle"));
  ASSERT_TRUE(db.published.ok()) << db.published.status().message();
  ASSERT_TRUE(db.call("say", ArgsWriter().text("hi")).committed());
  EXPECT_EQ(db.rows("msg").at(0), (ByteBuffer{2, 0, 0, 0, 'h', 'i'}));
  EXPECT_EQ(db.call("say", ArgsWriter().text("")).message, "empty text");
}

}  // namespace
}  // namespace worldline::runtime
