// The metrics page against chapter 05, section 6 (row 28 of its acceptance list).
import { bundle } from './bundle.mjs';
import { assert, eventually, test } from './harness.mjs';
import * as http from './http_api.mjs';

const DB = ['db'];
const IDENTITY = ['database_identity'];
const TX = ['db', 'reducer', 'txn_type'];
const CHANGES = ['db', 'reducer_or_query', 'table_id', 'table_name', 'txn_type'];
const TABLE = ['db', 'table_id', 'table_name'];
const HEAP = ['database_identity', 'worker_kind'];
const ERRORS = ['database_identity', 'module_hash', 'reducer_symbol'];
const PROTOCOL = ['database_identity', 'protocol'];

// Every metric of the chapter that this server has; actors/metric_samples.h says why not the rest.
const EXPECTED = {
  spacetime_num_table_rows: ['gauge', TABLE],
  spacetime_table_size_bytes: ['gauge', TABLE],
  spacetime_num_rows_inserted_total: ['counter', CHANGES],
  spacetime_num_rows_deleted_total: ['counter', CHANGES],
  spacetime_num_index_rows_inserted_total: ['counter', CHANGES],
  spacetime_num_index_rows_deleted_total: ['counter', CHANGES],
  spacetime_num_txns_total: ['counter', ['committed', ...TX]],
  spacetime_txn_elapsed_time_sec: ['histogram', TX],
  spacetime_txn_cpu_time_sec: ['histogram', TX],
  spacetime_module_log_file_size_bytes: ['gauge', DB],
  reducer_wasm_time_usec: ['counter', ['db', 'reducer']],
  spacetime_num_bytes_sent_to_clients_total: ['counter', ['db', 'txn_type']],
  spacetime_query_subscriptions: ['gauge', IDENTITY],
  spacetime_num_delta_queries_evaluated: ['counter', DB],
  spacetime_num_delta_queries_matched: ['counter', DB],
  spacetime_subscription_connections: ['gauge', IDENTITY],
  spacetime_subscription_sets: ['gauge', IDENTITY],
  spacetime_num_queries_subscribed: ['counter', DB],
  spacetime_num_new_queries_subscribed: ['counter', DB],
  spacetime_num_queries_evaluated: ['counter', ['db', 'workload']],
  spacetime_http_response_size_bytes_total: ['counter', DB],
  spacetime_data_size_table_num_rows: ['gauge', ['db', 'table_name']],
  spacetime_data_size_bytes_used_by_rows: ['gauge', ['db', 'table_name']],
  spacetime_data_size_table_num_rows_in_indexes: ['gauge', ['db', 'table_name']],
  spacetime_replay_total_time_seconds: ['gauge', DB],
  spacetime_replay_commitlog_num_commits: ['gauge', DB],
  spacetime_replay_commitlog_time_seconds: ['gauge', DB],
  spacetime_replay_snapshot_restore_time_seconds: ['gauge', DB],
  spacetime_snapshot_creation_time_total_sec: ['histogram', DB],
  spacetime_worker_connected_clients: ['gauge', IDENTITY],
  spacetime_worker_ws_clients_spawned: ['gauge', IDENTITY],
  spacetime_worker_ws_clients_aborted: ['gauge', IDENTITY],
  spacetime_worker_ws_clients_closed_connection: ['gauge', IDENTITY],
  spacetime_worker_ws_clients_idle_timed_out_total: ['counter', IDENTITY],
  spacetime_worker_ws_client_disconnections_total: ['counter', ['cause', ...IDENTITY]],
  spacetime_worker_ws_client_rejections_total: ['counter', ['cause', ...IDENTITY]],
  spacetime_websocket_requests_total: ['counter', PROTOCOL],
  spacetime_websocket_request_msg_size: ['histogram', PROTOCOL],
  spacetime_websocket_sent_msg_size_bytes: ['histogram', DB],
  spacetime_websocket_pong_rtt_secs: ['histogram', DB],
  spacetime_worker_instance_operation_queue_length: ['gauge', IDENTITY],
  spacetime_worker_instance_operation_queue_length_histogram: ['histogram', IDENTITY],
  spacetime_module_instances: ['gauge', ['database_identity', 'module_type']],
  spacetime_module_host_init_attempts_total: ['counter', IDENTITY],
  spacetime_module_host_init_failures_total: ['counter', IDENTITY],
  spacetime_module_create_instance_time_seconds: ['histogram', ['db', 'module_type']],
  spacetime_scheduled_function_delay_seconds: ['histogram', ['db', 'function']],
  spacetime_worker_wasm_instance_errors_total: ['counter', ERRORS],
  spacetime_worker_sender_errors_total: ['counter', ERRORS],
  spacetime_worker_v8_total_heap_size_bytes: ['gauge', HEAP],
  spacetime_worker_v8_used_heap_size_bytes: ['gauge', HEAP],
  spacetime_worker_v8_heap_size_limit_bytes: ['gauge', HEAP],
  spacetime_worker_v8_external_memory_bytes: ['gauge', HEAP],
  spacetime_worker_v8_total_physical_size_bytes: ['gauge', HEAP],
  spacetime_worker_v8_used_global_handles_size_bytes: ['gauge', HEAP],
  spacetime_worker_v8_native_contexts: ['gauge', HEAP],
  spacetime_worker_v8_detached_contexts: ['gauge', HEAP],
  spacetime_worker_v8_heap_limit_hit: ['counter', IDENTITY],
  spacetime_worker_v8_request_queue_length: ['gauge', IDENTITY],
  spacetime_reducer_wait_time_sec: ['histogram', ['db', 'reducer']],
  spacetime_request_round_trip_time: [
    'histogram',
    ['database_identity', 'reducer_symbol', 'txn_type'],
  ],
  spacetime_active_queries: ['gauge', IDENTITY],
  spacetime_subscription_send_queue_length: ['gauge', IDENTITY],
  spacetime_total_incoming_queue_length: ['gauge', DB],
  spacetime_total_outgoing_queue_length: ['gauge', DB],
  spacetime_client_outgoing_queue_disconnects_total: ['counter', DB],
  process_cpu_seconds_total: ['counter', []],
  process_threads: ['gauge', []],
  process_open_fds: ['gauge', []],
  process_max_fds: ['gauge', []],
  process_virtual_memory_bytes: ['gauge', []],
  process_resident_memory_bytes: ['gauge', []],
  process_start_time_seconds: ['gauge', []],
};

