// gzip, Brotli and none give equal caches; the threshold and the default are those of chapter 02.
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { Duplex } from 'node:stream';
import { Writer } from './bsatn.mjs';
import { assert, eventually, test } from './harness.mjs';

// Node up to 22 has no Brotli in DecompressionStream: made from zlib, as a browser would have it.
class ZlibDecompressionStream {
  constructor(format) {
    const make = { brotli: createBrotliDecompress, gzip: createGunzip, deflate: createInflate }[
      format
    ];
    if (!make) throw new TypeError(`unknown format ${format}`);
    const { readable, writable } = Duplex.toWeb(make());
    this.readable = readable;
    this.writable = writable;
  }
}
globalThis.DecompressionStream = ZlibDecompressionStream;

const view = client =>
  client
    .rows('message')
    .map(row => `${row.id} ${row.text}`)
    .sort();

for (const on of [false, true]) {
  const flags = ['--set', `websocket.compress-gzip-clients=${on}`];
  test(`gzip, Brotli and none give equal caches, gzip ${on ? 'on' : 'off'}`, async t => {
    const server = await t.startServer({ flags });
    const db = await t.publish('chat', { url: server.url });
    await db.call('say_many', [1, 'before the subscription '.repeat(10), 2000]);
    const clients = [];
    for (const compression of ['gzip', 'brotli', 'none', undefined]) {
      const client = await db.connect({ compression });
      await client.subscribe('SELECT * FROM message');
      clients.push(client);
    }
    for (let i = 0; i < 10; i++) {
      await clients[2].reducers.sayMany({ room: 2, text: `update ${i} `.repeat(20), count: 100 });
    }
    await eventually(
      () => clients.every(client => client.rows('message').length === 3000),
      'all rows',
    );
    for (const client of clients) assert.deepEqual(view(client), view(clients[2]));
  });
}

test('a body of 1024 bytes is sent plainly, one of 1025 compressed', async t => {
  const server = await t.startServer({ flags: ['--set', 'websocket.compress-gzip-clients=true'] });
  const db = await t.publish('chat', { url: server.url });
  const writer = await db.raw();
  let id = 0;
  for (const [compression, tag] of [
    ['Gzip', 2],
    ['Brotli', 1],
    ['None', 0],
  ]) {
    const client = await db.raw({ compression });
    client.subscribe(0, 'SELECT * FROM blob');
    await client.take('SubscribeApplied');
    const frameOf = async size => {
      const row = new Writer().u32(++id).bytes(Buffer.alloc(size, 1)).end();
      await writer.answer(writer.call('put_blob', row));
      await client.take('TransactionUpdate');
      return client.frames.at(-1);
    };
    const overhead = (await frameOf(500)).bytes - 500;
    for (const bytes of [1000, 1023, 1024, 1025, 1026, 5000]) {
      const frame = await frameOf(bytes - overhead);
      assert.equal(frame.bytes, bytes);
      assert.equal(frame.tag, bytes > 1024 ? tag : 0, `${bytes} bytes for ${compression}`);
    }
  }
});

test('by default clients that ask for gzip are sent plain frames', async t => {
  const db = await t.publish('chat');
  const client = await db.raw({ compression: 'Gzip' });
  await db.call('fill_blobs', [0, 4, 5000, 1]);
  client.subscribe(0, 'SELECT * FROM blob');
  await client.take('SubscribeApplied');
  assert.ok(client.frames.every(frame => frame.tag === 0));
});
