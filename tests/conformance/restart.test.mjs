// What is confirmed is there after a restart, clients come back, and a shutdown is orderly.
import { Writer } from './bsatn.mjs';
import { assert, eventually, sleep, test, within } from './harness.mjs';
import * as http from './http_api.mjs';

for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL']) {
  test(`a client comes back after ${signal} with its identity and all rows`, async t => {
    const server = await t.startServer();
    const db = await t.publish('chat', { url: server.url });
    const client = await db.connect();
    await client.subscribe('SELECT * FROM message');
    await client.reducers.setName({ name: 'Ann' });
    for (let i = 0; i < 100; i++) await client.reducers.say({ room: 1, text: `${i}` });
    const before = client
      .rows('message')
      .map(row => `${row.id} ${row.text}`)
      .sort();
    const end = await server.restart(signal);
    if (signal !== 'SIGKILL') {
      assert.equal(end.code, 0, `exit ${end.code} ${end.signal}`);
      assert.ok(end.ms < 10_000);
    }
    await eventually(() => client.events.disconnects === 1, 'onDisconnect');
    const again = await db.connect({ token: client.token });
    assert.equal(again.identity.toHexString(), client.identity.toHexString());
    await again.subscribe('SELECT * FROM message', 'SELECT * FROM user');
    assert.deepEqual(
      again
        .rows('message')
        .map(row => `${row.id} ${row.text}`)
        .sort(),
      before,
    );
    assert.equal(again.rows('user')[0].name, 'Ann');
    await again.reducers.say({ room: 1, text: 'after' });
    const [row] = again.rows('message').filter(({ text }) => text === 'after');
    assert.ok(row.id > 100n, 'a sequence never hands out a value twice');
  });
}

test('after kill -9 client_disconnected runs once for each connection left', async t => {
  const server = await t.startServer();
  const db = await t.publish('chat', { url: server.url });
  const clients = [await db.raw(), await db.raw(), await db.raw()];
  await server.restart('SIGKILL');
  for (const { hello } of clients) {
    const rows = await db.rows(
      `SELECT id FROM visit WHERE what = 'disconnect' AND connection = '${hello.connection}'`,
    );
    assert.equal(rows.length, 1, 'exactly one disconnect');
  }
  assert.equal((await db.rows('SELECT * FROM st_client')).length, 1, 'the SQL request alone');
  await server.restart('SIGKILL');
  for (const { hello } of clients) {
    assert.equal(
      (
        await db.rows(
          `SELECT id FROM visit WHERE what = 'disconnect' AND connection = '${hello.connection}'`,
        )
      ).length,
      1,
    );
  }
});

test('several databases survive together, each with its own rows', async t => {
  const server = await t.startServer();
  const chats = [];
  for (let n = 0; n < 4; n++) chats.push(await t.publish('chat', { url: server.url }));
  const types = await t.publish('types', { url: server.url });
  for (const [n, db] of chats.entries()) await db.call('say_many', [n, 'row', 10 * (n + 1)]);
  await types.call('fill_sequences', [5]);
  await server.restart('SIGKILL');
  for (const [n, db] of chats.entries()) {
    const rows = await db.rows('SELECT room FROM message');
    assert.deepEqual(
      rows,
      Array.from({ length: 10 * (n + 1) }, () => [n]),
    );
  }
  assert.equal((await types.rows('SELECT * FROM sequence_u_8')).length, 5);
});

