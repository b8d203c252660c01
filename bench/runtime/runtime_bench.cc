// bench/runtime/runtime_bench.cc: what a call into a module costs (architecture 8: 0.5 us without
// the module's own code, each system call 0.1 us beyond its row work).
//
// Run: runtime_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
// `Call/...` is one reducer call through the CallExecutor with commit; `Sys/...` is the time of one
// system call, measured in a script that makes a thousand of them.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "base/clock.h"
#include "runtime/call_executor.h"
#include "runtime/module_loader.h"
#include "runtime/watchdog.h"
#include "schema/hash.h"
#include "storage/database_state.h"

namespace worldline::runtime {
namespace {

constexpr uint32_t kAccounts = 100'000;
constexpr uint32_t kSysCallsPerReducer = 1000;

const char* const kBody = R"js(
table('item', [['id', type.u32], ['balance', type.i64]],
  { primaryKey: 0, indexes: [[0, [0]]], unique: [[0]] });
const buffer = new ArrayBuffer(65536);
const view = new DataView(buffer);
let table_id, index_id;
const prepare = () => {
  table_id ??= sys.table_id_from_name('item');
  index_id ??= sys.index_id_from_name('item_id_idx');
};
const { datastore_index_scan_point_bsatn: point, row_iter_bsatn_advance: advance,
  datastore_update_bsatn: update, datastore_insert_bsatn: insert, row_iter_bsatn_close: close,
  datastore_table_row_count: count, identity,
  datastore_delete_by_index_scan_point_bsatn: remove } = sys;
reducer('empty', () => {});
reducer('seed', () => {
  prepare();
  for (let i = 0; i < 100000; ++i) {
    view.setUint32(0, i, true);
    view.setBigInt64(4, 1000n, true);
    insert(table_id, buffer, 12);
  }
});
const find_and_update = (id, amount) => {
  view.setUint32(0, id, true);
  advance(point(index_id, buffer, 4), buffer);
  view.setBigInt64(4, view.getBigInt64(4, true) + amount, true);
  update(table_id, index_id, buffer, 12);
};
const params = [['a', type.u32], ['b', type.u32]];
reducer('find_update', ({ args }) => {
  prepare();
  find_and_update(args.getUint32(0, true), 1n);
}, params);
reducer('transfer', ({ args }) => {
  prepare();
  find_and_update(args.getUint32(0, true), -1n);
  find_and_update(args.getUint32(4, true), 1n);
}, params);
const sysLoop = (name, body) => reducer(name, () => {
  prepare();
  for (let i = 0; i < 1000; ++i) body(i);
});
sysLoop('loop_baseline', i => { view.setUint32(0, i * 97, true); });
sysLoop('loop_point_close', i => {
  view.setUint32(0, i * 97, true);
  close(point(index_id, buffer, 4));
});
sysLoop('loop_point_advance', i => {
  view.setUint32(0, i * 97, true);
  advance(point(index_id, buffer, 4), buffer);
});
sysLoop('loop_row_count', () => { count(table_id); });
sysLoop('loop_identity', () => { identity(); });
sysLoop('loop_update', i => {
  view.setUint32(0, i * 97, true); view.setBigInt64(4, BigInt(i), true);
  update(table_id, index_id, buffer, 12);
});
sysLoop('loop_insert_remove', i => {
  view.setUint32(0, 1000000 + i, true); view.setBigInt64(4, 1n, true);
  insert(table_id, buffer, 12); remove(index_id, buffer, 4);
});
)js";

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void need(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(1);
}

ModuleRuntime& engine() {
  static SystemClock clock;
  static ModuleRuntime* const runtime = [] {
    auto started = ModuleRuntime::start({}, clock);
    need(started.status());
    return std::move(*started).release();
  }();
  return *runtime;
}

struct Bench {
  explicit Bench(std::string_view source)
      : state(storage::DatabaseState::bootstrap({.group = GroupId{1}})),
        executor(CallExecutor::Host{engine(), *state, log}, {}) {
    ModuleProgram program;
    const Bytes bytes = as_bytes(source);
    program.bytes = std::make_shared<const ByteBuffer>(bytes.begin(), bytes.end());
    program.hash = schema::keccak256(bytes);
    auto described = describe_module(engine(), program, {}, log);
    need(described.status());
    need(executor
             .initialize({.program = program,
                          .module = std::move(*described),
                          .owner = {},
                          .timestamp = {++timestamp}})
             .status());
  }
  CallResult call(std::string_view reducer, Bytes args) {
    return executor.run({.reducer = reducer,
                         .encoding = ArgsEncoding::kBsatn,
                         .args = args,
                         .caller = caller,
                         .connection = connection,
                         .timestamp = {++timestamp},
                         .rights = CallerRights::kClient});
  }
  void must_call(std::string_view reducer, Bytes args = {}) {
    if (!call(reducer, args).committed()) need(Status::internal("{} failed", reducer));
  }

