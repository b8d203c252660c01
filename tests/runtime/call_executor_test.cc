// tests/runtime/call_executor_test.cc: what the main lane does around a reducer: who may call what,
// lifecycle bookkeeping, schedules, publishing [S 03/4.1-4.3, 4.11].
#include "runtime/call_executor.h"

#include <stdexcept>

#include <gtest/gtest.h>

#include "storage/module_tables.h"
#include "storage/system_tables.h"
#include "tests/runtime/runtime_fixture.h"

namespace worldline::runtime {
namespace {

constexpr const char* kModule = R"js(
table('line', [['id', type.u32], ['text', type.string]],
  { primaryKey: 0, indexes: [[0, [0]]], unique: [[0]] });
table('tick', [['id', type.u64], ['at', type.scheduleAt], ['label', type.string]],
  { primaryKey: 0, indexes: [[0, [0]]], unique: [[0]], sequences: [0], schedule: [1, 'on_tick'] });
const add = (id, text) =>
  sys.datastore_insert_bsatn(sys.table_id_from_name('line'), ...row(['u32', id], ['string', text]));
const tickRow = (id, kind, micros, label) =>
  row(['u64', id], ['u8', kind], ['i64', micros], ['string', label]);
const schedule = (kind, micros, label) =>
  sys.datastore_insert_bsatn(sys.table_id_from_name('tick'), ...tickRow(0, kind, micros, label));
let refuseConnect = false;
let refuseDisconnect = false;
const jwt = connection => new TextDecoder().decode(sys.get_jwt_payload(connection));
lifecycle(0, 'init', () => { add(1, 'init'); });
lifecycle(1, 'connected', ({ connection }) => {
  if (refuseConnect) throw new UserError('go away');
  add(100, jwt(connection));
});
lifecycle(2, 'disconnected', () => {
  if (refuseDisconnect) throw new Error('cannot');
  add(101, 'bye');
});
reducer('add', ({ args }) => { add(args.getUint32(0, true), 'added'); }, [['id', type.u32]]);
reducer('refuse', ({ args }) => {
  refuseConnect = args.getUint8(0) === 1;
  refuseDisconnect = args.getUint8(1) === 1;
}, [['a', type.u8], ['b', type.u8]]);
reducer('schedule', ({ args }) => {
  schedule(args.getUint8(0), args.getBigInt64(1, true),
    new TextDecoder().decode(new Uint8Array(args.buffer, 13, args.byteLength - 13)));
}, [['kind', type.u8], ['micros', type.i64], ['label', type.string]]);
reducer('schedule_twice', () => {
  log(thrown(() => schedule(1, 4102444800000000000n, 'far')));
  log(thrown(() => schedule(0, -68719476735000n, 'long')));
  schedule(0, 68719476734999n, 'just');
});
reducer('cancel', () => { sys.datastore_clear(sys.table_id_from_name('tick')); });
reducer('on_tick', ({ args, sender, connection, timestamp }) => {
  const id = args.getBigUint64(0, true);
  const label = new TextDecoder().decode(new Uint8Array(args.buffer, 21, args.byteLength - 21));
  log(`tick ${id} ${label} ${sender === sys.identity()} ${connection} ${timestamp}`);
  const index = sys.index_id_from_name('tick_id_idx');
  const table = sys.table_id_from_name('tick');
  if (label === 'fail') throw new UserError('refused');
  if (label === 'own end')
    sys.datastore_delete_by_index_scan_point_bsatn(index, ...row(['u64', id]));
  if (label === 'later')
    sys.datastore_update_bsatn(table, index, ...tickRow(id, 1, timestamp + 5000000n, 'done'));
  if (label === 'faster')
    sys.datastore_update_bsatn(table, index, ...tickRow(id, 0, 10n, 'fast'));
}, [['arg', type.ref(1)]]);
)js";

storage::ClientRow client(uint8_t number) {
  return {identity_of(number), connection_of(number)};
}

class CallExecutorTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(db.published.ok()) << db.published.status().message();
    db.log.clear();
  }
  CallResult schedule(ScheduleAt::Kind kind, int64_t micros, std::string_view label) {
    return db.call("schedule",
                   ArgsWriter().add(static_cast<uint8_t>(kind)).add(micros).text(label));
  }
  // Arms a row and runs it when it is due.
  ScheduledResult run_armed(ScheduleAt::Kind kind, int64_t micros, std::string_view label) {
    const CallResult armed = schedule(kind, micros, label);
    EXPECT_EQ(armed.arm.size(), 1u);
    const ScheduleNotice& notice = armed.arm.at(0);
    armed_id = notice.schedule_id;
    due = notice.due;
    return db.executor->run_scheduled({notice.table, notice.schedule_id, notice.due},
                                      db.next_timestamp());
  }

  TestDatabase db{raw_module(kModule)};
  uint64_t armed_id = 0;
  Timestamp due;
};