test('a shutdown answers every call it accepted and ends within 10 s (R36)', async t => {
  const server = await t.startServer();
  const db = await t.publish('chat', { url: server.url });
  const clients = await Promise.all(Array.from({ length: 8 }, () => db.raw()));
  const answered = [];
  clients.forEach((client, n) => {
    client.onMessage = message => {
      if (message.kind === 'ReducerResult' && message.outcome === 'Ok')
        answered.push([n, message.request]);
    };
    for (let i = 1; i <= 500; i++) {
      client.call('say', new Writer().u32(n).string(`${i}`).end());
    }
  });
  await eventually(() => answered.length > 100, 'the first answers');
  const end = await server.stop('SIGTERM');
  assert.equal(
    end.code,
    0,
    `exit ${end.code} ${end.signal}: ${server.errors.slice(-5).join('\n')}`,
  );
  assert.ok(end.ms < 10_000, `took ${end.ms} ms`);
  await Promise.all(clients.map(client => client.whenClosed()));
  await server.start();
  const stored = new Set(
    (await db.rows('SELECT room, text FROM message')).map(([room, text]) => `${room} ${text}`),
  );
  for (const [n, request] of answered) assert.ok(stored.has(`${n} ${request}`), `${n} ${request}`);
  assert.equal(
    stored.size,
    answered.length,
    'every accepted call was answered: what is stored and not answered was dropped',
  );
});

test(
  'a shutdown ends a reducer that hangs and answers what waits behind it, within 10 s',
  async t => {
    const server = await t.startServer();
    const db = await t.publish('chat', { url: server.url });
    const other = await t.publish('chat', { url: server.url });
    const client = await db.raw();
    const endless = client.call('run_forever');
    const behind = client.call('set_counter', new Writer().u32(1).u64(2).end());
    await sleep(300);
    const overHttp = db.call('set_counter', [2, 3]);
    assert.equal((await other.call('set_counter', [1, 1])).status, 200);
    const end = await within(server.stop('SIGTERM'), 20_000, 'the shutdown');
    assert.equal(end.code, 0, server.errors.slice(-5).join('\n'));
    assert.ok(end.ms < 10_000, `took ${end.ms} ms`);
    const ended = await client.answer(endless);
    assert.deepEqual([ended.outcome, ended.error], ['InternalError', 'reducer ran out of energy']);
    assert.equal((await client.answer(behind)).outcome, 'Ok');
    assert.equal((await overHttp).status, 200);
    assert.match(server.errors.join('\n'), /a call is running: seconds=1 database=/);
    await server.start();
    const rows = await db.rows('SELECT id, value FROM counter WHERE id > 0');
    assert.deepEqual(rows.sort(), [
      [1, 2],
      [2, 3],
    ]);
  },
  { ms: 90_000 },
);

test('a second signal ends a shutdown at once with code 12', async t => {
  const server = await t.startServer();
  const db = await t.publish('chat', { url: server.url });
  const client = await db.raw();
  client.call('run_forever');
  await sleep(300);
  const stopping = server.stop('SIGTERM');
  await eventually(
    () => server.errors.some(line => line.includes('stopping signal=15')),
    'the first signal',
  );
  server.child.kill('SIGTERM');
  const end = await stopping;
  assert.equal(end.code, 12, server.errors.slice(-3).join('\n'));
  assert.ok(end.ms < 5_000, `took ${end.ms} ms`);
});

test(
  'twenty starts and stops in a row lose nothing (R36)',
  async t => {
    const server = await t.startServer();
    const db = await t.publish('timers', { url: server.url });
    await db.call('every', [20_000, 'beat']);
    let beats = 0;
    for (let round = 0; round < 20; round++) {
      await db.call('after', [0, `round ${round}`]);
      await eventually(
        async () =>
          (await db.rows(`SELECT id FROM fired WHERE tag = 'round ${round}'`)).length === 1,
        `round ${round}`,
      );
      const end = await server.restart();
      assert.equal(end.code, 0);
      const now = (await db.rows('SELECT id FROM fired')).length;
      assert.ok(now > beats);
      beats = now;
    }
  },
  { ms: 180_000 },
);

test('the keys made at the first start are kept, tokens stay valid', async t => {
  const server = await t.startServer();
  const { identity, token } = await http.newIdentity(server.url);
  const key = (await http.send('GET', `${server.url}/v1/identity/public-key`)).text;
  await server.restart('SIGKILL');
  assert.equal((await http.send('GET', `${server.url}/v1/identity/public-key`)).text, key);
  const verified = await http.send('GET', `${server.url}/v1/identity/${identity}/verify`, {
    headers: http.bearer(token),
  });
  assert.equal(verified.status, 204);
});
