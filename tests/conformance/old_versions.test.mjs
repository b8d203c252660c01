// Clients and modules of older npm versions, unmodified.
import { assert, eventually, rejected, test } from './harness.mjs';
import { bundle } from './bundle.mjs';
import * as http from './http_api.mjs';

for (const npm of ['spacetimedb-2-0', 'spacetimedb-2-4']) {
  test(`the client of ${npm} connects, subscribes, calls and unsubscribes`, async t => {
    const db = await t.publish('chat');
    const client = await db.connect({ npm });
    const current = await db.connect();
    await current.subscribe('SELECT * FROM message');
    const handle = await client.subscribe('SELECT * FROM message');
    await client.reducers.say({ room: 1, text: 'from the old one' });
    await eventually(() => current.rows('message').length === 1);
    await current.reducers.say({ room: 1, text: 'from the new one' });
    await eventually(() => client.rows('message').length === 2, 'both rows');
    const error = await rejected(client.reducers.failBySender({ text: 'no' }));
    assert.match(String(error.message ?? error), /no/);
    await client.unsubscribe(handle);
    assert.equal(client.rows('message').length, 0);
    const again = await db.connect({ npm, token: client.token });
    assert.equal(again.identity.toHexString(), client.identity.toHexString());
  });

  test(`a module built with ${npm} runs`, async t => {
    const db = await t.publish('migrate/first', { npm });
    const client = await db.connect();
    await client.subscribe('SELECT * FROM item');
    await client.reducers.add({ id: 1, name: 'x' });
    assert.deepEqual(
      client
        .rows('item')
        .map(row => row.name)
        .sort(),
      ['first: x', 'from init'],
    );
  });
}

for (const npm of ['spacetimedb-1-6', 'spacetimedb-1-12']) {
  test(`a module built with ${npm} (ABI 1.x, definition 9) runs`, async t => {
    const db = await t.publish('old/notes_1', { npm });
    const client = await db.connect();
    await client.subscribe('SELECT * FROM note', 'SELECT * FROM label');
    assert.equal(client.rows('note')[0].owner.toHexString(), db.owner.identity);
    await client.reducers.addNote({ text: 'hello' });
    await client.reducers.setLabel({ id: 1, text: 'changed' });
    const texts = table =>
      client
        .rows(table)
        .map(row => row.text)
        .sort();
    assert.deepEqual([texts('note'), texts('label')], [['hello', 'init'], ['changed']]);
    const error = await rejected(client.reducers.addNote({ text: '' }));
    assert.equal(error.message, 'empty text');
  });
}

test('protocol v1 is refused with a text that names v2 and v3', async t => {
  const db = await t.publish('chat');
  for (const protocols of [['v1.bsatn.spacetimedb'], ['v1.json.spacetimedb'], ['chat'], []]) {
    const client = await db.raw({
      protocols,
      headers: protocols.length
        ? {}
        : {
            'Sec-WebSocket-Protocol': null,
          },
    });
    assert.equal(client.status, 400);
    assert.match(client.body, /no valid protocol selected/);
    if (protocols[0]?.startsWith('v1')) assert.match(client.body, /v2.*v3|v3.*v2/s);
  }
});

test('the server picks v3 over v2, in whatever order they are offered', async t => {
  const db = await t.publish('chat');
  const [v2, v3] = ['v2.bsatn.spacetimedb', 'v3.bsatn.spacetimedb'];
  const picked = async protocols => (await db.raw({ protocols })).protocol;
  assert.equal(await picked([v2, v3]), v3);
  assert.equal(await picked(['v1.json.spacetimedb', v2, 'v1.bsatn.spacetimedb', v3]), v3);
  assert.equal(await picked(['x', v2]), v2);
});

test('v2 works one message per frame', async t => {
  const db = await t.publish('chat');
  const client = await db.raw({ protocols: ['v2.bsatn.spacetimedb'] });
  client.subscribe(0, 'SELECT * FROM counter');
  assert.equal((await client.take('SubscribeApplied')).tables[0].rows.length, 1);
  for (const frame of client.frames) assert.ok(frame.bytes > 0);
});

test('bundles of every target run: esnext as the official CLI makes, es2022, es2020', async t => {
  for (const target of ['esnext', 'es2022', 'es2020']) {
    const program = await bundle('chat', { target });
    const db = await t.publish('chat', { program });
    const answer = await http.call(db.url, db.name, 'set_counter', [1, 1]);
    assert.equal(answer.status, 200, `${target}: ${answer.text}`);
  }
});