// ---- Who may call what ----

TEST_F(CallExecutorTest, FirstPublishIsOneTransactionWithTablesModuleRowAndInit) {
  EXPECT_EQ(db.published->commit.offset, TxOffset{0});
  EXPECT_EQ(db.row_count("line"), 1u);
  const auto row = storage::read_module_row(db.state->view());
  ASSERT_TRUE(row.ok() && row->has_value());
  EXPECT_EQ((*row)->owner_identity, identity_of(1));
  EXPECT_EQ((*row)->program_bytes, *db.executor->program().bytes);
}

TEST_F(CallExecutorTest, UnknownReducersAreLoggedAndRefused) {
  const CallResult result = db.call("nope");
  EXPECT_EQ(result.kind, CallResultKind::kNoSuchReducer);
  EXPECT_EQ(result.message, "no such reducer");
  EXPECT_EQ(db.log.messages().at(0),
            "Error: External attempt to call nonexistent reducer \"nope\" failed. Have you run "
            "`spacetime generate` recently?");
  EXPECT_NE(db.log.lines().at(0).find(R"("function":"nope")"), std::string::npos)
      << db.log.lines().at(0);
}

TEST_F(CallExecutorTest, LifecycleReducersAreTheHostsAlone) {
  EXPECT_EQ(db.call("init").message, "can't directly call special Init lifecycle reducer");
  EXPECT_EQ(db.call("connected").message,
            "can't directly call special OnConnect lifecycle reducer");
  EXPECT_EQ(db.call("disconnected").kind, CallResultKind::kLifecycleReducer);
}

TEST_F(CallExecutorTest, ScheduledReducersArePrivateToTheOwner) {
  const CallResult refused = db.call("on_tick");
  EXPECT_EQ(refused.kind, CallResultKind::kNoSuchReducer);
  EXPECT_EQ(refused.message, "no such reducer");
  const ArgsWriter args =
      ArgsWriter().add(uint64_t{9}).add(uint8_t{1}).add(int64_t{5}).text("mine");
  EXPECT_TRUE(db.call_as(identity_of(1), CallerRights::kOwner, "on_tick", args).committed());
}

TEST_F(CallExecutorTest, ArgumentsAreCheckedBeforeTheModuleSeesThem) {
  const CallResult result = db.call("add", ArgsWriter().add(uint8_t{1}));
  EXPECT_EQ(result.kind, CallResultKind::kInvalidArguments);
  EXPECT_TRUE(result.message.starts_with("invalid arguments for reducer add: ")) << result.message;
  EXPECT_TRUE(
      db.log.contains("External attempt to call reducer \"add\" failed, invalid arguments."
                      "\nThis is likely due to a mismatched client schema"));
  // Trailing bytes are ignored.
  EXPECT_TRUE(db.call("add", ArgsWriter().add(uint32_t{7}).add(uint32_t{8})).committed());
}

TEST_F(CallExecutorTest, JsonArgumentsArePositionalOrNamed) {
  const auto call_json = [this](std::string_view json) {
    return db.executor->run({.reducer = "add",
                             .encoding = ArgsEncoding::kJson,
                             .args = as_bytes(json),
                             .caller = identity_of(2),
                             .connection = {},
                             .timestamp = db.next_timestamp(),
                             .rights = CallerRights::kClient});
  };
  EXPECT_TRUE(call_json("[41]").committed());
  EXPECT_TRUE(call_json(R"({"id": 42})").committed());
  EXPECT_EQ(call_json("[\"x\"]").kind, CallResultKind::kInvalidArguments);
  EXPECT_EQ(db.row_count("line"), 3u);
}

// ---- Clients ----

TEST_F(CallExecutorTest, ConnectingWritesBothRowsBeforeTheReducerSeesThem) {
  const CallResult result =
      db.executor->client_connected(client(5), R"({"sub":"x"})", db.next_timestamp());
  ASSERT_TRUE(result.committed()) << result.message;
  ASSERT_TRUE(result.commit.tx_data);
  EXPECT_TRUE(result.commit.tx_data->consumed_offset);
  EXPECT_EQ(db.row_count("st_client"), 1u);
  EXPECT_EQ(db.row_count("st_connection_credentials"), 1u);
  bool found = false;
  for (const ByteBuffer& row : db.rows("line"))
    found = found || as_text(row).find(R"({"sub":"x"})") != std::string_view::npos;
  EXPECT_TRUE(found) << "get_jwt_payload gave the payload";
}

