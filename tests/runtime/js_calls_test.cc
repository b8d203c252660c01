// tests/runtime/js_calls_test.cc: what modules on the bare ABI may ask, what they get, and what
// happens when they misbehave [S 03/1.5, 3.4-3.7, 3.11].
#include <functional>

#include <gtest/gtest.h>
#include <pthread.h>

#include "tests/runtime/runtime_fixture.h"

namespace worldline::runtime {
namespace {

// A table with a unique and a plain index, one with sequences, one with a hash index.
constexpr const char* kTables = R"js(
table('item', [['id', type.u32], ['kind', type.u32], ['text', type.string]],
  { primaryKey: 0, indexes: [[0, [0]], [0, [1]], [0, [1, 0]]], unique: [[0]] });
table('counted', [['id', type.u64], ['name', type.string], ['seq', type.u32]],
  { primaryKey: 0, indexes: [[0, [0]]], unique: [[0]], sequences: [0, 2] });
table('hashed', [['id', type.u32], ['n', type.u32]],
  { indexes: [[1, [0]]] });
const id = name => sys.table_id_from_name(name);
const index = name => sys.index_id_from_name(name);
const item = (i, kind, text) => row(['u32', i], ['u32', kind], ['string', text]);
const put = (i, kind, text) => sys.datastore_insert_bsatn(id('item'), ...item(i, kind, text));
function drain(iter, size = 65536) {
  const buffer = new ArrayBuffer(size);
  let total = 0;
  let steps = 0;
  for (;;) {
    const n = sys.row_iter_bsatn_advance(iter, buffer);
    ++steps;
    total += Math.abs(n);
    if (n <= 0) return `${total} bytes in ${steps}`;
  }
}
)js";

// Runs one statement list in a reducer of a fresh database and gives what it logged.
std::string run_script(std::string_view statements) {
  const std::string body =
      std::string(kTables) + "reducer('r', call => {\n" + std::string(statements) + "\n});";
  TestDatabase database(raw_module(body));
  if (!database.published.ok()) return "publish: " + database.published.status().message();
  database.log.clear();
  const CallResult result = database.call("r");
  return result.committed() ? database.log.all() : "failed: " + database.log.all();
}

struct ScriptCase {
  const char* name;
  const char* script;
  const char* log;
};
const ScriptCase kScripts[] = {
    {"UnknownNamesHaveTheirErrors",
     "log(thrown(() => id('nope'))); log(thrown(() => index('nope')));",
     "Info: 4: No such table\nInfo: 5: No such index\n"},
    {"UnknownIdsHaveTheirErrors",
     "log(thrown(() => sys.datastore_table_row_count(99999)));"
     "log(thrown(() => sys.datastore_table_scan_bsatn(99999)));"
     "log(thrown(() => sys.datastore_insert_bsatn(99999, ...item(1, 1, 'a'))));"
     "log(thrown(() => sys.datastore_clear(99999)));"
     "log(thrown(() => sys.datastore_index_scan_point_bsatn(99999, new ArrayBuffer(8), 4)));",
     "Info: 4: No such table\nInfo: 4: No such table\nInfo: 4: No such table\n"
     "Info: 4: No such table\nInfo: 5: No such index\n"},
    {"RowsThatDoNotDecodeAreRefused",
     "log(thrown(() => sys.datastore_insert_bsatn(id('item'), new ArrayBuffer(3), 3)));",
     "Info: 3: Couldn't decode the BSATN to the expected type\n"},
    {"UniqueViolationLeavesTheTransactionUsable",
     "put(1, 1, 'a'); log(thrown(() => put(1, 2, 'b'))); put(2, 2, 'c');"
     "log(sys.datastore_table_row_count(id('item')));",
     "Info: 12: Value with given unique identifier already exists\nInfo: 2\n"},
    {"InsertingTheSameRowTwiceChangesNothing",
     "put(1, 1, 'a'); put(1, 1, 'a'); log(sys.datastore_table_row_count(id('item')));",
     "Info: 1\n"},
    {"SequencesWriteBackOnlyTheColumnsTheyFilled",
     "const [buffer, length] = row(['u64', 0], ['string', 'n'], ['u32', 0]);"
     "const n = sys.datastore_insert_bsatn(id('counted'), buffer, length);"
     "log(n); log([...new Uint8Array(buffer, 0, n)].join());"
     "const [b2, l2] = row(['u64', 77], ['string', 'n'], ['u32', 5]);"
     "log(sys.datastore_insert_bsatn(id('counted'), b2, l2));",
     "Info: 12\nInfo: 1,0,0,0,0,0,0,0,1,0,0,0\nInfo: 0\n"},
    {"UpdateErrors",
     "put(1, 1, 'a');"
     "log(thrown(() => sys.datastore_update_bsatn(id('item'), 99999, ...item(1, 1, 'b'))));"
     "log(thrown(() => sys.datastore_update_bsatn(id('item'), index('item_kind_idx'), "
     "...item(1, 1, 'b'))));"
     "log(thrown(() => sys.datastore_update_bsatn(id('item'), index('item_id_idx'), "
     "...item(9, 1, 'b'))));"
     "log(sys.datastore_update_bsatn(id('item'), index('item_id_idx'), ...item(1, 5, 'b')));",
     "Info: 5: No such index\nInfo: 14: The index was not unique\n"
     "Info: 15: The row was not found, e.g., in an update call\nInfo: 0\n"},
    {"PointScanAndDelete",
     "put(1, 7, 'a'); put(2, 7, 'b'); put(3, 8, 'c');"
     "const key = row(['u32', 7]);"
     "log(drain(sys.datastore_index_scan_point_bsatn(index('item_kind_idx'), ...key)));"
     "log(sys.datastore_delete_by_index_scan_point_bsatn(index('item_kind_idx'), ...key));"
     "log(drain(sys.datastore_index_scan_point_bsatn(index('item_kind_idx'), ...key)));"
     "log(thrown(() => sys.datastore_index_scan_point_bsatn(index('item_kind_idx'), key[0], 2)));",
     "Info: 26 bytes in 1\nInfo: 2\nInfo: 0 bytes in 1\n"
     "Info: 3: Couldn't decode the BSATN to the expected type\n"},
    {"HashIndexRefusesRangesOnly",
     "sys.datastore_insert_bsatn(id('hashed'), ...row(['u32', 1], ['u32', 2]));"
     "log(drain(sys.datastore_index_scan_point_bsatn(index('hashed_id_idx'), ...row(['u32', "
     "1]))));"
     "const bound = row(['u8', 2]);"
     "log(thrown(() => sys.datastore_index_scan_range_bsatn(index('hashed_id_idx'), bound[0], 0, "
     "0, 1, 0)));",
     "Info: 8 bytes in 1\nInfo: 10: The Index does not support range scans\n"},
    {"RangeEndOfLengthZeroMeansTheStart",
     "put(1, 7, 'a'); put(2, 7, 'b'); put(3, 8, 'c');"
     "const included = row(['u8', 0], ['u32', 2]);"
     "log(drain(sys.datastore_index_scan_range_bsatn(index('item_id_idx'), included[0], 0, 0, "
     "included[1], 0)));"
     "const prefixed = row(['u32', 7], ['u8', 2], ['u8', 1], ['u32', 2]);"
     "log(drain(sys.datastore_index_scan_range_bsatn(index('item_kind_id_idx'), prefixed[0], 4, 1, "
     "1, 5)));"
     "log(sys.datastore_delete_by_index_scan_range_bsatn(index('item_id_idx'), row(['u8', 2])[0], "
     "0, 0, 1, 0));",
     "Info: 13 bytes in 1\nInfo: 13 bytes in 1\nInfo: 3\n"},
    {"DeleteByEqualityAndClear",
     "put(1, 1, 'a'); put(2, 2, 'b'); put(3, 3, 'c');"
     "const one = new Uint8Array(...[item(1, 1, 'a')].map(([b]) => b));"
     "const relation = Uint8Array.from([1, 0, 0, 0, ...one]);"
     "log(sys.datastore_delete_all_by_eq_bsatn(id('item'), relation.buffer, relation.length));"
     "log(sys.datastore_delete_all_by_eq_bsatn(id('item'), relation.buffer, relation.length));"
     "log(thrown(() => sys.datastore_delete_all_by_eq_bsatn(id('item'), relation.buffer, 9)));"
     "log(sys.datastore_clear(id('item')));",
     "Info: 1\nInfo: 0\nInfo: 3: Couldn't decode the BSATN to the expected type\nInfo: 2\n"},
    {"IteratorsSeeTheRowsOfTheirOpening",
     "put(1, 1, 'a'); const iter = sys.datastore_table_scan_bsatn(id('item'));"
     "put(2, 2, 'b'); sys.datastore_clear(id('item')); log(drain(iter));"
     "log(thrown(() => sys.row_iter_bsatn_advance(iter, new ArrayBuffer(8))));"
     "log(thrown(() => sys.row_iter_bsatn_close(iter)));",
     "Info: 13 bytes in 1\nInfo: 6: The provided row iterator is not valid\n"
     "Info: 6: The provided row iterator is not valid\n"},
    {"TooSmallBuffersThrowAPlainObject",
     "put(1, 1, 'abc'); const iter = sys.datastore_table_scan_bsatn(id('item'));"
     "log(thrown(() => sys.row_iter_bsatn_advance(iter, new ArrayBuffer(4)))); log(drain(iter, "
     "15));",
     "Info: {\"__buffer_too_small__\":15}\nInfo: 15 bytes in 1\n"},
    {"LongScansComeInChunks",
     "for (let i = 0; i < 9; ++i) put(i, 0, 'x'.repeat(20000));"
     "log(drain(sys.datastore_table_scan_bsatn(id('item'))));",
     "Info: 180108 bytes in 4\n"},
    {"ArgumentTypesAreChecked",
     "log(thrown(() => sys.table_id_from_name(5)));"
     "log(thrown(() => sys.datastore_table_row_count('1')));"
     "log(thrown(() => sys.datastore_table_row_count(-1)));"
     "log(thrown(() => sys.datastore_table_row_count(1.5)));"
     "log(thrown(() => sys.datastore_table_row_count(2 ** 32)));"
     "log(thrown(() => sys.datastore_insert_bsatn(1, new Uint8Array(4), 4)));"
     "log(thrown(() => sys.datastore_insert_bsatn(1, new ArrayBuffer(4), 5)));"
     "log(thrown(() => sys.datastore_index_scan_range_bsatn(1, new ArrayBuffer(4), 0, 65536, 0, "
     "0)));"
     "log(thrown(() => sys.get_jwt_payload(-1n)));"
     "log(thrown(() => sys.get_jwt_payload(2n ** 128n)));"
     "log(thrown(() => sys.volatile_nonatomic_schedule_immediate('x', 'y')));",
     "Info: TypeError: Expected `string`, got number\n"
     "Info: TypeError: Expected number for `u32`, got string\n"
     "Info: TypeError: Value overflowed `u32`\n"
     "Info: TypeError: Expected number for `u32`, got number\n"
     "Info: TypeError: Value overflowed `u32`\n"
     "Info: TypeError: Expected `ArrayBuffer`, got object\n"
     "Info: RangeError: length argument was out of bounds for `ArrayBuffer`\n"
     "Info: TypeError: Value overflowed `u16`\n"
     "Info: TypeError: Value overflowed `u128`\n"
     "Info: TypeError: Value overflowed `u128`\n"
     "Info: TypeError: Expected `Uint8Array`, got string\n"},
    {"ProcedureCallsAreRefusedInsideAReducer",
     "log(thrown(() => sys.procedure_start_mut_tx()));"
     "log(thrown(() => sys.procedure_commit_mut_tx()));"
     "log(thrown(() => sys.procedure_abort_mut_tx()));"
     "log(thrown(() => sys.procedure_http_request(new Uint8Array(1), '')));",
     "Info: 17: Attempted async or blocking op while holding open a transaction\n"
     "Info: 18: Not in an anonymous transaction. Called by a reducer?\n"
     "Info: 18: Not in an anonymous transaction. Called by a reducer?\n"
     "Info: 17: Attempted async or blocking op while holding open a transaction\n"},
    {"TheCallerReachesTheReducer",
     "log(call.sender.toString(16)); log(call.connection.toString(16)); log(typeof call.timestamp);"
     "log(call.args instanceof DataView); log(call.args.byteLength); log(call.args.byteOffset);"
     "log(sys.identity().toString(16).slice(0, 4));",
     "Info: 202020202020202020202020202020202020202020202020202020202020202\n"
     "Info: 3030303030303030303030303030303\nInfo: bigint\nInfo: true\nInfo: 0\nInfo: 0\n"
     "Info: dbdb\n"},
    {"TimersLogTheirSpan",
     "const t = sys.console_timer_start('load'); sys.console_timer_end(t);"
     "log(thrown(() => sys.console_timer_end(t)));",
     "Info: Timing span \"load\": 0ns\n"
     "Info: 7: The provided console timer does not exist\n"},
    {"RejectedPromisesNobodyHandlesAreLogged",
     "Promise.reject(new Error('lost')); Promise.reject(new Error('found')).catch(() => {});"
     "Promise.resolve().then(() => { throw new TypeError('in a job'); });",
     "Error: (in promise) Uncaught Error: lost\n"
     "Error: (in promise) Uncaught TypeError: in a job\n"},
    {"PromiseJobsRunBeforeTheCommit", "Promise.resolve().then(() => put(5, 5, 'later'));", ""},
};
class ScriptTest : public testing::TestWithParam<ScriptCase> {};
TEST_P(ScriptTest, Logs) {
  EXPECT_EQ(run_script(GetParam().script), GetParam().log);
}
INSTANTIATE_TEST_SUITE_P(S03, ScriptTest, testing::ValuesIn(kScripts),
                         [](const auto& test) { return test.param.name; });

// How a reducer can end, and what each outcome means for caller, data, log and isolate.
struct OutcomeCase {
  const char* name;
  const char* script;  // Runs after a row was inserted.
  CallResultKind kind;
  const char* message;  // Of the result.
  const char* log;      // The log contains it.
};
const OutcomeCase kOutcomes[] = {
    {"UndefinedCommits", "", CallResultKind::kCommitted, "", ""},
    {"SenderErrorIsAUserError", "throw new UserError('not allowed');", CallResultKind::kUserError,
     "not allowed", "Error: not allowed"},
    {"SubclassOfSenderErrorIsOneToo", "throw new (class extends UserError {})('sub');",
     CallResultKind::kUserError, "sub", "Error: sub"},
    {"MessageOfAnyKindIsTurnedIntoText", "throw Object.assign(new UserError(), { message: 42 });",
     CallResultKind::kUserError, "42", "Error: 42"},
    {"ThrowingMessageGetterIsACrash",
     "throw Object.defineProperty(new UserError(), 'message', { get() { throw new "
     "Error('gotcha'); } });",
     CallResultKind::kFatal, "The instance encountered a fatal error.",
     "Panic: Uncaught Error: gotcha\n\tat "},
    {"OtherErrorsAreCrashes", "throw new TypeError('boom');", CallResultKind::kFatal,
     "The instance encountered a fatal error.", "Panic: Uncaught TypeError: boom\n\tat run ("},
    {"ThrownStringsAreCrashes", "throw 'text';", CallResultKind::kFatal,
     "The instance encountered a fatal error.", "Panic: Uncaught text"},
    {"ThrownNullIsACrash", "throw null;", CallResultKind::kFatal,
     "The instance encountered a fatal error.", "Panic: Uncaught null"},
    {"ReturningAValueIsACrash", "return 5;", CallResultKind::kFatal,
     "The instance encountered a fatal error.",
     "Panic: Uncaught TypeError: Reducer returned a value other than `undefined`"},
    {"ReturningAPromiseIsACrash", "return Promise.resolve();", CallResultKind::kFatal,
     "The instance encountered a fatal error.", "other than `undefined`"},
    {"UncaughtHostErrorIsACrash", "id('nope');", CallResultKind::kFatal,
     "The instance encountered a fatal error.", "Panic: Uncaught Error: No such table"},
    {"EndlessRecursionIsACrash", "const f = () => f() + 1; f();", CallResultKind::kFatal,
     "The instance encountered a fatal error.",
     "Panic: Uncaught RangeError: Maximum call stack size exceeded"},
    {"ProxyWithThrowingTrapsIsACrash",
     "throw new Proxy({}, { getPrototypeOf() { throw new Error('trap'); } });",
     CallResultKind::kFatal, "The instance encountered a fatal error.", "Panic: "},
};
class OutcomeTest : public testing::TestWithParam<OutcomeCase> {};
TEST_P(OutcomeTest, DecidesAboutDataAndText) {
  const OutcomeCase& c = GetParam();
  TestDatabase database(raw_module(std::string(kTables) +
                                   "let calls = 0;\n"
                                   "reducer('r', function run() { ++calls; put(1, 1, 'a');\n" +
                                   c.script + "\n});\nreducer('count', () => log(calls));"));
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  const CallResult result = database.call("r");
  EXPECT_EQ(result.kind, c.kind);
  EXPECT_EQ(result.message, c.message);
  EXPECT_TRUE(database.log.contains(c.log)) << database.log.all();
  EXPECT_EQ(database.row_count("item"), c.kind == CallResultKind::kCommitted ? 1u : 0u);
  EXPECT_FALSE(database.has_open_transaction());
  // The isolate is kept: its globals are.
  EXPECT_TRUE(database.call("count").committed());
  EXPECT_TRUE(database.log.contains("Info: 1\n")) << database.log.all();
}
INSTANTIATE_TEST_SUITE_P(S03, OutcomeTest, testing::ValuesIn(kOutcomes),
                         [](const auto& test) { return test.param.name; });

ModuleLimits small_budget() {
  ModuleLimits limits;
  limits.call_budget = std::chrono::milliseconds(50);
  return limits;
}

TEST(JsCalls, RunawayCallsEndWithTheBudgetWhateverTheyCatch) {
  TestDatabase database(raw_module(std::string(kTables) + R"js(
    let leaked = 0;
    reducer('loop', () => { put(1, 1, 'a'); try { for (;;); } catch { } finally { ++leaked; } });
    reducer('jobs', () => { const again = () => Promise.resolve().then(again); again(); });
    reducer('left', () => { Promise.resolve().then(() => { ++leaked; for (;;); }); for (;;); });
    reducer('slow_getter', () => {
      throw Object.defineProperty(new UserError(), 'message', { get() { for (;;); } }); });
    reducer('count', () => log(`leaked ${leaked}`));)js"),
                        small_budget());
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  for (const char* name : {"loop", "jobs", "left", "slow_getter"}) {
    SCOPED_TRACE(name);
    const CallResult result = database.call(name);
    EXPECT_EQ(result.kind, CallResultKind::kBudget) << name;
    EXPECT_EQ(result.message, "reducer ran out of energy") << name;
    EXPECT_EQ(database.row_count("item"), 0u) << name;
    database.log.clear();
    EXPECT_TRUE(database.call("count").committed());
    EXPECT_TRUE(database.log.contains("leaked 0")) << database.log.all();
  }
}

TEST(JsCalls, HeapHogIsEndedAndItsInstanceReplaced) {
  ModuleLimits limits;
  limits.heap_bytes = 48 * limits::MiB;
  TestDatabase database(raw_module(std::string(kTables) + R"js(
    let calls = 0;
    const kept = [];
    reducer('hog', () => { put(1, 1, 'a'); for (;;) kept.push(new Array(1000).fill({})); });
    reducer('count', () => log(`call ${++calls}`));)js"),
                        limits);
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  EXPECT_TRUE(database.call("count").committed());
  EXPECT_EQ(database.call("hog").kind, CallResultKind::kFatal);
  EXPECT_TRUE(database.log.contains("Panic: Javascript module exceeded memory limit (current"))
      << database.log.all();
  EXPECT_EQ(database.row_count("item"), 0u);
  database.log.clear();
  EXPECT_TRUE(database.call("count").committed());
  EXPECT_TRUE(database.log.contains("call 1")) << "a fresh instance starts over";
}

TEST(JsCalls, FailuresWithoutErrnoEndTheScriptUncatchably) {
  TestDatabase database(raw_module(std::string(kTables) + R"js(
    let after = 0;
    reducer('huge', () => {
      put(1, 1, 'a');
      const buffer = new ArrayBuffer(34 * 1024 * 1024);
      new DataView(buffer).setUint32(8, 34 * 1024 * 1024 - 12, true);
      const table_id = id('item');
      try {
        sys.datastore_insert_bsatn(table_id, buffer, buffer.byteLength);
        ++after;
      } catch { ++after; } finally { ++after; }
    });
    reducer('count', () => log(`after ${after}`));)js"));
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  EXPECT_EQ(database.call("huge").kind, CallResultKind::kFatal);
  EXPECT_EQ(database.row_count("item"), 0u);
  EXPECT_TRUE(database.call("count").committed());
  EXPECT_TRUE(database.log.contains("after 0")) << database.log.all();
  EXPECT_TRUE(database.log.contains("Panic: ")) << database.log.all();
}

// Runs `work` on a thread with a stack of that size.
void run_on_thread(size_t stack_bytes, std::function<void()> work) {
  pthread_attr_t attributes;
  pthread_t thread;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, stack_bytes), 0);
  const auto entry = [](void* function) -> void* {
    (*static_cast<std::function<void()>*>(function))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, entry, &work), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(JsCalls, InstancesMoveBetweenThreadsAndTheStackLimitFollows) {
  std::unique_ptr<TestDatabase> database;
  const std::string module = raw_module(
      std::string(kTables) +
      "let depth = 0; const dive = () => { ++depth; dive(); };"
      "reducer('dive', () => { depth = 0; try { dive(); } catch (e) { log(`${e.name} ${depth > "
      "1000}`); } });");
  run_on_thread(8 * limits::MiB,
                [&database, &module] { database = std::make_unique<TestDatabase>(module); });
  ASSERT_TRUE(database->published.ok()) << database->published.status().message();
  for (const size_t stack_bytes : {512 * limits::KiB, 8 * limits::MiB, 600 * limits::KiB}) {
    database->log.clear();
    run_on_thread(stack_bytes, [&database] { EXPECT_TRUE(database->call("dive").committed()); });
    EXPECT_EQ(database->log.all(), "Info: RangeError true\n") << stack_bytes;
  }
  EXPECT_TRUE(database->call("dive").committed());
}

TEST(JsCalls, TerminateFromAnotherThreadEndsTheCall) {
  TestDatabase database(raw_module(std::string(kTables) + "reducer('loop', () => { for (;;); });"));
  ASSERT_TRUE(database.published.ok());
  std::atomic<bool> done{false};
  std::thread other([&database, &done] {
    while (!done.load()) database.executor->terminate();
  });
  EXPECT_EQ(database.call("loop").kind, CallResultKind::kBudget);
  done = true;
  other.join();
}

TEST(JsCalls, LogRecordsNameFileLineAndFunction) {
  TestDatabase database(raw_module("reducer('say', () => {\nlog('hello');\n});"));
  ASSERT_TRUE(database.published.ok());
  database.log.clear();
  ASSERT_TRUE(database.call("say").committed());
  ASSERT_EQ(database.log.lines().size(), 1u);
  const std::string& line = database.log.lines()[0];
  EXPECT_NE(line.find(R"("filename":"spacetimedb_module","line_number":)"), std::string::npos);
  EXPECT_NE(line.find(R"("function":"say","message":"hello")"), std::string::npos) << line;
}

TEST(JsCalls, ArgumentsBeyondTheSharedBufferArriveWhole) {
  TestDatabase database(raw_module(
      "reducer('sum', ({ args }) => { let sum = 0; for (let i = 4; i < args.byteLength; ++i) sum "
      "+= args.getUint8(i); log(`${args.byteLength} ${args.buffer.byteLength} ${sum}`); }, "
      "[['text', type.string]]);"));
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  for (const size_t size : {size_t{0}, size_t{100}, size_t{4092}, size_t{5000}, size_t{100}})
    ASSERT_TRUE(database.call("sum", ArgsWriter().text(std::string(size, '\x01'))).committed());
  EXPECT_TRUE(
      database.log.contains("Info: 4 4096 0\nInfo: 104 4096 100\nInfo: 4096 4096 4092\n"
                            "Info: 5004 5004 5000\nInfo: 104 4096 100\n"))
      << database.log.all();
}

TEST(JsCalls, ImmediateRequestsOutliveTheRollback) {
  TestDatabase database(
      raw_module("reducer('r', () => { sys.volatile_nonatomic_schedule_immediate('other', "
                 "Uint8Array.of(1, 2)); throw new UserError('no'); });"));
  ASSERT_TRUE(database.published.ok());
  const CallResult result = database.call("r");
  EXPECT_EQ(result.kind, CallResultKind::kUserError);
  ASSERT_EQ(result.immediate.size(), 1u);
  EXPECT_EQ(result.immediate[0].reducer, "other");
  EXPECT_EQ(result.immediate[0].args, (ByteBuffer{1, 2}));
}

TEST(JsCalls, ImmediateRequestsBeyondTheLimitsOfACallEndIt) {
  TestDatabase database(raw_module(R"js(
    const later = bytes => sys.volatile_nonatomic_schedule_immediate('x', new Uint8Array(bytes));
    reducer('many', () => { for (let i = 0; i < 4096; ++i) later(8); });
    reducer('too_many', () => { try { for (let i = 0; i < 4097; ++i) later(8); } catch {} });
    reducer('large', () => { for (let i = 0; i < 3; ++i) later(4 << 20); later((4 << 20) - 4); });
    reducer('too_large', () => { for (let i = 0; i < 250; ++i) later(4 << 20); });)js"));
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  EXPECT_EQ(database.call("many").immediate.size(), 4096u);
  EXPECT_EQ(database.call("large").immediate.size(), 4u);
  const CallResult many = database.call("too_many");
  EXPECT_EQ(many.kind, CallResultKind::kFatal) << "not silently dropped";
  EXPECT_EQ(many.immediate.size(), 4096u);
  EXPECT_TRUE(database.log.contains("Panic: one call scheduled more than 4096 immediate calls"))
      << database.log.all();
  const CallResult large = database.call("too_large");
  EXPECT_EQ(large.kind, CallResultKind::kFatal);
  EXPECT_LE(large.immediate.size(), 4u);
  EXPECT_TRUE(database.log.contains(
      "Panic: the immediate calls scheduled by one call hold more than 16777216 bytes"))
      << database.log.all();
}

TEST(JsCalls, ScansBeyondTheBytesOfACallEndIt) {
  TestDatabase database(raw_module(std::string(kTables) + R"js(
    reducer('fill', () => {
      const large = new DataView(new ArrayBuffer(12 + (4 << 20)));
      large.setUint32(8, 4 << 20, true);
      for (let i = 0; i < 9; ++i) {
        large.setUint32(0, i, true);
        sys.datastore_insert_bsatn(id('item'), large.buffer, large.byteLength);
      }
    });
    reducer('hold', ({ args }) => {
      const count = args.getUint32(0, true);
      for (let i = 0; i < count; ++i) sys.datastore_table_scan_bsatn(id('item'));
    }, [['count', type.u32]]);
    reducer('points', () => {
      for (let i = 0; i < 100; ++i)
        sys.datastore_index_scan_point_bsatn(index('item_id_idx'), ...row(['u32', 1]));
    });)js"));
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  ASSERT_TRUE(database.call("fill").committed()) << database.log.all();
  EXPECT_TRUE(database.call("hold", ArgsWriter().add(uint32_t{7})).committed());
  EXPECT_EQ(database.call("hold", ArgsWriter().add(uint32_t{8})).kind, CallResultKind::kFatal);
  const char* const text =
      "Panic: the open row iterators of one call hold more than 268435456 bytes of rows; scan "
      "ranges of an index instead";
  EXPECT_TRUE(database.log.contains(text)) << database.log.all();
  database.log.clear();
  EXPECT_EQ(database.call("points").kind, CallResultKind::kFatal);
  EXPECT_TRUE(database.log.contains(text)) << database.log.all();
  EXPECT_TRUE(database.call("hold", ArgsWriter().add(uint32_t{7})).committed());
}

// Memory outside V8's heap counts against the same limit: kept over calls or in one.
TEST(JsCalls, MemoryOutsideTheHeapCountsAgainstItsLimit) {
  ModuleLimits limits;
  limits.heap_bytes = 96 * limits::MiB;
  TestDatabase database(raw_module(std::string(kTables) + R"js(
    let calls = 0;
    const kept = [];
    const memory = mib => new WebAssembly.Memory({ initial: mib * 16 });
    reducer('keep', () => { put(1, 1, 'a'); kept.push(memory(40)); });
    reducer('hog', () => { put(1, 1, 'a'); for (let i = 0; i < 8; ++i) kept.push(memory(40)); });
    reducer('grow', () => { put(1, 1, 'a'); const m = memory(1); kept.push(m); m.grow(130 * 16); });
    reducer('both', () => {
      put(1, 1, 'a');
      for (let i = 0; i < 10; ++i) { kept.push(new ArrayBuffer(8 << 20)); }
      for (;;) kept.push(new Array(1000).fill(i => i));
    });
    reducer('garbage', () => { for (let i = 0; i < 40; ++i) memory(40); });
    reducer('buffers', () => { for (let i = 0; i < 40; ++i) new ArrayBuffer(40 << 20); });
    reducer('count', () => log(`call ${++calls}`));)js"),
                        limits);
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  for (const char* name : {"hog", "grow", "both"}) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(database.call("count").committed());
    database.log.clear();
    EXPECT_EQ(database.call(name).kind, CallResultKind::kFatal) << database.log.all();
    EXPECT_TRUE(database.log.contains("Panic: Javascript module exceeded memory limit (current"))
        << database.log.all();
    EXPECT_EQ(database.row_count("item"), 0u);
    EXPECT_TRUE(database.call("count").committed());
    EXPECT_TRUE(database.log.contains("call 1")) << "a fresh instance starts over";
    EXPECT_LT(database.executor->heap_stats().external_bytes, 1 * limits::MiB);
  }
  EXPECT_TRUE(database.call("garbage").committed()) << database.log.all();
  EXPECT_TRUE(database.call("buffers").committed()) << database.log.all();
  EXPECT_TRUE(database.call("keep").committed());
  EXPECT_TRUE(database.call("keep").committed());
  EXPECT_GE(database.executor->heap_stats().external_bytes, 80 * limits::MiB);
  EXPECT_EQ(database.call("keep").kind, CallResultKind::kFatal);
}

// Built-ins that would end the process, or never look at a stop: each is a RangeError at once.
struct BoundCase {
  const char* name;
  const char* expression;
};
const BoundCase kBounds[] = {
    {"SplitIntoCharacters", "text().split('')"},
    {"SplitAtCharacter", "text().split('x')"},
    {"SplitObject", "String.prototype.split.call({ toString: text }, '')"},
    {"SplitByRegExp", "text().split(/(?:)/)"},
    {"Match", "text().match(/x/g)"},
    {"MatchDirectly", "/x/g[Symbol.match]({ toString: text })"},
    {"Replace", "text().replace(/x/g, 'y')"},
    {"ParseAsJson", "JSON.parse(text())"},
    {"ParseObjectAsJson", "JSON.parse({ toString: text })"},
    {"ParseNestedLists", "JSON.parse('['.repeat(2 ** 21) + ']'.repeat(2 ** 21))"},
    {"ParseNestedObjects", "JSON.parse('{\"a\":'.repeat(2 ** 21) + '0' + '}'.repeat(2 ** 21))"},
    {"ReplaceAll", "text().replaceAll('x', () => 'y')"},
    {"ArrayFromText", "Array.from(text())"},
    {"KeysOfText", "Object.keys(text())"},
    {"EntriesOfTextObject", "Object.entries(Object(text()))"},
    {"KeysOfBytes", "Reflect.ownKeys(new Uint8Array(2 ** 26))"},
    {"AssignBytes", "Object.assign({}, new Uint8Array(2 ** 26))"},
    {"Fill", "new Array(2 ** 32 - 1).fill(0)"},
    {"FillOfArrayLike", "Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 0)"},
    {"IndexOfInHoles", "new Array(2 ** 32 - 1).indexOf(1)"},
    {"ForEachOfHoles", "new Array(2 ** 32 - 1).forEach(x => x)"},
    {"ReduceOfHoles", "new Array(2 ** 32 - 1).reduce((a, b) => a, 0)"},
    {"Slice", "new Array(2 ** 28).slice()"},
    {"Reverse", "Array.prototype.reverse.call({ length: 2 ** 53 - 1 })"},
    {"Sort", "new Array(2 ** 32 - 1).sort()"},
    {"FlatOfHoles", "new Array(2 ** 32 - 1).flat()"},
    {"ApplyOfHugeList", "Math.max.apply(null, new Uint8Array(2 ** 28))"},
};
class BoundTest : public testing::TestWithParam<BoundCase> {};
TEST_P(BoundTest, IsARangeError) {
  const std::string body = std::string("const text = () => 'x'.repeat(2 ** 28);") +
                           "reducer('r', () => { try { " + GetParam().expression +
                           "; log('fine'); } catch (e) { log(e.name); } });";
  TestDatabase database(raw_module(body));
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  database.log.clear();
  EXPECT_TRUE(database.call("r").committed());
  EXPECT_EQ(database.log.all(), "Info: RangeError\n");
}
INSTANTIATE_TEST_SUITE_P(S03, BoundTest, testing::ValuesIn(kBounds),
                         [](const auto& test) { return test.param.name; });

// What looks deep and is not: brackets in strings, also behind escapes, and wide lists.
TEST(JsBounds, LongJsonIsParsedHoweverManyBracketsItHas) {
  TestDatabase database(raw_module(R"js(
    const parsed = value => JSON.parse(JSON.stringify(value));
    reducer('r', () => {
      const brackets = '\\"['.repeat(2 ** 20) + '\\';
      log(parsed([brackets, 1])[0] === brackets);
      log(parsed(new Array(2 ** 20).fill([[]])).length === 2 ** 20);
    });
  )js"));
  ASSERT_TRUE(database.published.ok()) << database.published.status().message();
  database.log.clear();
  EXPECT_TRUE(database.call("r").committed());
  EXPECT_EQ(database.log.all(), "Info: true\nInfo: true\n");
}

}  // namespace
}  // namespace worldline::runtime
