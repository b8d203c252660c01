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
//   spacetime_replay_snapshot_{read_time_seconds,num_objects_read,num_absent_pages,
//     bytes_read_from_disk,hash_time_seconds}, spacetime_snapshot_compression_*
//                                   a checkpoint is rows of a store, not files of objects
//   spacetime_snapshot_creation_time_{inner,fsync}_sec    one write, nothing to split
//   spacetime_data_size_blob_store_*, spacetime_data_size_table_bytes_used_by_index_keys
//                                   no shared blobs; keys are not sized by themselves
//   spacetime_durability_blocking_send_duration_sec       never observed there either
//   reducer_wasmtime_fuel_used      time is the budget
//   spacetime_worker_wasm_memory_bytes, view_*, spacetime_procedure_*    no such functions yet
//   jemalloc_*, page_pool_*, bsatn_rlb_pool_*, tokio_*    other allocator and runtime
// because measuring them would cost each row or system call more than they tell:
//   spacetime_num_{rows_scanned,bytes_scanned,bytes_written,index_seeks}_total,
//   reducer_abi_time_usec           a clock or a counter in each system call of a fraction of 1 us
//   spacetime_num_duplicate_rows_*  each row of an update would have to be compared
//   spacetime_websocket_{sent_num_rows,serialize_secs}    rows are spliced, uncounted, into frames
// and because the pure rooms that know them neither read a clock nor name plans:
//   spacetime_subscription_compile_time_sec    compiled and first evaluated in one step of query
//   spacetime_subscription_{rows_examined,query_execution_time_micros,queries_total}    their
//   labels
//                                   are parts of a plan, which query keeps to itself
//   spacetime_reducer_plus_query_duration_sec  the two run on different threads and overlap
// tests/conformance/metrics.test.mjs compares a page with the chapter's whole list.
#pragma once

#include <vector>

#include "actors/database_handle.h"
#include "actors/disk_board.h"
#include "actors/messages.h"

namespace worldline::actors {

// Of the node itself, by the names of [S 09/5].
void append_disk_samples(const DiskBoard& disk, std::vector<MetricSample>& out);
void append_outage_samples(const std::vector<Outage>& outages, std::vector<MetricSample>& out);
void append_metric_samples(const DatabaseHandle& handle, std::vector<MetricSample>& out);

}  // namespace worldline::actors