TEST_F(CallExecutorTest, RefusedConnectLeavesNoRow) {
  ASSERT_TRUE(db.call("refuse", ArgsWriter().add(uint8_t{1}).add(uint8_t{0})).committed());
  const CallResult result = db.executor->client_connected(client(5), "{}", db.next_timestamp());
  EXPECT_EQ(result.kind, CallResultKind::kUserError);
  EXPECT_EQ(result.message, "go away");
  EXPECT_EQ(db.row_count("st_client"), 0u);
  EXPECT_EQ(db.row_count("st_connection_credentials"), 0u);
}

TEST_F(CallExecutorTest, DisconnectRemovesBothRowsInTheReducersTransaction) {
  ASSERT_TRUE(db.executor->client_connected(client(5), "{}", db.next_timestamp()).committed());
  const auto result = db.executor->client_disconnected(client(5), db.next_timestamp());
  EXPECT_TRUE(result.reducer.committed());
  EXPECT_FALSE(result.fallback.tx_data);
  EXPECT_EQ(db.row_count("st_client"), 0u);
  EXPECT_EQ(db.row_count("st_connection_credentials"), 0u);
  // A second time there is nothing to do.
  const auto again = db.executor->client_disconnected(client(5), db.next_timestamp());
  EXPECT_FALSE(again.reducer.commit.tx_data);
}

TEST_F(CallExecutorTest, FailingDisconnectReducerStillLosesTheRows) {
  ASSERT_TRUE(db.executor->client_connected(client(5), "{}", db.next_timestamp()).committed());
  ASSERT_TRUE(db.call("refuse", ArgsWriter().add(uint8_t{0}).add(uint8_t{1})).committed());
  const auto result = db.executor->client_disconnected(client(5), db.next_timestamp());
  EXPECT_EQ(result.reducer.kind, CallResultKind::kFatal);
  ASSERT_TRUE(result.fallback.tx_data);
  EXPECT_EQ(db.row_count("st_client"), 0u);
  EXPECT_EQ(db.row_count("st_connection_credentials"), 0u);
}

// ---- Schedules ----

