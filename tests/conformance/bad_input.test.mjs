// Malformed frames, upgrades, queries and tokens: a clear error each, nothing changed, nobody else
// disturbed.
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { connect } from 'node:net';
import { Writer, encode } from './bsatn.mjs';
import { assert, eventually, sleep, test } from './harness.mjs';
import * as http from './http_api.mjs';

const say = new Writer().u32(1).string('x').end();
const call = encode.callReducer(1, 'say', say);

// Frame -> the close code it must bring, and a text its reason must hold.
const FRAMES = {
  'an empty frame': [
    Buffer.alloc(0),
    1011,
    'v3 websocket binary payload must contain at least one',
  ],
  'an unknown message tag': [Buffer.from([9, 0, 0, 0, 0]), 1011, ''],
  'a message cut short': [call.subarray(0, call.length - 1), 1011, ''],
  'one byte of a message': [call.subarray(0, 1), 1011, ''],
  'a length beyond the frame': [
    Buffer.concat([call.subarray(0, 6), Buffer.alloc(4, 255)]),
    1011,
    '',
  ],
  'two billion queries': [new Writer().u8(0).u32(1).u32(1).u32(0x7fffffff).end(), 1011, ''],
  'a call with flag 1': [encode.callReducer(1, 'say', say, 1), 1011, 'invalid call reducer flag 1'],
  'a bad unsubscribe flag': [encode.unsubscribe(1, 1, 7), 1011, ''],
  'a name that is not UTF-8': [
    new Writer().u8(3).u32(1).u8(0).bytes([0xff, 0xfe]).bytes([]).end(),
    1011,
    '',
  ],
  'random bytes': [Buffer.from('f00dbeef'.repeat(64), 'hex'), 1011, ''],
};

for (const [name, [frame, code, reason]] of Object.entries(FRAMES)) {
  test(`${name} closes that connection with ${code}`, async t => {
    const db = await t.publish('chat');
    const [bad, good] = [await db.raw(), await db.raw()];
    bad.send(frame);
    const closed = await bad.whenClosed();
    assert.equal(closed.code, code, closed.reason);
    assert.ok(closed.reason.includes(reason), closed.reason);
    assert.ok(closed.reasonBytes <= 123, 'a legal close frame');
    assert.equal((await good.answer(good.call('say', say))).outcome, 'Ok');
    assert.equal((await db.rows('SELECT * FROM message')).length, 1);
  });
}

test('in a v3 frame the messages before the bad one have run', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  client.send(Buffer.concat([call, encode.callReducer(2, 'say', say), Buffer.from([77])]));
  assert.equal((await client.whenClosed()).code, 1011);
  await eventually(
    async () => (await db.rows('SELECT * FROM message')).length === 2,
    'two messages',
  );
});

test('bytes after the message of a v2 frame close the connection', async t => {
  const db = await t.publish('chat');
  const client = await db.raw({ protocols: ['v2.bsatn.spacetimedb'] });
  client.send(Buffer.concat([call, Buffer.from([0])]));
  assert.equal((await client.whenClosed()).code, 1011);
});

test('text frames are refused on v2 and v3', async t => {
  const db = await t.publish('chat');
  for (const version of ['v2', 'v3']) {
    const client = await db.raw({ protocols: [`${version}.bsatn.spacetimedb`] });
    client.send(Buffer.from('{}'), 1);
    const closed = await client.whenClosed();
    assert.equal(closed.code, 1011);
    assert.equal(closed.reason, `${version} websocket does not support text messages`);
  }
});

