// One client, then two: connect, subscribe, call, update, unsubscribe, and who sees what.
import { Writer, encode } from './bsatn.mjs';
import { assert, eventually, rejected, sleep, test } from './harness.mjs';

const text = (room, said) => new Writer().u32(room).string(said).end();

test('a client connects, subscribes, calls, sees the update and unsubscribes', async t => {
  const client = await (await t.publish('chat')).connect();
  const seen = [];
  client.db.message.onInsert((_, row) => seen.push(`+${row.text}`));
  client.db.message.onUpdate((_, old, row) => seen.push(`${old.text}>${row.text}`));
  client.db.message.onDelete((_, row) => seen.push(`-${row.text}`));
  const handle = await client.subscribe('SELECT * FROM message');
  assert.equal(client.rows('message').length, 0);
  await client.reducers.say({ room: 1, text: 'hello' });
  const [row] = client.rows('message');
  assert.equal(row.text, 'hello');
  assert.equal(row.room, 1);
  assert.equal(row.id, 1n);
  assert.equal(row.sender.toHexString(), client.identity.toHexString());
  await client.reducers.edit({ id: row.id, text: 'changed' });
  assert.equal(client.db.message.id.find(row.id).text, 'changed');
  await client.reducers.unsay({ id: row.id });
  assert.equal(client.rows('message').length, 0);
  assert.deepEqual(seen, ['+hello', 'hello>changed', '-changed']);
  await client.reducers.say({ room: 1, text: 'kept' });
  await client.unsubscribe(handle);
  assert.equal(client.rows('message').length, 0, 'unsubscribing empties the cache');
  await client.reducers.say({ room: 1, text: 'unseen' });
  assert.equal(client.rows('message').length, 0);
});

test('typed queries of the query builder select what they say', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  await client.reducers.sayMany({ room: 1, text: 'one', count: 3 });
  await client.reducers.sayMany({ room: 2, text: 'two', count: 5 });
  await client.subscribe(client.queries.message.where(row => row.room.eq(2)));
  assert.equal(client.rows('message').length, 5);
  await client.reducers.say({ room: 1, text: 'other room' });
  await client.reducers.say({ room: 2, text: 'this room' });
  assert.equal(client.rows('message').length, 6);
});

test('subscribeToAllTables fills every public table', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  await client.reducers.say({ room: 7, text: 'all' });
  const applied = new Promise(resolve =>
    client.connection.subscriptionBuilder().onApplied(resolve).subscribeToAllTables(),
  );
  await applied;
  assert.equal(client.rows('message').length, 1);
  assert.equal(client.rows('counter').length, 1);
  await client.reducers.setName({ name: 'Ann' });
  assert.equal(client.rows('user')[0].name, 'Ann');
});

test('two clients see each other, in the order of the transactions', async t => {
  const db = await t.publish('chat');
  const [ann, bob] = [await db.connect(), await db.connect()];
  await ann.subscribe('SELECT * FROM message');
  await bob.subscribe('SELECT * FROM message');
  const order = [];
  bob.db.message.onInsert((_, row) => order.push(row.text));
  for (let i = 0; i < 20; i++) await (i % 2 ? ann : bob).reducers.say({ room: 0, text: `${i}` });
  await eventually(() => order.length === 20, 'all messages at bob');
  assert.deepEqual(
    order,
    Array.from({ length: 20 }, (_, i) => `${i}`),
  );
  await eventually(() => ann.rows('message').length === 20);
  const senders = new Set(ann.rows('message').map(row => row.sender.toHexString()));
  assert.deepEqual(senders, new Set([ann, bob].map(client => client.identity.toHexString())));
});

test('a token brings the same identity back, no token a new one', async t => {
  const db = await t.publish('chat');
  const first = await db.connect();
  const again = await db.connect({ token: first.token });
  assert.equal(again.identity.toHexString(), first.identity.toHexString());
  assert.notEqual(
    again.connection.connectionId.toHexString(),
    first.connection.connectionId.toHexString(),
  );
  const other = await db.connect();
  assert.notEqual(other.identity.toHexString(), first.identity.toHexString());
  assert.match(first.identity.toHexString(), /^c200[0-9a-f]{60}$/);
  const owner = await db.connect({ token: db.owner.token });
  assert.equal(owner.identity.toHexString(), db.owner.identity);
});

test('a second connection of one identity is an ordinary subscriber', async t => {
  const db = await t.publish('chat');
  const one = await db.raw();
  const two = await db.raw({ token: one.hello.token });
  assert.equal(one.hello.identity, two.hello.identity);
  one.subscribe(0, 'SELECT * FROM message');
  two.subscribe(0, 'SELECT * FROM message');
  await one.take('SubscribeApplied');
  await two.take('SubscribeApplied');
  const request = one.call('say', text(1, 'hi'));
  const result = await one.answer(request);
  assert.equal(result.outcome, 'Ok');
  assert.equal(result.value.length, 0);
  assert.equal(result.sets[0].tables[0].rows[0].inserts.length, 1);
  const update = await two.take('TransactionUpdate');
  assert.deepEqual(
    update.sets[0].tables[0].rows[0].inserts,
    result.sets[0].tables[0].rows[0].inserts,
  );
  await sleep(100);
  assert.deepEqual(one.messages, [], 'the caller gets no update beside its result');
});

