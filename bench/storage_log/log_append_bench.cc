// What the log costs per small transaction: encoding its record (with the change set's copying
// budgeted at 0.3 us), and its share of one synchronous RocksDB write (budget 0.5 us).
//
// The transaction is a transfer: two rows of 12 B deleted, two inserted, 12 B of arguments.
// Items are transactions. Run on an idle machine: log_append_bench --benchmark_min_time=1
#include <filesystem>
#include <string>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include "storage/log/bundle_codec.h"
#include "storage/log/entry_codec.h"
#include "storage/log/group_appender.h"
#include "storage/log/log_store.h"
#include "storage/log/memory_disk.h"
#include "storage/rocksdb/rocksdb_store.h"

namespace worldline::storage {
namespace {

std::shared_ptr<TxData> transfer_tx(TxDataBuilder& builder) {
  const ByteBuffer row(12, 7);
  builder.begin_table(TableId{4096}, nullptr);
  for (uint16_t slot = 0; slot < 2; ++slot) {
    builder.add_delete(RowRef{1, slot}, row);
    builder.add_insert(RowRef{1, slot}, row);
  }
  TxInfo info;
  info.reducer = "transfer";
  info.args = row;
  return builder.finish(info, TxOffset{1}, true);
}

void pack_change_set(benchmark::State& state) {
  TxDataBuilder builder;
  for (auto _ : state) benchmark::DoNotOptimize(transfer_tx(builder));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(pack_change_set);

// Encodes bundles of range(0) transactions, sealed as entries with checksum and chain.
void encode_record(benchmark::State& state) {
  TxDataBuilder builder;
  const auto tx = transfer_tx(builder);
  GroupAppender appender({}, {});
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) appender.add(*tx);
    benchmark::DoNotOptimize(appender.seal({}, {}));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(encode_record)->Arg(1)->Arg(64)->Arg(1024)->Arg(4096);

void decode_record(benchmark::State& state) {
  TxDataBuilder builder;
  const auto tx = transfer_tx(builder);
  BundleEncoder encoder;
  for (int64_t i = 0; i < state.range(0); ++i) encoder.append(*tx);
  const SharedBytes payload = encoder.finish({});
  for (auto _ : state) benchmark::DoNotOptimize(decode_bundle(*payload, EphemeralRows::kSkip));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(decode_record)->Arg(1024);

GroupEnd created_group(LogStore& store) {
  GroupBirth birth;
  birth.group = GroupId{2};
  birth.replica = ReplicaId{1};
  WL_CHECK(store.create_group(birth).ok());
  GroupEnd end;
  end.group = birth.group;
  end.hard_state.replica = birth.replica;
  end.hard_state.term = Term{1};
  end.tail = {LogIndex{1}, Term{1}, genesis_chain(birth.group)};
  return end;
}

// Bundles of range(0) transactions, each written with a sync of its own, as one client batch.
void append_synced(benchmark::State& state) {
  std::string path = (std::filesystem::temp_directory_path() / "worldline-bench-XXXXXX").string();
  WL_CHECK(::mkdtemp(path.data()) != nullptr);
  RocksdbOptions options;
  options.path = path;
  {
    LogStore store(open_rocksdb(options).value());
    GroupAppender appender(created_group(store), {});
    TxDataBuilder builder;
    const auto tx = transfer_tx(builder);
    for (auto _ : state) {
      for (int64_t i = 0; i < state.range(0); ++i) appender.add(*tx);
      WL_CHECK(store.write(appender.seal({}, {})).ok());
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
  std::filesystem::remove_all(path);
}
// Process CPU time is what the budget speaks of; real time includes the wait for the disk.
BENCHMARK(append_synced)
    ->Arg(1)
    ->Arg(64)
    ->Arg(1024)
    ->Arg(4096)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace worldline::storage
