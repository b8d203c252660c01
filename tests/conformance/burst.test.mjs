// Many calls at once: order, completeness, and many clients together.
import { Writer, encode } from './bsatn.mjs';
import { assert, eventually, test } from './harness.mjs';

test('10,000 calls in a burst from one npm connection run in order', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM counter');
  const values = [];
  client.db.counter.onUpdate((_, old, row) => values.push(row.value));
  const calls = [];
  for (let i = 1n; i <= 10_000n; i++) calls.push(client.reducers.step({ value: i }));
  await Promise.all(calls);
  assert.equal(client.db.counter.id.find(0).value, 10_000n);
  assert.equal(values.length, 10_000);
  for (let i = 0; i < values.length; i++) assert.equal(values[i], BigInt(i + 1));
});

test('10,000 calls in one frame are answered one by one in order', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  const frame = [];
  for (let i = 1; i <= 10_000; i++)
    frame.push(encode.callReducer(i, 'step', new Writer().u64(i).end()));
  client.send(Buffer.concat(frame));
  await client.until(
    () => client.messages.length >= 10_000,
    30_000,
    () => `${client.messages.length} answers`,
  );
  client.messages.forEach((message, i) => {
    assert.equal(message.request, i + 1);
    assert.equal(message.outcome, 'Ok', message.error);
  });
  assert.deepEqual(await db.rows('SELECT value FROM counter'), [[10_000]]);
});

test('twenty clients at once lose nothing and see the same', async t => {
  const db = await t.publish('chat');
  const clients = await Promise.all(Array.from({ length: 20 }, () => db.connect()));
  await Promise.all(clients.map(client => client.subscribe('SELECT * FROM message')));
  await Promise.all(
    clients.flatMap((client, n) =>
      Array.from({ length: 50 }, (_, i) => client.reducers.say({ room: n, text: `${n}.${i}` })),
    ),
  );
  await eventually(
    () => clients.every(client => client.rows('message').length === 1000),
    'all rows',
  );
  const view = client =>
    client
      .rows('message')
      .map(row => `${row.id} ${row.room} ${row.text}`)
      .sort();
  const expected = view(clients[0]);
  for (const client of clients) assert.deepEqual(view(client), expected);
  for (let n = 0; n < clients.length; n++) {
    const mine = clients[0]
      .rows('message')
      .filter(row => row.room === n)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map(row => row.text);
    assert.deepEqual(
      mine,
      Array.from({ length: 50 }, (_, i) => `${n}.${i}`),
      'order of each client',
    );
  }
});