// The rest of the chapter; actors/metric_samples.h has the reasons.
const ABSENT = `
  spacetime_num_rows_scanned_total spacetime_num_bytes_scanned_total
  spacetime_num_bytes_written_total spacetime_num_index_seeks_total
  spacetime_message_log_size_bytes spacetime_message_log_size_blocks
  reducer_wasmtime_fuel_used reducer_abi_time_usec view_call_time_usec view_total_time_usec
  view_calls view_calls_triggered_by_reducer spacetime_num_duplicate_rows_evaluated
  spacetime_num_duplicate_rows_sent spacetime_legacy_subscriptions
  spacetime_subscription_compile_time_sec spacetime_subscription_lock_num_waiters
  spacetime_subscription_lock_wait_time_sec spacetime_procedure_http_request_size_bytes
  spacetime_procedure_http_response_size_bytes spacetime_procedure_num_http_requests
  spacetime_procedure_num_successful_http_requests spacetime_procedure_num_failed_http_requests
  spacetime_procedure_num_timeout_http_requests spacetime_procedure_num_in_progress_http_requests
  spacetime_data_size_table_bytes_used_by_index_keys spacetime_data_size_blob_store_num_blobs
  spacetime_data_size_blob_store_bytes_used_by_blobs spacetime_replay_snapshot_read_time_seconds
  spacetime_replay_snapshot_num_objects_read spacetime_replay_snapshot_num_absent_pages
  spacetime_replay_snapshot_bytes_read_from_disk spacetime_replay_snapshot_hash_time_seconds
  spacetime_snapshot_creation_time_inner_sec spacetime_snapshot_creation_time_fsync_sec
  spacetime_snapshot_compression_time_total_sec spacetime_snapshot_compression_time_inner_sec
  spacetime_snapshot_compression_time_per_snapshot_sec spacetime_snapshot_compression_skipped
  spacetime_snapshot_compression_compressed spacetime_snapshot_compression_objects_compressed
  spacetime_snapshot_compression_objects_hardlinked spacetime_durability_blocking_send_duration_sec
  spacetime_websocket_sent_num_rows spacetime_websocket_serialize_secs
  jemalloc_active_bytes jemalloc_allocated_bytes jemalloc_resident_bytes page_pool_resident_bytes
  page_pool_dropped_pages page_pool_new_pages_allocated page_pool_pages_reused
  page_pool_pages_returned bsatn_rlb_pool_resident_bytes bsatn_rlb_pool_dropped
  bsatn_rlb_pool_new_allocated bsatn_rlb_pool_reused bsatn_rlb_pool_returned tokio_num_workers
  tokio_num_blocking_threads tokio_num_idle_blocking_threads tokio_num_alive_tasks
  tokio_global_queue_depth tokio_blocking_queue_depth tokio_local_queue_depth_total
  tokio_local_queue_depth_max tokio_local_queue_depth_min tokio_spawned_tasks_count
  tokio_remote_schedule_count tokio_steal_total tokio_steal_operations_total
  tokio_local_schedule_total tokio_overflow_total tokio_busy_ratio_min tokio_busy_ratio_max
  tokio_busy_ratio_avg tokio_mean_polls_per_park spacetime_worker_wasm_memory_bytes
  spacetime_reducer_plus_query_duration_sec spacetime_subscription_rows_examined
  spacetime_subscription_query_execution_time_micros spacetime_subscription_queries_total
`
  .trim()
  .split(/\s+/);

