#include "actors/metric_samples.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace worldline::actors {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

// Writes the samples of one database.
class SampleWriter {
 public:
  SampleWriter(const DatabaseHandle& handle, std::vector<MetricSample>& out)
      : counters_(*handle.counters),
        meter_(handle.counters->meter),
        queue_(*handle.queue),
        database_(handle.database.to_hex()),
        out_(out) {}

  void write() {
    write_own();
    write_functions();
    write_changes();
    write_tables();
    write_subscriptions();
    write_module();
    write_checkpoints();
  }

 private:
  Labels by_db(Labels rest = {}) const { return with("db", std::move(rest)); }
  Labels by_identity(Labels rest = {}) const { return with("database_identity", std::move(rest)); }
  Labels with(const char* name, Labels rest) const {
    rest.emplace_back(name, database_);
    return rest;
  }

  void counter(const char* name, Labels labels, uint64_t value) {
    out_.push_back({name, std::move(labels), static_cast<double>(value), MetricKind::kCounter, {}});
  }
  void gauge(const char* name, Labels labels, double value) {
    out_.push_back({name, std::move(labels), value, MetricKind::kGauge, {}});
  }
  void gauge(const char* name, Labels labels, const std::atomic<uint64_t>& value) {
    gauge(name, std::move(labels), static_cast<double>(value_of(value)));
  }
  void histogram(const char* name, Labels labels, const MeterHistogram& histogram) {
    const MeterBuckets& buckets = histogram.buckets();
    MetricSample sample{name,
                        std::move(labels),
                        static_cast<double>(histogram.sum()) / buckets.units_per_one,
                        MetricKind::kHistogram,
                        {}};
    uint64_t count = 0;
    for (size_t i = 0; i < buckets.bounds.size(); ++i) {
      count += histogram.count(i);
      sample.buckets.push_back(
          {static_cast<double>(buckets.bounds[i]) / buckets.units_per_one, count});
    }
    count += histogram.count(buckets.bounds.size());
    sample.buckets.push_back({std::numeric_limits<double>::infinity(), count});
    out_.push_back(std::move(sample));
  }

  void write_own() {
    const DatabaseCounters& c = counters_;
    counter("worldline_calls_committed_total", by_db(), value_of(c.calls_committed));
    counter("worldline_calls_failed_total", by_db(), value_of(c.calls_failed));
    counter("worldline_immediate_calls_dropped_total", by_db(), value_of(c.immediates_dropped));
    counter("worldline_transactions_total", by_db(), value_of(c.transactions));
    counter("worldline_log_bytes_total", by_db(), value_of(c.log_bytes));
    counter("worldline_drain_micros_total", by_db(), value_of(c.call_micros));
    gauge("worldline_sessions", by_db(), c.sessions);
  }

  void write_functions() {
    meter_.functions().for_each([this](const FunctionFigures& f) {
      const Labels kind = by_db({{"txn_type", workload_name(f.workload)}, {"reducer", f.name}});
      const auto transactions = [&](const char* committed, const std::atomic<uint64_t>& count) {
        Labels labels = kind;
        labels.emplace_back("committed", committed);
        counter("spacetime_num_txns_total", std::move(labels), value_of(count));
      };
      transactions("true", f.committed);
      transactions("false", f.rolled_back);
      // No transaction waits for a lock here, so the two are one figure.
      histogram("spacetime_txn_elapsed_time_sec", kind, f.elapsed);
      histogram("spacetime_txn_cpu_time_sec", kind, f.elapsed);
      if (f.workload != Workload::kReducer) return;
      counter("reducer_wasm_time_usec", by_db({{"reducer", f.name}}), value_of(f.call_micros));
      write_waiting(f);
      if (f.lateness.count_in_all() > 0)
        histogram("spacetime_scheduled_function_delay_seconds", by_db({{"function", f.name}}),
                  f.lateness);
    });
  }

  // Only of calls that clients sent.
  void write_waiting(const FunctionFigures& f) {
    if (f.wait.count_in_all() > 0)
      histogram("spacetime_reducer_wait_time_sec", by_db({{"reducer", f.name}}), f.wait);
    if (f.answered.count_in_all() > 0)
      histogram("spacetime_request_round_trip_time",
                by_identity({{"txn_type", workload_name(f.workload)}, {"reducer_symbol", f.name}}),
                f.answered);
  }