TEST_F(CallExecutorTest, RowsAreArmedAtCommitOnly) {
  const CallResult committed = schedule(ScheduleAt::Kind::kTime, 1'750'000'000'000'000, "x");
  ASSERT_TRUE(committed.committed());
  ASSERT_EQ(committed.arm.size(), 1u);
  EXPECT_EQ(committed.arm[0].due.micros, 1'750'000'000'000'000);
  EXPECT_EQ(committed.arm[0].schedule_id, 1u);
  EXPECT_EQ(db.executor->schedules({5}).size(), 1u);
}

TEST_F(CallExecutorTest, TooLongDelaysAreTheModulesErrorAtOnce) {
  const CallResult result = db.call("schedule_twice");
  ASSERT_TRUE(result.committed()) << db.log.all();
  EXPECT_TRUE(
      db.log.contains("Info: 13: Specified delay in scheduling row was too long\n"
                      "Info: 13: Specified delay in scheduling row was too long\n"));
  EXPECT_EQ(db.row_count("tick"), 3u) << "the rows were inserted: the module decides";
}

TEST_F(CallExecutorTest, OneShotRunsOnceAndItsRowIsRemovedAfterwards) {
  const ScheduledResult result = run_armed(ScheduleAt::Kind::kTime, 1'750'000'000'000'000, "hello");
  ASSERT_EQ(result.kind, ScheduledResult::Kind::kRan);
  EXPECT_TRUE(result.call.committed());
  EXPECT_TRUE(db.log.contains("tick 1 hello true 0 1750000000000000")) << db.log.all();
  ASSERT_TRUE(result.removal.tx_data);
  EXPECT_GT(result.removal.tx_data->timestamp.micros, 1'750'000'000'000'000);
  EXPECT_EQ(db.row_count("tick"), 0u);
  EXPECT_TRUE(result.rearm.empty());
}

TEST_F(CallExecutorTest, OneShotIsRemovedAfterAFailureToo) {
  const ScheduledResult result = run_armed(ScheduleAt::Kind::kTime, 5, "fail");
  EXPECT_EQ(result.call.kind, CallResultKind::kUserError);
  EXPECT_EQ(db.row_count("tick"), 0u);
  EXPECT_TRUE(db.log.contains("Error: refused"));
}

TEST_F(CallExecutorTest, CancelledRowsDoNotRun) {
  const CallResult armed = schedule(ScheduleAt::Kind::kTime, 5, "never");
  ASSERT_TRUE(db.call("cancel").committed());
  db.log.clear();
  const ScheduledResult result = db.executor->run_scheduled(
      {armed.arm.at(0).table, armed.arm.at(0).schedule_id, armed.arm.at(0).due},
      db.next_timestamp());
  EXPECT_EQ(result.kind, ScheduledResult::Kind::kGone);
  EXPECT_TRUE(db.log.messages().empty());
}

TEST_F(CallExecutorTest, IntervalsAreRearmedFromTheIntendedTime) {
  const ScheduledResult result = run_armed(ScheduleAt::Kind::kInterval, 1'000'000, "again");
  ASSERT_EQ(result.rearm.size(), 1u);
  EXPECT_EQ(result.rearm[0].due.micros, due.micros + 1'000'000);
  EXPECT_EQ(result.rearm[0].schedule_id, armed_id);
  EXPECT_EQ(db.row_count("tick"), 1u);
}

TEST_F(CallExecutorTest, FailingIntervalGoesOn) {
  const ScheduledResult result = run_armed(ScheduleAt::Kind::kInterval, 1'000'000, "fail");
  EXPECT_EQ(result.call.kind, CallResultKind::kUserError);
  EXPECT_EQ(result.rearm.size(), 1u);
  EXPECT_EQ(db.row_count("tick"), 1u);
}

TEST_F(CallExecutorTest, IntervalThatDeletesItsRowStops) {
  const ScheduledResult result = run_armed(ScheduleAt::Kind::kInterval, 1'000'000, "own end");
  EXPECT_TRUE(result.rearm.empty());
  EXPECT_EQ(db.row_count("tick"), 0u);
}

TEST_F(CallExecutorTest, IntervalThatChangesItsTimingHasTheNewOne) {
  const ScheduledResult result = run_armed(ScheduleAt::Kind::kInterval, 1'000'000, "faster");
  EXPECT_TRUE(result.rearm.empty());
  ASSERT_EQ(result.call.arm.size(), 1u);
  EXPECT_EQ(result.call.arm[0].at, (ScheduleAt{ScheduleAt::Kind::kInterval, 10}));
}

TEST_F(CallExecutorTest, OneShotThatMovesItselfIsKept) {
  const ScheduledResult result = run_armed(ScheduleAt::Kind::kTime, 5, "later");
  EXPECT_FALSE(result.removal.tx_data);
  ASSERT_EQ(result.call.arm.size(), 1u);
  EXPECT_EQ(db.row_count("tick"), 1u);
}

// The schema may be ahead of the module: the row goes as after any failure, and nobody outside is
// told of an "external attempt".
TEST_F(CallExecutorTest, ScheduledFunctionTheModuleLacksIsAFailureLikeAnother) {
  const CallResult armed = schedule(ScheduleAt::Kind::kTime, 5, "once");
  const CallResult again = schedule(ScheduleAt::Kind::kInterval, 1'000'000, "again");
  const ModuleProgram program = js_program(raw_module("reducer('other', () => {});"));
  auto described = describe_module(test_runtime(), program, {}, db.log);
  ASSERT_TRUE(described.ok()) << described.status().message();
  ASSERT_TRUE(db.executor->install(program, std::move(*described)).ok());
  db.log.clear();
  const auto run = [this](const CallResult& call) {
    const ScheduleNotice& notice = call.arm.at(0);
    return db.executor->run_scheduled({notice.table, notice.schedule_id, notice.due},
                                      db.next_timestamp());
  };
  const ScheduledResult once = run(armed);
  EXPECT_EQ(once.kind, ScheduledResult::Kind::kRan);
  EXPECT_EQ(once.call.kind, CallResultKind::kNoSuchReducer);
  EXPECT_TRUE(once.removal.tx_data);
  const ScheduledResult repeated = run(again);
  EXPECT_EQ(repeated.call.kind, CallResultKind::kNoSuchReducer);
  EXPECT_EQ(repeated.rearm.size(), 1u);
  EXPECT_EQ(db.row_count("tick"), 1u);
  EXPECT_TRUE(db.log.messages().empty()) << db.log.all();
}

// A host whose own code fails in the middle of a call.
class BrokenInstance final : public ModuleInstance {
 public:
  Result<ByteBuffer> describe() override { return Status::internal("broken"); }
  CallOutcome call_reducer(const ReducerCall&, CallContext& context) override {
    const storage::TableView* const table = context.tx->view().find_table("line");
    ByteBuffer row;
    append_le(row, uint32_t{77});
    append_le(row, uint32_t{0});
    EXPECT_TRUE(context.tx->insert(table->schema().id, row).ok());
    throw std::runtime_error("out of order");
  }
  HeapStats heap_stats() const override { return {}; }
  bool must_be_replaced() const override { return false; }
  void terminate() override {}
};

TEST_F(CallExecutorTest, FaultOfTheHostInAScheduledCallEndsThatCallAlone) {
  const CallResult armed = schedule(ScheduleAt::Kind::kInterval, 1'000'000, "again");
  const uint64_t lines = db.row_count("line");
  DescribedModule broken;
  broken.def = db.executor->module_def();
  broken.instance = std::make_unique<BrokenInstance>();
  ASSERT_TRUE(db.executor->install(db.executor->program(), std::move(broken)).ok());
  const ScheduleNotice& notice = armed.arm.at(0);
  const ScheduledCall call{notice.table, notice.schedule_id, notice.due};
  const ScheduledResult result = db.executor->run_scheduled(call, db.next_timestamp());
  EXPECT_EQ(result.kind, ScheduledResult::Kind::kPanicked);
  EXPECT_EQ(result.call.message, "out of order");
  EXPECT_TRUE(result.rearm.empty()) << "this one is not queued again";
  EXPECT_FALSE(db.has_open_transaction());
  EXPECT_EQ(db.row_count("line"), lines);
  EXPECT_EQ(db.row_count("tick"), 1u) << "the row is armed when the schedules are loaded again";
  EXPECT_EQ(db.executor->schedules(db.next_timestamp()).size(), 1u);
  EXPECT_TRUE(db.call("add", ArgsWriter().add(uint32_t{5})).committed()) << "a fresh instance";
  EXPECT_EQ(db.executor->run_scheduled(call, db.next_timestamp()).kind,
            ScheduledResult::Kind::kRan);
}

// ---- Publishing ----

TEST(Publishing, FailingInitLeavesNothing) {
  TestDatabase db(raw_module("lifecycle(0, 'init', () => { throw new UserError('not today'); });"));
  ASSERT_FALSE(db.published.ok());
  EXPECT_EQ(db.published.status().code(), StatusCode::kUserError);
  EXPECT_EQ(db.published.status().message(), "not today");
  EXPECT_FALSE(db.has_open_transaction());
  EXPECT_FALSE(db.executor->has_module());
  const auto row = storage::read_module_row(db.state->view());
  ASSERT_TRUE(row.ok());
  EXPECT_FALSE(row->has_value());
}

TEST(Publishing, LogsItsSteps) {
  TestDatabase db(raw_module(kModule));
  EXPECT_EQ(db.log.all(),
            "Info: Creating table `line`\nInfo: Creating table `tick`\n"
            "Info: Invoking `init` reducer\nInfo: Database initialized\n");
}

TEST(Publishing, UpdateSwapsTheModuleAndAddsTablesInOneTransaction) {
  TestDatabase db(raw_module("table('a', [['id', type.u32]]); reducer('old', () => {});"));
  ASSERT_TRUE(db.published.ok()) << db.published.status().message();
  const ModuleProgram program = js_program(
      raw_module("table('a', [['id', type.u32]]); table('b', [['id', type.u32]]);"
                 "reducer('fresh', () => { sys.datastore_insert_bsatn(sys.table_id_from_name('b'), "
                 "...row(['u32', 1])); });"));
  auto described = describe_module(test_runtime(), program, {}, db.log);
  ASSERT_TRUE(described.ok()) << described.status().message();
  auto tables = storage::module_table_definitions(*described->def);
  ASSERT_TRUE(tables.ok());
  std::erase_if(*tables, [](const storage::TableDefinition& table) { return table.name == "a"; });
  db.log.clear();
  const auto result = db.executor->update({.program = program,
                                           .module = std::move(*described),
                                           .added = *tables,
                                           .caller = identity_of(1),
                                           .timestamp = db.next_timestamp()});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(db.log.all(), "Info: Creating table `b`\nInfo: Updated program to " +
                              program.hash.to_hex() + "\nInfo: Database updated\n");
  EXPECT_TRUE(db.call("fresh").committed());
  EXPECT_EQ(db.row_count("b"), 1u);
  EXPECT_EQ(db.call("old").kind, CallResultKind::kNoSuchReducer);
}

}  // namespace
}  // namespace worldline::runtime