test('overlapping query sets each report a row once per matching query', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  client.subscribe(3, 'SELECT * FROM message WHERE room = 1', 'SELECT * FROM message');
  await client.take('SubscribeApplied');
  client.subscribe(1, 'SELECT * FROM message');
  await client.take('SubscribeApplied');
  const result = await client.answer(client.call('say', text(1, 'x')));
  assert.deepEqual(
    result.sets.map(({ set }) => set),
    [1, 3],
  );
  assert.deepEqual(
    result.sets.map(({ tables }) =>
      tables.flatMap(table => table.rows.map(rows => rows.inserts.length)),
    ),
    [[1], [1, 1]],
  );
  client.send(encode.unsubscribe(++client.requests, 3));
  const dropped = await client.take('UnsubscribeApplied');
  assert.deepEqual(
    dropped.tables.map(({ rows }) => rows.length),
    [1, 1],
  );
  const later = await client.answer(client.call('say', text(1, 'y')));
  assert.deepEqual(
    later.sets.map(({ set }) => set),
    [1],
  );
});

test('a call and a subscribe in one frame are answered in order, the row once', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  client.send(
    Buffer.concat([
      encode.callReducer(1, 'say', text(1, 'first')),
      encode.subscribe(2, 0, ['SELECT * FROM message']),
      encode.callReducer(3, 'say', text(1, 'second')),
    ]),
  );
  const kinds = [];
  const rows = [];
  for (const request of [1, 2, 3]) {
    const message = await client.take(() => true);
    assert.equal(message.request, request);
    kinds.push(message.kind);
    if (message.tables) rows.push(message.tables[0].rows.length);
    if (message.sets) rows.push(message.sets.length);
  }
  assert.deepEqual(kinds, ['ReducerResult', 'SubscribeApplied', 'ReducerResult']);
  assert.deepEqual(rows, [0, 1, 1]);
});

test('one-off queries answer a snapshot and leave nothing behind', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  await client.answer(client.call('say', text(5, 'x')));
  const query = async sql => {
    client.send(encode.oneOffQuery(++client.requests, sql));
    return client.answer(client.requests);
  };
  const found = await query('SELECT * FROM message WHERE room = 5');
  assert.deepEqual(
    found.tables.map(({ table, rows }) => [table, rows.length]),
    [['message', 1]],
  );
  const none = await query('SELECT * FROM message WHERE room = 6');
  assert.deepEqual(
    none.tables.map(({ table, rows }) => [table, rows.length]),
    [['message', 0]],
  );
  assert.match((await query('SELECT * FROM nowhere')).error, /no such table: `nowhere`/);
  await client.answer(client.call('say', text(5, 'y')));
  assert.deepEqual(client.messages, []);
});

test('a semijoin follows both of its tables', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  await client.subscribe(
    'SELECT message.* FROM message JOIN "user" ON message.sender = "user".identity',
  );
  await client.reducers.say({ room: 1, text: 'nameless' });
  assert.equal(client.rows('message').length, 0);
  await client.reducers.setName({ name: 'Ann' });
  assert.equal(client.rows('message').length, 1);
  await client.reducers.say({ room: 1, text: 'named' });
  assert.equal(client.rows('message').length, 2);
});

test('event rows reach subscribers once and stay nowhere', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  const heard = [];
  client.db.ping.onInsert((_, row) => heard.push(row.text));
  await client.subscribe('SELECT * FROM ping');
  await client.reducers.sendPing({ text: 'now' });
  await eventually(() => heard.length === 1, 'the event');
  assert.deepEqual(heard, ['now']);
  assert.deepEqual(await db.rows('SELECT * FROM ping'), []);
  const late = await db.raw();
  late.subscribe(0, 'SELECT * FROM ping');
  assert.deepEqual((await late.take('SubscribeApplied')).tables, []);
  await client.reducers.sendPing({ text: 'again' });
  const update = await late.take('TransactionUpdate');
  assert.equal(update.sets[0].tables[0].rows[0].events.length, 1);
});

test('canonical and accessor names both work in SQL, the wire says the canonical one', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM case_test');
  await client.reducers.setCase({ rowId: 1, someValue: 'v' });
  assert.equal(client.rows('caseTest')[0].someValue, 'v');
  assert.deepEqual(await db.rows('SELECT some_value FROM caseTest'), [['v']]);
});

test('private tables do not exist for anybody but the owner', async t => {
  const db = await t.publish('chat');
  const stranger = await db.connect();
  const error = await rejected(stranger.subscribe('SELECT * FROM visit'));
  assert.match(String(error.message ?? error), /no such table: `visit`/);
  const owner = await db.raw({ token: db.owner.token });
  owner.subscribe(0, 'SELECT * FROM visit');
  assert.equal((await owner.take('SubscribeApplied')).tables[0].table, 'visit');
});

test('SELECT * FROM * holds the readable tables without event tables', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  await client.answer(client.call('say', text(1, 'x')));
  await client.answer(client.call('set_case', new Writer().u32(1).string('v').end()));
  client.subscribe(0, 'SELECT * FROM *');
  const applied = await client.take('SubscribeApplied');
  const names = applied.tables.map(({ table }) => table);
  for (const name of ['message', 'counter', 'case_test']) assert.ok(names.includes(name), name);
  for (const name of ['visit', 'ping']) assert.ok(!names.includes(name), name);
});