  void write_changes() {
    meter_.functions().for_each([this](const FunctionFigures& f) {
      f.changes.for_each([this, &f](const ChangeFigures& change) {
        const Labels labels = by_db({{"txn_type", workload_name(f.workload)},
                                     {"reducer_or_query", f.name},
                                     {"table_id", std::to_string(change.table.value)},
                                     {"table_name", change.table_name}});
        counter("spacetime_num_rows_inserted_total", labels, value_of(change.rows_inserted));
        counter("spacetime_num_rows_deleted_total", labels, value_of(change.rows_deleted));
        counter("spacetime_num_index_rows_inserted_total", labels,
                value_of(change.index_rows_inserted));
        counter("spacetime_num_index_rows_deleted_total", labels,
                value_of(change.index_rows_deleted));
      });
    });
  }

  void write_tables() {
    meter_.tables().for_each([this](const TableFigures& table) {
      if (!table.exists.load(std::memory_order_relaxed)) return;
      const Labels labels =
          by_db({{"table_id", std::to_string(table.table.value)}, {"table_name", table.name}});
      gauge("spacetime_num_table_rows", labels, table.rows);
      gauge("spacetime_table_size_bytes", labels, table.memory_bytes);
      const Labels named = by_db({{"table_name", table.name}});
      gauge("spacetime_data_size_table_num_rows", named, table.sampled_rows);
      gauge("spacetime_data_size_bytes_used_by_rows", named, table.row_bytes);
      gauge("spacetime_data_size_table_num_rows_in_indexes", named, table.index_rows);
    });
  }

  void write_subscriptions() {
    const DatabaseCounters& c = counters_;
    gauge("spacetime_subscription_connections", by_identity(), c.clients_subscribed);
    gauge("spacetime_subscription_sets", by_identity(), c.query_sets);
    gauge("spacetime_active_queries", by_identity(), c.distinct_queries);
    gauge("spacetime_query_subscriptions", by_identity(), c.subscriptions);
    for (size_t i = 0; i < c.sent_bytes.size(); ++i)
      counter("spacetime_num_bytes_sent_to_clients_total",
              by_db({{"txn_type", sent_for_name(static_cast<SentFor>(i))}}),
              value_of(c.sent_bytes[i]));
    gauge("spacetime_subscription_send_queue_length", by_identity(), c.held_batches);
    counter("spacetime_num_delta_queries_evaluated", by_db(), value_of(c.delta_queries_evaluated));
    counter("spacetime_num_delta_queries_matched", by_db(), value_of(c.delta_queries_matched));
    counter("spacetime_num_queries_subscribed", by_db(), value_of(c.queries_subscribed));
    counter("spacetime_num_new_queries_subscribed", by_db(), value_of(c.new_queries_subscribed));
    counter("spacetime_num_queries_evaluated", by_db({{"workload", "Subscribe"}}),
            value_of(c.queries_evaluated_by_subscribe));
    counter("spacetime_num_queries_evaluated", by_db({{"workload", "Unsubscribe"}}),
            value_of(c.queries_evaluated_by_unsubscribe));
  }

  void write_module() {
    const DatabaseMeter& m = meter_;
    const char* const type = value_of(m.module_is_js) != 0 ? "Js" : "Wasm";
    gauge("spacetime_worker_instance_operation_queue_length", by_identity(),
          static_cast<double>(queue_.size()));
    histogram("spacetime_worker_instance_operation_queue_length_histogram", by_identity(),
              m.queue_lengths);
    gauge("spacetime_module_instances", by_identity({{"module_type", type}}), m.module_count);
    histogram("spacetime_module_create_instance_time_seconds", by_db({{"module_type", type}}),
              m.load_time);
    counter("spacetime_module_host_init_attempts_total", by_identity(), value_of(m.loads));
    counter("spacetime_module_host_init_failures_total", by_identity(), value_of(m.load_failures));
    gauge("spacetime_module_log_file_size_bytes", by_db(), m.module_log_bytes);
    write_heap();
    m.errors().for_each([this](const ErrorFigures& errors) {
      const Labels labels =
          by_identity({{"module_hash", errors.module_hash}, {"reducer_symbol", errors.name}});
      counter("spacetime_worker_wasm_instance_errors_total", labels, value_of(errors.traps));
      counter("spacetime_worker_sender_errors_total", labels, value_of(errors.sender_errors));
    });
  }

