// Mounted submodules: dotted tables and reducers, ids in depth-first order (chapter 04, section 4).
import { assert, eventually, rejected, test } from './harness.mjs';

const CHILD = 'nested.child.child_events';

test('dotted reducers run in their own module, directly and through ctx.as', async t => {
  const db = await t.publish('mounts/root');
  assert.equal((await db.call('nested.child.child_insert', ['direct-child'])).status, 200);
  assert.equal((await db.call('nested.parent_calls_child', ['hello'])).status, 200);
  assert.equal((await db.call('root_calls_all', ['from root'])).status, 200);
  assert.equal((await db.call('root_insert', ['root only'])).status, 200);
  assert.deepEqual(await db.rows(`SELECT * FROM ${CHILD}`), [
    [1, 'direct-child'],
    [2, 'hello'],
    [3, 'from root'],
  ]);
  assert.deepEqual(await db.rows('SELECT value FROM nested.parent_events'), [
    ['hello'],
    ['from root'],
  ]);
  assert.deepEqual(await db.rows('SELECT value FROM root_events'), [['from root'], ['root only']]);
});

test('an error in the child undoes what root and parent did', async t => {
  const db = await t.publish('mounts/root');
  const answer = await db.call('root_calls_all', ['refused']);
  assert.equal(answer.status, 530);
  assert.equal(answer.text, 'child refuses');
  for (const table of ['root_events', 'nested.parent_events', CHILD]) {
    assert.deepEqual(await db.rows(`SELECT * FROM ${table}`), [], table);
  }
});

test('clients subscribe to dotted tables and call dotted reducers', async t => {
  const db = await t.publish('mounts/root');
  const client = await db.connect();
  await client.subscribe(`SELECT * FROM ${CHILD}`, 'SELECT * FROM nested.parent_events');
  await client.reducers['nested.parentCallsChild']({ value: 'both' });
  assert.equal(client.rows(CHILD)[0].value, 'both');
  assert.equal(client.rows('nested.parent_events')[0].value, 'both');
  const error = await rejected(client.reducers['nested.child.childInsert']({ value: 'refused' }));
  assert.equal(error.message, 'child refuses');
});

test('a mounted table answers to its canonical and its accessor name', async t => {
  const db = await t.publish('mounts/root');
  assert.equal((await db.call('nested.add_fruit', [1, 'apple'])).status, 200);
  assert.deepEqual(await db.rows('SELECT * FROM nested.fruit_basket'), [[1, 'apple']]);
  assert.deepEqual(await db.rows('SELECT fruit FROM nested.FruitBasket WHERE basket_id = 1'), [
    ['apple'],
  ]);
  assert.deepEqual(await db.rows('SELECT * FROM "nested"."fruit_basket"'), [[1, 'apple']]);
});

test('a scheduled table of a mount fires the reducer of its mount', async t => {
  const db = await t.publish('mounts/root');
  assert.equal((await db.call('nested.arm')).status, 200);
  await eventually(
    async () => (await db.rows('SELECT value FROM nested.parent_events')).length === 1,
  );
  assert.deepEqual(await db.rows('SELECT value FROM nested.parent_events'), [['tick 1']]);
  await eventually(
    async () => (await db.rows('SELECT * FROM nested.tick')).length === 0,
    'the row gone',
  );
});

test('mounts survive a restart', async t => {
  const server = await t.startServer();
  const db = await t.publish('mounts/root', { url: server.url });
  await db.call('root_calls_all', ['kept']);
  await server.restart('SIGKILL');
  assert.deepEqual(await db.rows(`SELECT * FROM ${CHILD}`), [[1, 'kept']]);
  assert.equal((await db.call('root_calls_all', ['more'])).status, 200);
});