  NullModuleLog log;
  std::unique_ptr<storage::DatabaseState> state;
  CallExecutor executor;
  schema::Identity caller{{1, 2, 3}};
  schema::ConnectionId connection{{4, 5, 6}};
  int64_t timestamp = 1'700'000'000'000'000;
};

std::string modules(const char* name) {
  return std::string(WL_TEST_DATA) + "/runtime/modules/" + name;
}

Bench& raw() {
  static Bench* const bench = [] {
    std::string source = read_file(modules("src/raw_module.js"));
    source.replace(source.find("/* BODY */"), 10, kBody);
    auto made = std::make_unique<Bench>(source);
    made->must_call("seed");
    return made.release();
  }();
  return *bench;
}

Bench& npm() {
  static Bench* const bench = [] {
    auto made = std::make_unique<Bench>(read_file(modules("notes_2_10_esnext.bundle")));
    ByteBuffer count;
    append_le(count, kAccounts);
    made->must_call("seed", count);
    made->must_call("seed_wallets", count);
    return made.release();
  }();
  return *bench;
}

struct Args {
  ByteBuffer bytes = ByteBuffer(16);
  uint32_t next = 0;
  // Two accounts, and an amount for modules that want one.
  Bytes pair() {
    next = (next + 7919) % kAccounts;
    store_le(bytes.data(), next);
    store_le(bytes.data() + 4, (next + 1) % kAccounts);
    store_le(bytes.data() + 8, int64_t{1});
    return bytes;
  }
};

void call_reducer(benchmark::State& state, Bench& bench, std::string_view reducer, bool with_args) {
  Args args;
  for (auto _ : state) {
    const CallResult result = bench.call(reducer, with_args ? args.pair() : Bytes());
    if (!result.committed()) state.SkipWithError("call failed");
    benchmark::DoNotOptimize(result.commit.tx_data.get());
  }
}

void raw_empty(benchmark::State& state) {
  call_reducer(state, raw(), "empty", false);
}
void raw_find_update(benchmark::State& state) {
  call_reducer(state, raw(), "find_update", true);
}
void raw_transfer(benchmark::State& state) {
  call_reducer(state, raw(), "transfer", true);
}
void npm_empty(benchmark::State& state) {
  call_reducer(state, npm(), "empty", false);
}
void npm_find_update(benchmark::State& state) {
  call_reducer(state, npm(), "find_and_update", true);
}
void npm_transfer(benchmark::State& state) {
  call_reducer(state, npm(), "transfer", true);
}
void npm_find_wallet(benchmark::State& state) {
  call_reducer(state, npm(), "find_wallet", true);
}
void npm_pay(benchmark::State& state) {
  call_reducer(state, npm(), "pay", true);
}
BENCHMARK(raw_empty)->Name("Call/raw/empty");
BENCHMARK(raw_find_update)->Name("Call/raw/find_update");
BENCHMARK(raw_transfer)->Name("Call/raw/transfer");
BENCHMARK(npm_empty)->Name("Call/npm/empty");
BENCHMARK(npm_find_update)->Name("Call/npm/find_update");
BENCHMARK(npm_transfer)->Name("Call/npm/transfer_with_string_index");
BENCHMARK(npm_find_wallet)->Name("Call/npm/find_wallet");
BENCHMARK(npm_pay)->Name("Call/npm/pay");  // The transfer of `worldline bench keynote`.

// The empty transaction around a call, without any call.
void empty_transaction(benchmark::State& state) {
  Bench& bench = raw();
  for (auto _ : state) {
    storage::Transaction tx = bench.state->begin({.timestamp = {1},
                                                  .caller = bench.caller,
                                                  .connection_id = bench.connection,
                                                  .reducer = "empty",
                                                  .args = {}});
    benchmark::DoNotOptimize(tx.commit());
  }
}
BENCHMARK(empty_transaction)->Name("Call/none/empty_transaction");

void sys_loop(benchmark::State& state, const char* reducer) {
  Bench& bench = raw();
  for (auto _ : state) bench.must_call(reducer);
  state.SetItemsProcessed(state.iterations() * kSysCallsPerReducer);
  state.counters["per_call"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kSysCallsPerReducer),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(sys_loop, baseline, "loop_baseline");
BENCHMARK_CAPTURE(sys_loop, identity, "loop_identity");
BENCHMARK_CAPTURE(sys_loop, row_count, "loop_row_count");
BENCHMARK_CAPTURE(sys_loop, point_and_close, "loop_point_close");
BENCHMARK_CAPTURE(sys_loop, point_and_advance, "loop_point_advance");
BENCHMARK_CAPTURE(sys_loop, update, "loop_update");
BENCHMARK_CAPTURE(sys_loop, insert_and_delete, "loop_insert_remove");

void watched_call(benchmark::State& state) {
  class Nothing final : public Stopper {
    void stop() noexcept override {}
    void look_inside() noexcept override {}
  } nothing;
  WatchSlot slot(nothing, std::chrono::milliseconds(30'000));
  for (auto _ : state) {
    WatchedCall call(slot);
    benchmark::DoNotOptimize(call.end());
  }
}
BENCHMARK(watched_call)->Name("Watchdog/begin_end");

}  // namespace
}  // namespace worldline::runtime
