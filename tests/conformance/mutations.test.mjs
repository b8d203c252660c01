// Valid input with random damage: whatever comes of it, the server and its other clients go on.
// The seed is printed first; WORLDLINE_SEED=N repeats it.
import { Writer, encode } from './bsatn.mjs';
import { assert, sleep, test } from './harness.mjs';
import * as http from './http_api.mjs';

const seed = Number(process.env.WORLDLINE_SEED ?? (Math.random() * 2 ** 31) | 0);
let state = seed;
function random(below) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return Math.floor(((state >>> 0) / 2 ** 32) * below);
}

function damaged(bytes) {
  const copy = Buffer.from(bytes);
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(copy.length);
    copy[at] = [0, 255, 127, 128, random(256), copy[at] ^ (1 << random(8))][random(6)];
  }
  const cut = random(4);
  if (cut === 0) return copy.subarray(0, random(copy.length));
  if (cut === 1) return Buffer.concat([copy, copy.subarray(random(copy.length))]);
  return copy;
}

const say = new Writer().u32(1).string('hello').end();
const FRAMES = [
  encode.callReducer(1, 'say', say),
  encode.subscribe(2, 1, ['SELECT * FROM message', 'SELECT * FROM counter WHERE id = 0']),
  encode.oneOffQuery(3, "SELECT * FROM message WHERE text = 'x'"),
  encode.unsubscribe(4, 1),
  encode.callProcedure(5, 'nothing', say),
  encode.callReducer(6, 'set_counter', new Writer().u32(3).u64(4).end()),
];

async function lives(db) {
  const client = await db.raw();
  const result = await client.answer(client.call('say', say));
  assert.equal(result.outcome, 'Ok', `seed ${seed}`);
  client.close();
}

test('500 connections with damaged frames do no harm', async t => {
  console.log(`    seed ${seed}`);
  const db = await t.publish('chat');
  for (let round = 0; round < 25; round++) {
    const clients = await Promise.all(Array.from({ length: 20 }, () => db.raw()));
    for (const client of clients) {
      client.onMessage = () => {};
      for (let i = 0; i < 5; i++) client.send(damaged(FRAMES[random(FRAMES.length)]));
    }
    await Promise.all(clients.slice(0, 3).map(client => client.whenClosed(500).catch(() => {})));
    await sleep(20);
    for (const client of clients) client.close();
    await lives(db);
  }
});

test('damaged SQL over HTTP is answered, never worse than 400', async t => {
  const db = await t.publish('chat');
  const statements = [
    'SELECT message.* FROM message JOIN "user" ON message.sender = "user".identity WHERE room = 1',
    'INSERT INTO counter (id, value) VALUES (17, 5)',
    'UPDATE counter SET value = 9 WHERE id = 0 AND value < 3',
    "DELETE FROM message WHERE text = 'it''s' OR room <> 2",
    'SELECT COUNT(*) AS n FROM message WHERE (room >= 1 AND room < 5) OR id = 3',
    'SELECT * FROM user WHERE identity = 0xc2001234 LIMIT 5',
  ];
  for (let i = 0; i < 600; i++) {
    const answer = await db.sql(damaged(Buffer.from(statements[i % statements.length])));
    assert.ok([200, 400].includes(answer.status), `seed ${seed}: ${answer.status} ${answer.text}`);
  }
  await lives(db);
});

test(
  'damaged bundles are refused or run, the server goes on',
  async t => {
    const { bundle } = await import('./bundle.mjs');
    const owner = await http.newIdentity(t.url);
    const program = Buffer.from(
      (await bundle('migrate/first', { target: 'es2022' })).split('//# source')[0],
    );
    for (let i = 0; i < 12; i++) {
      const answer = await http.publish(t.url, `m-${process.pid}-${i}`, damaged(program), {
        token: owner.token,
      });
      assert.ok([200, 500].includes(answer.status), `seed ${seed}: ${answer.status}`);
    }
    await lives(await t.publish('chat'));
  },
  { ms: 180_000 },
);