/** The page as {types: {name: type}, series: [{name, labels, value}]}. */
async function scrape(url) {
  const page = await http.send('GET', `${url}/v1/metrics`);
  assert.equal(page.status, 200);
  const types = {};
  const series = [];
  for (const line of page.text.split('\n')) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type) {
      assert.ok(!(type[1] in types), `${type[1]} is on the page twice`);
      types[type[1]] = type[2];
    } else if (line !== '' && !line.startsWith('#')) {
      const [, name, inside = '', value] = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
      const labels = Object.fromEntries(
        [...inside.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(found => found.slice(1, 3)),
      );
      series.push({ name, labels, value: Number(value) });
    }
  }
  return { types, series };
}

/** The one value whose labels include those given. */
function value(page, name, labels = {}) {
  const found = page.series.filter(
    one =>
      one.name === name && Object.entries(labels).every(([key, text]) => one.labels[key] === text),
  );
  assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)}: ${found.length} series`);
  return found[0].value;
}

test('the metrics page has the names, labels and types of the specification', async t => {
  const server = await t.startServer();
  const db = await t.publish('chat', { url: server.url });
  const timers = await t.publish('timers', { url: server.url });
  assert.equal((await timers.call('after', [0, 'due'])).status, 200);
  await eventually(async () => (await timers.rows('SELECT * FROM fired')).length > 0, 'the timer');
  assert.equal((await db.raw({ protocols: ['nonsense'] })).status, 400);
  const client = await db.connect();
  await client.subscribe('SELECT * FROM message');
  await client.reducers.say({ room: 1, text: 'counted' });
  await client.reducers.setName({ name: '' }).catch(() => {});
  client.disconnect();
  const page = await eventually(async () => {
    const now = await scrape(server.url);
    const ended = now.series.some(one => one.name.endsWith('_client_disconnections_total'));
    return ended && now;
  }, 'the end of the connection');
  const seen = {};
  for (const [name, type] of Object.entries(page.types)) {
    if (name.startsWith('worldline_')) continue; // Ours; the specification knows none of them.
    const own = page.series.filter(({ name: one }) =>
      type === 'histogram' ? one === `${name}_count` : one === name,
    );
    const labels = new Set(own.map(one => Object.keys(one.labels).sort().join()));
    if (own.length > 0) seen[name] = [type, [...labels].join(' or ')];
  }
  const expected = Object.fromEntries(
    Object.entries(EXPECTED).map(([name, [type, labels]]) => [
      name,
      [type, [...labels].sort().join()],
    ]),
  );
  assert.deepEqual(
    Object.fromEntries(Object.entries(seen).sort()),
    Object.fromEntries(Object.entries(expected).sort()),
  );
});

test('the figures of a database are those of its calls', async t => {
  const server = await t.startServer();
  const db = await t.publish('chat', { url: server.url });
  const client = await db.connect();
  await client.subscribe('SELECT * FROM message');
  await client.reducers.sayMany({ room: 1, text: 'a line', count: 7 });
  await client.reducers.unsay({ id: 3n });
  await client.reducers.unsay({ id: 3n }).catch(() => {});
  const page = await eventually(async () => {
    const now = await scrape(server.url);
    const labels = { reducer_symbol: 'unsay' };
    const answered = value(now, 'spacetime_request_round_trip_time_count', labels) === 2;
    // The node puts work of its own into the queue as well, such as looking at the heap.
    return answered && value(now, 'spacetime_worker_v8_request_queue_length', {}) === 0 && now;
  }, 'the last answer counted, and nothing queued');
  const changed = { reducer_or_query: 'say_many', table_name: 'message' };
  for (const [name, labels, expected] of [
    ['spacetime_num_rows_inserted_total', changed, 7],
    ['spacetime_num_rows_deleted_total', changed, 0],
    ['spacetime_num_index_rows_inserted_total', changed, 14],
    ['spacetime_num_rows_deleted_total', { ...changed, reducer_or_query: 'unsay' }, 1],
    ['spacetime_num_table_rows', { table_name: 'message' }, 6],
    ['spacetime_num_txns_total', { reducer: 'say_many', committed: 'true' }, 1],
    ['spacetime_num_txns_total', { reducer: 'unsay', committed: 'true' }, 1],
    ['spacetime_num_txns_total', { reducer: 'unsay', committed: 'false' }, 1],
    ['spacetime_txn_elapsed_time_sec_count', { reducer: 'unsay' }, 2],
    ['spacetime_worker_sender_errors_total', { reducer_symbol: 'unsay' }, 1],
    ['spacetime_worker_wasm_instance_errors_total', { reducer_symbol: 'unsay' }, 0],
    ['spacetime_reducer_wait_time_sec_count', { reducer: 'unsay' }, 2],
    ['spacetime_request_round_trip_time_count', { reducer_symbol: 'unsay' }, 2],
    ['spacetime_request_round_trip_time_count', { reducer_symbol: 'say_many' }, 1],
    ['spacetime_query_subscriptions', {}, 1],
    ['spacetime_worker_v8_heap_limit_hit', {}, 0],
    ['spacetime_num_queries_subscribed', {}, 1],
    ['spacetime_num_new_queries_subscribed', {}, 1],
    ['spacetime_num_delta_queries_matched', {}, 2],
    ['spacetime_subscription_connections', {}, 1],
    ['spacetime_module_instances', { module_type: 'Js' }, 1],
    ['spacetime_module_host_init_failures_total', {}, 0],
  ])
    assert.equal(value(page, name, labels), expected, `${name} ${JSON.stringify(labels)}`);
  for (const [name, labels] of [
    ['spacetime_num_bytes_sent_to_clients_total', { txn_type: 'Reducer' }],
    ['spacetime_num_bytes_sent_to_clients_total', { txn_type: 'Subscribe' }],
    ['spacetime_worker_v8_native_contexts', {}],
    ['spacetime_worker_v8_total_physical_size_bytes', {}],
  ])
    assert.ok(value(page, name, labels) > 0, `${name} ${JSON.stringify(labels)}`);
  // A call of what does not exist leaves no series.
  await db.call('no_such_reducer');
  const after = await scrape(server.url);
  assert.ok(!after.series.some(one => one.labels.reducer === 'no_such_reducer'));
});

test('every metric of the chapter is either shown or explained', () => {
  const shown = Object.keys(EXPECTED);
  assert.deepEqual(
    ABSENT.filter(name => shown.includes(name)),
    [],
  );
  assert.equal(new Set(ABSENT).size, ABSENT.length);
});

test('messages sent are counted one by one, whatever they are sent with', async t => {
  const server = await t.startServer();
  const db = await t.publish('chat', { url: server.url });
  const client = await db.raw({ protocols: ['v2.bsatn.spacetimedb'] });
  const identity = (await http.send('GET', `${server.url}/v1/database/${db.name}/identity`)).text;
  const calls = Array.from({ length: 20 }, (_, i) => client.call(`no_such_reducer_${i}`));
  for (const request of calls) await client.answer(request);
  const page = await eventually(async () => {
    const now = await scrape(server.url);
    const count = value(now, 'spacetime_websocket_sent_msg_size_bytes_count', { db: identity });
    return count === 21 && now; // The greeting too.
  }, 'twenty-one messages');
  const sent = client.frames.reduce((sum, frame) => sum + frame.wireBytes, 0);
  assert.equal(
    value(page, 'spacetime_websocket_sent_msg_size_bytes_sum', { db: identity }),
    sent,
  );
});

test('refusals are counted by cause, a connection id in use among them', async t => {
  const server = await t.startServer();
  const db = await t.publish('gate', { url: server.url });
  const query = { connection_id: '000102030405060708090a0b0c0d0e0f' };
  const first = await db.raw({ query });
  assert.equal((await (await db.raw({ query, greeting: false })).whenClosed()).code, 1006);
  assert.equal((await db.call('set_gate', [false, false])).status, 200);
  assert.equal((await (await db.raw({ greeting: false })).whenClosed()).code, 1006);
  assert.equal((await db.raw({ token: 'no.to.ken' })).status, 401);
  assert.equal((await db.raw({ headers: { 'Sec-WebSocket-Version': '12' } })).status, 400);
  assert.equal((await db.raw({ protocols: ['nonsense'] })).status, 400);
  const page = await scrape(server.url);
  for (const cause of [
    'client_connected_error',
    'client_connected_rejected',
    'authorization_failed',
    'websocket_upgrade_error',
    'invalid_protocol',
  ])
    assert.equal(value(page, 'spacetime_worker_ws_client_rejections_total', { cause }), 1, cause);
  first.close();
});

test('databases that come and go leave no series, however many they are', async t => {
  const server = await t.startServer({ flags: ['--set', 'metrics.max-databases=2'] });
  const owner = await http.newIdentity(server.url);
  const program = await bundle('chat');
  const at = `${server.url}/v1/database/comes-and-goes`;
  for (let i = 0; i < 4; i++) {
    const name = `comes-and-goes-${i}`;
    const made = await http.publish(server.url, name, program, { token: owner.token });
    assert.equal(made.status, 200, made.text);
    assert.equal((await http.sql(server.url, name, 'SELECT * FROM message', owner)).status, 200);
    const identity = made.json().Success.database_identity;
    const shows = async () =>
      (await scrape(server.url)).series.some(
        one => one.labels.db === identity || one.labels.database_identity === identity,
      );
    assert.ok(await shows(), `database ${i} has series of its own`);
    const headers = http.bearer(owner.token);
    assert.equal((await http.send('DELETE', `${at}-${i}`, { headers })).status, 200);
    assert.ok(!(await shows()), `database ${i} has left the page`);
  }
  const page = await scrape(server.url);
  assert.ok(!page.series.some(one => one.labels.db === '_other'));
});
