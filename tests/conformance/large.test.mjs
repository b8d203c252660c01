// Large rows, large frames, and a client that stops reading.
import { Writer } from './bsatn.mjs';
import { assert, eventually, sleep, test } from './harness.mjs';

const MIB = 1 << 20;

test('rows of 1 MiB go in by a call and come out by update, snapshot and SQL', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM blob');
  for (let id = 0; id < 8; id++) {
    const data = new Uint8Array(MIB);
    for (let i = 0; i < MIB; i += 997) data[i] = (i + id) & 255;
    await client.reducers.putBlob({ id, data });
    assert.ok(Buffer.from(client.db.blob.id.find(id).data).equals(Buffer.from(data)), `row ${id}`);
  }
  const late = await db.connect();
  await late.subscribe('SELECT * FROM blob');
  assert.equal(late.rows('blob').length, 8);
  for (const { id, data } of client.rows('blob')) {
    assert.ok(Buffer.from(late.db.blob.id.find(id).data).equals(Buffer.from(data)));
  }
  const [[hex]] = await db.rows('SELECT data FROM blob WHERE id = 3');
  assert.equal(hex.length, 2 * MIB);
  await client.reducers.putBlob({ id: 3, data: new Uint8Array(10) });
  await eventually(() => late.db.blob.id.find(3).data.length === 10, 'the small row');
});

test('a message of 31 MiB is taken, one of 33 MiB drops the connection', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  const blob = size => new Writer().u32(1).bytes(Buffer.alloc(size, 3)).end();
  assert.equal(
    (await client.answer(client.call('put_blob', blob(31 * MIB)), 30_000)).outcome,
    'Ok',
  );
  client.call('put_blob', blob(33 * MIB));
  assert.equal((await client.whenClosed(20_000)).code, 1006);
  assert.equal((await db.rows('SELECT id FROM blob')).length, 1);
  const next = await db.raw();
  assert.equal((await next.answer(next.call('put_blob', blob(10)))).outcome, 'Ok');
});

test('fragmented messages are put together, pings between them answered', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  const { encode } = await import('./bsatn.mjs');
  const bytes = encode.callReducer(1, 'say', new Writer().u32(1).string('in pieces').end());
  client.send(bytes.subarray(0, 5), 2, { fin: false });
  client.send(Buffer.from('ping'), 9);
  client.send(bytes.subarray(5, 9), 0, { fin: false });
  client.send(Buffer.alloc(0), 0, { fin: false });
  client.send(bytes.subarray(9), 0);
  assert.equal((await client.answer(1)).outcome, 'Ok');
});

test(
  'a reader that stops is dropped, its memory is bounded, others are not held up',
  async t => {
    const server = await t.startServer({ flags: ['--set', 'limits.client-queue-bytes=16MiB'] });
    const db = await t.publish('chat', { url: server.url });
    const [stuck, reader, writer] = [await db.raw(), await db.raw(), await db.raw()];
    for (const client of [stuck, reader]) {
      client.subscribe(0, 'SELECT * FROM blob');
      await client.take('SubscribeApplied');
    }
    stuck.pause();
    let received = 0;
    reader.onMessage = message => (received += message.kind === 'TransactionUpdate' ? 1 : 0);
    const before = await server.memory();
    const rounds = 120;
    for (let i = 0; i < rounds; i++) {
      const args = new Writer().u32(0).u32(1).u32(MIB).u8(i).end();
      assert.equal((await writer.answer(writer.call('fill_blobs', args))).outcome, 'Ok');
    }
    await eventually(() => received === rounds, 'the reader has all updates');
    const grown = (await server.memory()) - before;
    assert.ok(grown < 200, `memory grew by ${Math.round(grown)} MiB for ${rounds * 2} MiB unread`);
    await eventually(
      async () => (await db.rows('SELECT * FROM st_client')).length <= 3,
      'the stuck one out',
    );
    stuck.resume();
    assert.notEqual(await stuck.whenClosed(), null);
  },
  { ms: 120_000 },
);

test('a reader that is merely slow gets everything', async t => {
  const db = await t.publish('chat');
  const [slow, writer] = [await db.raw(), await db.raw()];
  slow.subscribe(0, 'SELECT * FROM message');
  await slow.take('SubscribeApplied');
  slow.pause();
  for (let i = 0; i < 200; i++) {
    await writer.answer(
      writer.call(
        'say',
        new Writer()
          .u32(1)
          .string(`${i} ${'x'.repeat(5000)}`)
          .end(),
      ),
    );
  }
  await sleep(500);
  slow.resume();
  await slow.until(
    () => slow.messages.length === 200,
    10_000,
    () => `${slow.messages.length} updates`,
  );
  assert.equal(slow.closed, null);
});