  void write_heap() {
    const DatabaseMeter& m = meter_;
    const Labels heap = by_identity({{"worker_kind", "main"}});
    gauge("spacetime_worker_v8_total_heap_size_bytes", heap, m.heap_total_bytes);
    gauge("spacetime_worker_v8_used_heap_size_bytes", heap, m.heap_used_bytes);
    gauge("spacetime_worker_v8_heap_size_limit_bytes", heap, m.heap_limit_bytes);
    gauge("spacetime_worker_v8_external_memory_bytes", heap, m.heap_external_bytes);
    gauge("spacetime_worker_v8_total_physical_size_bytes", heap, m.heap_physical_bytes);
    gauge("spacetime_worker_v8_used_global_handles_size_bytes", heap, m.heap_handle_bytes);
    gauge("spacetime_worker_v8_native_contexts", heap, m.heap_contexts);
    gauge("spacetime_worker_v8_detached_contexts", heap, m.heap_detached_contexts);
    counter("spacetime_worker_v8_heap_limit_hit", by_identity(), value_of(m.heap_limit_hits));
    // One worker executes everything: its queue is the module's.
    gauge("spacetime_worker_v8_request_queue_length", by_identity(),
          static_cast<double>(queue_.size()));
  }

  void write_checkpoints() {
    const DatabaseCounters& c = counters_;
    counter("worldline_checkpoints_total", by_db(), value_of(c.checkpoints));
    counter("worldline_checkpoint_failures_total", by_db(), value_of(c.checkpoint_failures));
    gauge("worldline_checkpoint_failures_in_row", by_db(), c.checkpoint_failures_in_row);
    histogram("spacetime_snapshot_creation_time_total_sec", by_db(), meter_.checkpoint_time);
    const auto seconds = [this](const char* name, const std::atomic<uint64_t>& micros) {
      gauge(name, by_db(), static_cast<double>(value_of(micros)) * 1e-6);
    };
    seconds("spacetime_replay_total_time_seconds", meter_.replay_micros);
    seconds("spacetime_replay_snapshot_restore_time_seconds", meter_.replay_restore_micros);
    seconds("spacetime_replay_commitlog_time_seconds", meter_.replay_log_micros);
    gauge("spacetime_replay_commitlog_num_commits", by_db(), meter_.replay_entries);
  }

  const DatabaseCounters& counters_;  // Borrowed, as are the next two.
  const DatabaseMeter& meter_;
  const WorkQueue& queue_;
  const std::string database_;
  std::vector<MetricSample>& out_;
};

}  // namespace

void append_disk_samples(const DiskBoard& disk, std::vector<MetricSample>& out) {
  const auto gauge = [&out](const char* name, uint64_t value) {
    out.push_back({name, {}, static_cast<double>(value), MetricKind::kGauge, {}});
  };
  gauge("worldline_disk_free_bytes", disk.free_bytes);
  gauge("worldline_disk_total_bytes", disk.total_bytes);
  gauge("worldline_ballast_bytes", disk.ballast_bytes);
  gauge("worldline_disk_stalled", disk.stall == storage::StallLevel::kNone ? 0 : 1);
  out.push_back({"worldline_disk_stalls_total",
                 {},
                 static_cast<double>(disk.stalls),
                 MetricKind::kCounter,
                 {}});
  const storage::SpaceLevel level = disk.space;
  for (const auto& [name, from] : {std::pair{"DISK_WARN", storage::SpaceLevel::kWarning},
                                   {"DISK_SOFT", storage::SpaceLevel::kAlmostFull},
                                   {"DISK_HARD", storage::SpaceLevel::kFull}})
    out.push_back({"worldline_alarm_active",
                   {{"alarm", name}},
                   level >= from ? 1.0 : 0.0,
                   MetricKind::kGauge,
                   {}});
}

// `worldline_replicas_quarantined` is what the alarm of [S 09/5] looks at: each state needs one.
void append_outage_samples(const std::vector<Outage>& outages, std::vector<MetricSample>& out) {
  const auto gauge = [&out](const char* name, const char* label, const char* value, size_t count) {
    out.push_back({name, {}, static_cast<double>(count), MetricKind::kGauge, {}});
    if (label != nullptr) out.back().labels.emplace_back(label, value);
  };
  const auto count_of = [&outages](OutageKind kind) {
    return static_cast<size_t>(
        std::count_if(outages.begin(), outages.end(),
                      [kind](const Outage& outage) { return outage.kind == kind; }));
  };
  for (const OutageKind kind :
       {OutageKind::kQuarantined, OutageKind::kFrozen, OutageKind::kDamaged, OutageKind::kStopped})
    gauge("worldline_databases_out_of_service", "state", outage_name(kind), count_of(kind));
  gauge("worldline_replicas_quarantined", nullptr, nullptr,
        outages.size() - count_of(OutageKind::kStopped));
  gauge("worldline_alarm_active", "alarm", "CORRUPT", outages.empty() ? 0 : 1);
}

void append_metric_samples(const DatabaseHandle& handle, std::vector<MetricSample>& out) {
  SampleWriter(handle, out).write();
}

}  // namespace worldline::actors
