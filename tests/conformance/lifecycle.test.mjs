// init, client_connected and client_disconnected: when they run, as whom, and what a failure does.
import { assert, eventually, rejected, test } from './harness.mjs';

const visits = async (db, what) =>
  (await db.rows(`SELECT who, connection FROM visit WHERE what = '${what}'`)).map(
    ([who, connection]) => [who[0].slice(2).padStart(64, '0'), connection],
  );

test('init runs once, as the owner, before anything else', async t => {
  const db = await t.publish('chat');
  assert.deepEqual(await visits(db, 'init'), [[db.owner.identity, '']]);
  assert.deepEqual(await db.rows('SELECT * FROM counter'), [[0, 0]]);
});

test('connect and disconnect run once per connection with its ids', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  const id = client.connection.connectionId.toHexString();
  const mine = ([, connection]) => connection === id;
  assert.deepEqual((await visits(db, 'connect')).filter(mine), [
    [client.identity.toHexString(), id],
  ]);
  assert.deepEqual((await visits(db, 'disconnect')).filter(mine), []);
  client.disconnect();
  await eventually(async () => (await visits(db, 'disconnect')).some(mine), 'the disconnect hook');
  assert.deepEqual((await visits(db, 'disconnect')).filter(mine), [
    [client.identity.toHexString(), id],
  ]);
});

test('hooks change tables that others subscribe to', async t => {
  const db = await t.publish('chat');
  const watcher = await db.connect();
  await watcher.subscribe('SELECT * FROM user');
  const guest = await db.connect();
  await guest.reducers.setName({ name: 'Guest' });
  await eventually(() => watcher.rows('user')[0]?.online === true, 'the guest online');
  guest.disconnect();
  await eventually(() => watcher.rows('user')[0]?.online === false, 'the guest offline');
  await db.connect({ token: guest.token });
  await eventually(() => watcher.rows('user')[0]?.online === true, 'the guest back');
});

test('st_client lists exactly the open connections', async t => {
  const db = await t.publish('chat');
  const listed = async () => (await db.rows('SELECT * FROM st_client')).length;
  const before = await listed(); // The SQL request itself is a connection.
  const clients = [await db.raw(), await db.raw(), await db.raw()];
  assert.equal(await listed(), before + 3);
  clients[1].close();
  await eventually(async () => (await listed()) === before + 2, 'one gone');
});

test('a connect hook that refuses drops the socket and leaves nothing', async t => {
  const db = await t.publish('gate');
  assert.equal((await db.call('set_gate', [false, false])).status, 200);
  const refused = await db.raw({ greeting: false });
  assert.equal(refused.status, 101);
  assert.equal((await refused.whenClosed()).code, 1006);
  assert.deepEqual(refused.messages, []);
  const error = await rejected(db.connect());
  assert.ok(error);
  const call = await db.call('set_gate', [true, false]);
  assert.equal(call.status, 403);
  assert.equal(call.text, 'the gate is shut');
  const sql = await db.sql('SELECT * FROM gate');
  assert.deepEqual([sql.status, sql.text], [403, 'the gate is shut']);
  const nonsense = await db.sql('this is no statement');
  assert.deepEqual([nonsense.status, nonsense.text], [403, 'the gate is shut']);
});

test('a connection id that is in use is refused, and free again behind its connection', async t => {
  const db = await t.publish('chat');
  const query = { connection_id: '000102030405060708090a0b0c0d0e0f' };
  const open = async () => (await db.rows('SELECT * FROM st_client')).length;
  const first = await db.raw({ query });
  const before = await open();
  const second = await db.raw({ query, greeting: false });
  assert.equal(second.status, 101);
  assert.equal((await second.whenClosed()).code, 1006, 'refused as a hook refuses');
  assert.deepEqual(second.messages, []);
  assert.equal(await open(), before, 'the first connection is listed, once');
  first.subscribe(1, 'SELECT * FROM message');
  await first.take('SubscribeApplied');
  const hooks = await visits(db, 'connect');
  assert.equal(hooks.filter(([, id]) => id === query.connection_id).length, 1);
  first.close();
  await eventually(async () => (await open()) === before - 1, 'the first one gone');
  assert.equal((await db.raw({ query })).hello.kind, 'InitialConnection');
});

test('a disconnect hook that fails still removes the client', async t => {
  const db = await t.publish('gate');
  const client = await db.raw();
  const watcher = await db.connect();
  await watcher.subscribe('SELECT * FROM gate', 'SELECT * FROM left');
  await watcher.reducers.setGate({ open: true, spoilt: true });
  client.close();
  await eventually(
    async () => (await db.logs()).some(({ message }) => /spoilt/.test(message)),
    'the failure in the log',
  );
  await watcher.reducers.setGate({ open: true, spoilt: false });
  const left = watcher.rows('left').length;
  const listed = (await db.rows('SELECT * FROM st_client')).map(([identity]) => identity[0]);
  assert.ok(!listed.includes(`0x${client.hello.identity}`), 'its row is gone');
  const other = await db.raw();
  other.close();
  await eventually(() => watcher.rows('left').length > left, 'the next disconnect works');
});

test('reducers learn who calls, over which connection and with which token', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  const error = await rejected(client.reducers.whoAmI({}));
  const me = JSON.parse(error.message);
  assert.equal(me.sender, client.identity.toHexString());
  assert.equal(me.connection, client.connection.connectionId.toHexString());
  assert.equal(me.issuer, 'localhost');
  assert.match(me.subject, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
  assert.equal(me.internal, false);
  const identity = await import('./http_api.mjs').then(({ send }) =>
    send('GET', `${db.url}/v1/database/${db.name}/identity`),
  );
  assert.equal(me.database, identity.text);
});
