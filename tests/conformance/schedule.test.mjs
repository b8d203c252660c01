// Scheduled tables: one-shot and interval, cancelling, failing, and coming back after a restart.
import { assert, eventually, sleep, test } from './harness.mjs';

const MS = 1000n;

test('a one-shot row fires once at its time and is gone', async t => {
  const client = await (await t.publish('timers')).connect();
  await client.subscribe('SELECT * FROM fired', 'SELECT * FROM one_shot');
  const begin = BigInt(Date.now()) * MS;
  await client.reducers.after({ micros: 200n * MS, tag: 'once' });
  assert.equal(client.rows('oneShot').length, 1);
  assert.equal(client.rows('fired').length, 0);
  await eventually(() => client.rows('fired').length === 1, 'the firing');
  const [fired] = client.rows('fired');
  assert.equal(fired.tag, 'once');
  assert.equal(fired.token, false);
  assert.equal(fired.connected, false);
  assert.ok(fired.moment.microsSinceUnixEpoch >= begin + 150n * MS, 'not before its time');
  await eventually(() => client.rows('oneShot').length === 0, 'the row gone');
  await sleep(300);
  assert.equal(client.rows('fired').length, 1);
});

test('the sender of a scheduled reducer is the database', async t => {
  const db = await t.publish('timers');
  await db.call('after', [0, 'who']);
  const [[who]] = await eventually(async () => {
    const rows = await db.rows('SELECT sender FROM fired');
    return rows.length ? rows : null;
  });
  const { send } = await import('./http_api.mjs');
  const identity = await send('GET', `${db.url}/v1/database/${db.name}/identity`);
  assert.equal(who[0], `0x${identity.text}`);
});

test('an interval row fires again and again until its row is deleted', async t => {
  const client = await (await t.publish('timers')).connect();
  await client.subscribe('SELECT * FROM fired', 'SELECT * FROM repeat');
  await client.reducers.every({ micros: 50n * MS, tag: 'beat' });
  await eventually(() => client.rows('fired').length >= 5, 'five beats');
  assert.equal(client.rows('repeat').length, 1);
  await client.reducers.cancel({ tag: 'beat' });
  const beats = client.rows('fired').length;
  await sleep(300);
  assert.ok(client.rows('fired').length <= beats + 1, 'it stops');
  const times = client
    .rows('fired')
    .map(row => row.moment.microsSinceUnixEpoch)
    .sort((a, b) => (a < b ? -1 : 1));
  for (let i = 1; i < times.length; i++) assert.ok(times[i] > times[i - 1]);
});

test('an interval reducer that deletes its own row stops', async t => {
  const client = await (await t.publish('timers')).connect();
  await client.subscribe('SELECT * FROM fired', 'SELECT * FROM repeat');
  await client.reducers.every({ micros: 20n * MS, tag: 'stops itself' });
  await eventually(() => client.rows('repeat').length === 0 && client.rows('fired').length === 1);
  await sleep(200);
  assert.equal(client.rows('fired').length, 1);
});

test('a one-shot that was deleted in time does not fire', async t => {
  const client = await (await t.publish('timers')).connect();
  await client.subscribe('SELECT * FROM fired');
  await client.reducers.after({ micros: 300n * MS, tag: 'cancelled' });
  await client.reducers.cancel({ tag: 'cancelled' });
  await client.reducers.after({ micros: 500n * MS, tag: 'later' });
  await eventually(() => client.rows('fired').length > 0, 'the later one');
  assert.deepEqual(
    client.rows('fired').map(row => row.tag),
    ['later'],
  );
});

test('a schedule armed by a failed reducer fires nothing', async t => {
  const db = await t.publish('timers');
  const answer = await db.call('arm_and_fail', ['ghost']);
  assert.equal(answer.status, 530);
  assert.equal(answer.text, 'armed nothing');
  await sleep(200);
  assert.deepEqual(await db.rows('SELECT * FROM fired'), []);
});

test('a failing scheduled reducer stops neither the schedule nor the server (R19)', async t => {
  const db = await t.publish('timers');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM fired', 'SELECT * FROM failing');
  await client.reducers.failEvery({ micros: 40n * MS, how: 'panic' });
  await client.reducers.failEvery({ micros: 40n * MS, how: 'sender' });
  await client.reducers.failOnce({ how: 'panic' });
  const failures = async pattern =>
    (await db.logs()).filter(({ message }) => pattern.test(message)).length;
  await eventually(async () => (await failures(/scheduled panic/)) >= 3, 'three panics logged');
  await eventually(async () => (await failures(/scheduled refusal/)) >= 3, 'three refusals logged');
  await eventually(() => client.rows('failing').length === 2, 'the failed one-shot is removed');
  assert.equal(client.rows('fired').length, 0, 'nothing of a failed run is kept');
  await client.reducers.after({ micros: 0n, tag: 'alive' });
  await eventually(
    () => client.rows('fired').some(row => row.tag === 'alive'),
    'others still fire',
  );
});

test('a delay beyond 64^6 ms is refused inside the reducer', async t => {
  const db = await t.publish('timers');
  const answer = await db.call('too_far');
  assert.equal(answer.status, 530);
  assert.deepEqual(await db.rows('SELECT * FROM one_shot'), []);
});

test('nobody but the owner may call a scheduled reducer', async t => {
  const db = await t.publish('timers');
  const { newIdentity, call } = await import('./http_api.mjs');
  const stranger = await newIdentity(db.url);
  const answer = await call(db.url, db.name, 'fire_once', [[0, [1, [0]], 'x']], {
    token: stranger.token,
  });
  assert.equal(answer.status, 404);
  assert.equal(answer.text, 'No such procedure');
});

test('schedules come back after a restart: what is due fires at once', async t => {
  const server = await t.startServer();
  const db = await t.publish('timers', { url: server.url });
  await db.call('after', [1_500_000, 'over the restart']);
  await db.call('every', [100_000, 'beat']);
  await eventually(async () => (await db.rows('SELECT * FROM fired')).length >= 2);
  await server.restart();
  await eventually(
    async () => (await db.rows("SELECT * FROM fired WHERE tag = 'over the restart'")).length === 1,
    'the one-shot',
  );
  const beats = (await db.rows("SELECT * FROM fired WHERE tag = 'beat'")).length;
  await eventually(
    async () => (await db.rows("SELECT * FROM fired WHERE tag = 'beat'")).length > beats,
    'beats go on',
  );
});