const VIOLATIONS = {
  'an unmasked frame': client => client.send(call, 2, { mask: false }),
  'an RSV bit': client => client.send(call, 2, { rsv: 4 }),
  'an unknown opcode': client => client.send(Buffer.alloc(1), 3),
  'a continuation of nothing': client => client.send(Buffer.alloc(1), 0),
  'a fragmented ping': client => client.send(Buffer.alloc(1), 9, { fin: false }),
  'a ping of 126 bytes': client => client.send(Buffer.alloc(126), 9),
  'a frame that claims 2^62 bytes': client =>
    client.socket.write(Buffer.from([0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
};
for (const [name, send] of Object.entries(VIOLATIONS)) {
  test(`${name} ends the connection and nothing else`, async t => {
    const db = await t.publish('chat');
    const [bad, good] = [await db.raw(), await db.raw()];
    send(bad);
    assert.ok([1002, 1006, 1009].includes((await bad.whenClosed()).code));
    assert.equal((await good.answer(good.call('say', say))).outcome, 'Ok');
  });
}

test('upgrades that are not quite right get the status of chapter 02', async t => {
  const db = await t.publish('chat');
  const cases = [
    [{ headers: { Upgrade: null } }, 426, /requires use of the websocket protocol/],
    [{ headers: { 'Sec-WebSocket-Version': '12' } }, 400, /did not include '13'/],
    [{ headers: { 'Sec-WebSocket-Key': null } }, 400, /`Sec-WebSocket-Key` header missing/],
    [{ query: { connection_id: '0'.repeat(32) } }, 400, /all-zeros ConnectionId is reserved/],
    [{ query: { connection_id: 'xyz' } }, 400, /./],
    [{ query: { confirmed: 'yes' } }, 400, /Failed to deserialize query string/],
    [{ compression: 'gzip' }, 400, /unknown variant `gzip`/],
    [{ path: '/v1/database/no-such-database/subscribe' }, 404, /`no-such-database` not found/],
    [{ path: `/v1/database/${'c2'.padEnd(64, '0')}/subscribe` }, 404, /No such database/],
    [{ path: '/v1/database/Bad_Name/subscribe' }, 400, /Invalid URL/],
    [{ headers: { Authorization: 'Bearer nonsense' } }, 401, /Invalid token/],
    [
      { headers: { Authorization: 'Basic eA==' } },
      400,
      /Authorization is invalid: malformed token/,
    ],
  ];
  for (const [options, status, body] of cases) {
    const client = await db.raw(options);
    assert.equal(client.status, status, JSON.stringify(options));
    assert.match(client.body, body, JSON.stringify(options));
  }
  const post = await http.send('POST', `${db.url}/v1/database/${db.name}/subscribe`);
  assert.equal(post.status, 405);
});

test('queries that cannot be: one error each, the connection and its other sets stay', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  client.subscribe(1, 'SELECT * FROM message');
  await client.take('SubscribeApplied');
  const cases = [
    ['', /^SubscriptionError: Empty string, executing: ``$/],
    ['SELEC * FROM message', /./],
    ['SELECT * FROM nowhere', /no such table: `nowhere`.*executing: `SELECT \* FROM nowhere`$/s],
    ['SELECT id FROM message', /./],
    ['SELECT * FROM message WHERE nope = 1', /./],
    ["SELECT * FROM message WHERE room = 'x'", /cannot be parsed as type/],
    ['SELECT * FROM message; SELECT * FROM message', /./],
    ['DELETE FROM message', /./],
    [
      `SELECT * FROM message WHERE ${'room = 1 OR '.repeat(5000)}room = 1`,
      /maximum allowed length/,
    ],
    [`SELECT * FROM message WHERE ${'('.repeat(3000)}room = 1${')'.repeat(3000)}`, /./],
  ];
  for (const [sql, text] of cases) {
    const request = client.subscribe(2, 'SELECT * FROM counter', sql);
    const refused = await client.answer(request);
    assert.equal(refused.kind, 'SubscriptionError', sql.slice(0, 60));
    assert.equal(refused.set, 2);
    assert.match(refused.error, text, sql.slice(0, 60));
  }
  const twice = client.subscribe(1, 'SELECT * FROM counter');
  assert.match((await client.answer(twice)).error, /^Subscription with id /);
  client.send(encode.unsubscribe(++client.requests, 99));
  assert.match((await client.answer(client.requests)).error, /^Subscription not found: /);
  const result = await client.answer(client.call('say', say));
  assert.deepEqual(
    result.sets.map(({ set }) => set),
    [1],
    'nothing of set 2 was registered',
  );
});

test("SQL over HTTP: errors are 400 with a text, DML is the owner's alone", async t => {
  const db = await t.publish('chat');
  const stranger = await http.newIdentity(db.url);
  const cases = [
    ['', /./],
    ['nonsense', /./],
    ['SELECT * FROM nowhere', /no such table: `nowhere`/],
    ['SELECT 1; SELECT 2', /./],
    ['INSERT INTO counter (id) VALUES (1)', /./],
    ["INSERT INTO counter (id, value) VALUES (1, 'x')", /./],
    ['INSERT INTO counter (id, value) VALUES (0, 5)', /Unique constraint violation/],
    ['UPDATE counter SET nope = 1', /./],
    [`SELECT * FROM ${'x'.repeat(60_000)}`, /maximum allowed length/],
    ['SELECT * FROM counter WHERE id = 99999999999', /./],
  ];
  for (const [sql, text] of cases) {
    const answer = await db.sql(sql);
    assert.equal(answer.status, 400, `${sql.slice(0, 60)}: ${answer.text}`);
    assert.match(answer.text, text, sql.slice(0, 60));
  }
  const foreign = await db.sql('DELETE FROM counter', stranger.token);
  assert.equal(foreign.status, 400);
  assert.equal(
    foreign.text,
    `Caller ${stranger.identity} is not authorized to run SQL DML statements`,
  );
  assert.equal((await db.sql('SELECT * FROM visit', stranger.token)).status, 400);
  assert.deepEqual(await db.rows('SELECT * FROM counter'), [[0, 0]]);
});

const base64 = value => Buffer.from(value).toString('base64url');
function forge(header, claims, signer) {
  const text = `${base64(JSON.stringify(header))}.${base64(JSON.stringify(claims))}`;
  return `${text}.${signer(text)}`;
}

test('forged, altered and expired tokens are refused everywhere', async t => {
  const db = await t.publish('chat');
  const { identity, token } = await http.newIdentity(db.url);
  const key = (await http.send('GET', `${db.url}/v1/identity/public-key`)).text;
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const es256 = text =>
    sign('sha256', Buffer.from(text), { key: other, dsaEncoding: 'ieee-p1363' }).toString(
      'base64url',
    );
  const hs256 = text => createHmac('sha256', key).update(text).digest('base64url');
  const [head, body, signature] = token.split('.');
  const altered = base64(JSON.stringify({ ...claims, sub: 'someone-else' }));
  const forged = {
    'another key': forge({ typ: 'JWT', alg: 'ES256' }, claims, es256),
    'the public key as HMAC secret': forge({ typ: 'JWT', alg: 'HS256' }, claims, hs256),
    'alg none': forge({ typ: 'JWT', alg: 'none' }, claims, () => ''),
    'RS256 on an EC key': forge({ typ: 'JWT', alg: 'RS256' }, claims, es256),
    'altered claims': `${head}.${altered}.${signature}`,
    'a cut signature': `${head}.${body}.${signature.slice(0, 40)}`,
    'no signature': `${head}.${body}.`,
    'two parts': `${head}.${body}`,
    'not base64': `${head}.%%%.${signature}`,
    'a zero signature': `${head}.${body}.${base64(Buffer.alloc(64))}`,
    'a long one': 'x'.repeat(6000),
    'empty parts': '..',
  };
  for (const [name, bad] of Object.entries(forged)) {
    const verify = await http.send('GET', `${db.url}/v1/identity/${identity}/verify`, {
      headers: http.bearer(bad),
    });
    assert.equal(verify.status, 401, name);
    assert.equal((await db.sql('SELECT * FROM counter', bad)).status, 401, name);
    const socket = await db.raw({ token: bad });
    assert.equal(socket.status, 401, name);
    assert.match(socket.body, /^Invalid token: /, name);
  }
  assert.equal(
    (
      await http.send('GET', `${db.url}/v1/identity/${identity}/verify`, {
        headers: http.bearer(token),
      })
    ).status,
    204,
  );
});

test('HTTP that is not HTTP is answered or dropped, and the server goes on', async t => {
  const db = await t.publish('chat');
  const { hostname, port } = new URL(db.url);
  const inputs = [
    'GET / HTTP/1.1\r\n',
    'NONSENSE\r\n\r\n',
    '\0\0\0\0\r\n\r\n',
    'GET /v1/ping HTTP/9.9\r\n\r\n',
    `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET /v1/ping HTTP/1.1\r\n${'A: b\r\n'.repeat(20_000)}\r\n`,
    'POST /v1/identity HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
    'POST /v1/identity HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n',
    'POST /v1/identity HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n',
  ];
  for (const input of inputs) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(input);
    await sleep(30);
    socket.destroy();
  }
  const path = '/v1/database/%ff%fe/sql';
  assert.equal((await http.send('POST', db.url + path, { body: 'x' })).status, 400);
  assert.equal((await http.send('GET', `${db.url}/v1/ping`)).status, 200);
});

test('bodies beyond 2 MiB are refused, except for publish', async t => {
  const db = await t.publish('chat');
  const long = `[1, "${'x'.repeat(2 * 1024 * 1024)}"]`;
  const refused = await db.call('say', long);
  assert.equal(refused.status, 413);
  assert.equal(refused.text, 'Failed to buffer the request body: length limit exceeded');
  assert.equal((await db.sql(`SELECT * FROM message ${' '.repeat(2_200_000)}`)).status, 413);
  const filler = `\n// ${'x'.repeat(3 * 1024 * 1024)}`;
  const { bundle } = await import('./bundle.mjs');
  await t.publish('chat', { program: `${await bundle('chat')}${filler}` });
});

test('deep JSON and strange JSON arguments are refused with 400', async t => {
  const db = await t.publish('chat');
  for (const args of [
    `${'['.repeat(100_000)}`,
    `[1, ${'['.repeat(50_000)}${']'.repeat(50_000)}]`,
    '[1, "\\ud800"]',
    '[1e999, "x"]',
    '[1.5, "x"]',
    '[1, "x"] trailing',
    'null',
    '',
  ]) {
    const answer = await db.call('say', args);
    assert.equal(answer.status, 400, args.slice(0, 30));
  }
  const bad = await http.send('POST', `${db.url}/v1/database/${db.name}/call/say`, {
    headers: { 'content-type': 'application/json' },
    body: Buffer.from([0x5b, 0xff, 0x5d]),
  });
  assert.equal(bad.status, 400);
  assert.equal(bad.text, "Request body didn't contain valid UTF-8");
  const type = await http.send('POST', `${db.url}/v1/database/${db.name}/call/say`, {
    headers: { 'content-type': 'text/plain' },
    body: '[1, "x"]',
  });
  assert.equal(type.status, 415);
  assert.deepEqual(await db.rows('SELECT * FROM message'), []);
});

test('a client that opens many connections and drops them leaves nothing behind', async t => {
  const db = await t.publish('chat');
  for (let round = 0; round < 10; round++) {
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => db.raw({ greeting: false })),
    );
    for (const client of clients) client.close();
  }
  await eventually(async () => (await db.rows('SELECT * FROM st_client')).length === 1, 'all gone');
  const seen = await db.rows("SELECT what FROM visit WHERE connection != ''");
  const count = what => seen.filter(([found]) => found === what).length;
  assert.ok(count('connect') >= 200);
});
