// actors/metric_samples.h
//
// What the metrics page shows of a running database: the figures its actors keep, under the names,
// labels and types of [S 05/6] and, for what only this product has, under `worldline_`.
//
// Invariants: a name always has the same labels and type. Thread: any; reads atomics. Units: as the
// names say.
//
// Named in [S 05/6] and not here, because what they count does not exist in this product:
//   spacetime_subscription_lock_*, spacetime_legacy_subscriptions    no lock; no v1 subscriptions
//   spacetime_message_log_size_*    all databases share one log: worldline_log_bytes_total instead
//   spacetime_replay_snapshot_*, spacetime_snapshot_compression_*    snapshots as files of pages
//   spacetime_snapshot_creation_time_{inner,fsync}_sec               one write, nothing to split
//   spacetime_data_size_blob_store_*, spacetime_data_size_table_bytes_used_by_index_keys
//                                                  no shared blobs; keys are not sized by
//                                                  themselves
//   spacetime_durability_blocking_send_duration_sec                  never observed there either
//   reducer_wasmtime_fuel_used, spacetime_worker_v8_heap_limit_hit   time is the budget; see traps
//   spacetime_worker_wasm_memory_bytes, view_*, spacetime_procedure_*    no such functions yet
//   jemalloc_*, page_pool_*, bsatn_rlb_pool_*, tokio_*               other allocator and runtime
//   spacetime_worker_v8_{request_queue_length,native_contexts,detached_contexts},
//   spacetime_worker_v8_{total_physical_size,used_global_handles_size}_bytes   HeapStats lacks them
// and because measuring them would cost each row, call or message more than they tell:
//   spacetime_num_{rows_scanned,bytes_scanned,bytes_written,index_seeks}_total,
//   reducer_abi_time_usec, spacetime_reducer_wait_time_sec, spacetime_request_round_trip_time,
//   spacetime_reducer_plus_query_duration_sec, spacetime_num_bytes_sent_to_clients_total,
//   spacetime_num_duplicate_rows_*, spacetime_subscription_compile_time_sec,
//   spacetime_subscription_{rows_examined,query_execution_time_micros,queries_total},
//   spacetime_query_subscriptions, spacetime_websocket_{sent_num_rows,serialize_secs},
//   spacetime_replay_{commitlog_time_seconds,snapshot_restore_time_seconds}
// tests/conformance/metrics.test.mjs compares a page with the list.
#pragma once

#include <vector>

#include "actors/database_handle.h"
#include "actors/messages.h"

namespace worldline::actors {

void append_metric_samples(const DatabaseHandle& handle, std::vector<MetricSample>& out);

}  // namespace worldline::actors
