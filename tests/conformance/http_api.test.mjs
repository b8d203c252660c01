// The HTTP side of chapter 02 that no client library covers: its acceptance checks, section 17.
import { assert, eventually, test } from './harness.mjs';
import * as http from './http_api.mjs';

const { send, bearer } = http;

test('ping, health and metrics answer', async t => {
  const ping = await send('GET', `${t.url}/v1/ping`);
  assert.deepEqual([ping.status, ping.text], [200, '']);
  const health = await send('GET', `${t.url}/v1/health`);
  assert.equal(health.status, 200);
  assert.deepEqual(Object.keys(health.json()).sort(), [
    'nodes',
    'package_name',
    'schedulable',
    'version',
  ]);
  const metrics = await send('GET', `${t.url}/v1/metrics`);
  assert.equal(metrics.status, 200);
  assert.match(metrics.headers['content-type'], /^text\/plain/);
  assert.match(metrics.text, /^# (HELP|TYPE) /m);
});

test('unknown paths are 404, wrong methods 405, a trailing slash matters', async t => {
  for (const path of ['/', '/v1', '/v1/nothing', '/v1/identity/', '/v2/ping', '/v1/ping/']) {
    const answer = await send('GET', t.url + path);
    assert.deepEqual([answer.status, answer.text], [404, ''], path);
  }
  const wrong = await send('DELETE', `${t.url}/v1/ping`);
  assert.equal(wrong.status, 405);
  assert.ok(wrong.headers.allow.includes('GET'));
  const head = await send('HEAD', `${t.url}/v1/ping`);
  assert.equal(head.status, 200);
});

test('CORS: every answer below /v1 allows every origin, OPTIONS needs no handler', async t => {
  const options = await send('OPTIONS', `${t.url}/v1/identity/websocket-token`);
  assert.equal(options.status, 200);
  assert.equal(options.headers['access-control-allow-origin'], '*');
  assert.match(options.headers['access-control-allow-headers'], /authorization/);
  assert.equal(options.headers['access-control-allow-methods'], '*');
  const ping = await send('GET', `${t.url}/v1/ping`);
  assert.equal(ping.headers['access-control-allow-origin'], '*');
});

test('identities are minted, verified and exchanged for short tokens', async t => {
  const [one, two] = [await http.newIdentity(t.url), await http.newIdentity(t.url)];
  assert.notEqual(one.identity, two.identity);
  const verify = async (identity, token) =>
    (await send('GET', `${t.url}/v1/identity/${identity}/verify`, { headers: bearer(token) }))
      .status;
  assert.equal(await verify(one.identity, one.token), 204);
  assert.equal(await verify(two.identity, one.token), 400);
  assert.equal(await verify(one.identity), 401);
  const [head, body] = one.token
    .split('.')
    .slice(0, 2)
    .map(part => Buffer.from(part, 'base64url').toString());
  assert.deepEqual(JSON.parse(head), { typ: 'JWT', alg: 'ES256' });
  const claims = JSON.parse(body);
  assert.deepEqual(Object.keys(claims), ['hex_identity', 'sub', 'iss', 'aud', 'iat', 'exp']);
  assert.equal(claims.hex_identity, one.identity);
  assert.equal(claims.exp, null);
  const short = await send('POST', `${t.url}/v1/identity/websocket-token`, {
    headers: bearer(one.token),
  });
  const shortClaims = JSON.parse(Buffer.from(short.json().token.split('.')[1], 'base64url'));
  assert.equal(shortClaims.sub, claims.sub);
  assert.equal(shortClaims.exp - shortClaims.iat, 60);
  assert.equal((await send('POST', `${t.url}/v1/identity/websocket-token`)).status, 401);
  const key = await send('GET', `${t.url}/v1/identity/public-key`);
  assert.equal(key.headers['content-type'], 'application/pem-certificate-chain');
  assert.match(key.text, /^-----BEGIN PUBLIC KEY-----/);
  for (const bad of ['zz', '00', '0'.repeat(66), `0x${one.identity}`]) {
    assert.equal(
      (await send('GET', `${t.url}/v1/identity/${bad}/verify`, { headers: bearer(one.token) }))
        .status,
      400,
      bad,
    );
  }
});

test("answers below a database carry the caller's identity and token", async t => {
  const db = await t.publish('chat');
  const at = `${t.url}/v1/database/${db.name}`;
  const known = await send('GET', at, { headers: bearer(db.owner.token) });
  assert.equal(known.headers['spacetime-identity'], db.owner.identity);
  assert.equal(known.headers['spacetime-identity-token'], db.owner.token);
  for (const path of [
    at,
    `${at}/names`,
    `${at}/schema?version=10`,
    `${at}/unstable/timestamp`,
    `${t.url}/v1/database/no-such-one/names`,
  ]) {
    const answer = await send('GET', path);
    assert.match(answer.headers['spacetime-identity'], /^c200/, path);
    assert.ok(answer.headers['spacetime-identity-token'], path);
  }
  const socket = await db.raw();
  assert.equal(socket.headers['spacetime-identity'], socket.hello.identity);
});

test('names: listed, added, replaced, resolved', async t => {
  const db = await t.publish('chat');
  const at = `${t.url}/v1/database/${db.name}`;
  const headers = bearer(db.owner.token);
  assert.deepEqual((await send('GET', `${at}/names`)).json(), { names: [db.name] });
  const identity = (await send('GET', `${at}/identity`)).text;
  assert.match(identity, /^[0-9a-f]{64}$/);
  const added = await send('POST', `${at}/names`, { headers, body: `${db.name}-more` });
  assert.equal(added.json().Success.database_identity, identity);
  assert.equal((await send('GET', `${t.url}/v1/database/${db.name}-more/identity`)).text, identity);
  const foreign = await http.newIdentity(t.url);
  const taken = await send('PUT', `${at}/names`, {
    headers: { ...bearer(foreign.token), 'content-type': 'application/json' },
    body: '["x-y"]',
  });
  assert.equal(taken.status, 401);
  assert.deepEqual(taken.json(), { NotYourDatabase: { database: identity } });
  const owned = (await send('GET', `${t.url}/v1/identity/${db.owner.identity}/databases`)).json();
  assert.deepEqual(owned.identities, [identity]);
});

test('the schema of both versions describes the module', async t => {
  const db = await t.publish('chat');
  const ten = await http.schema(t.url, db.name, 10);
  const tables = ten.sections.find(section => section.Tables).Tables;
  assert.ok(tables.some(table => table.source_name === 'message'));
  const nine = await http.schema(t.url, db.name, 9);
  assert.ok(nine.tables.some(table => table.name === 'case_test'));
  assert.ok(nine.reducers.some(reducer => reducer.name === 'say_many'));
  assert.equal((await send('GET', `${t.url}/v1/database/${db.name}/schema`)).status, 400);
  assert.equal((await send('GET', `${t.url}/v1/database/${db.name}/schema?version=8`)).status, 400);
});

test('call: 200 empty with its headers, wrong content types refused', async t => {
  const db = await t.publish('chat');
  const done = await db.call('set_counter', [1, 5]);
  assert.deepEqual([done.status, done.text], [200, '']);
  assert.match(done.headers['spacetime-energy-used'], /^\d+$/);
  assert.match(done.headers['spacetime-execution-duration-micros'], /^\d+$/);
  const url = `${t.url}/v1/database/${db.name}/call/set_counter`;
  const charset = await send('POST', url, {
    headers: {
      'content-type': 'application/json; charset=utf-8',
    },
    body: '[2, 6]',
  });
  assert.equal(charset.status, 200);
  const none = await send('POST', url, { body: '[3, 7]' });
  assert.deepEqual([none.status, none.text], [400, 'Header of type `content-type` was missing']);
});

test('sql: the shape of the answer, and DML with its counts', async t => {
  const db = await t.publish('chat');
  const insert = (await db.sql('INSERT INTO counter (id, value) VALUES (7, 70), (8, 80)')).json();
  assert.deepEqual(insert[0].schema, { elements: [] });
  assert.deepEqual(insert[0].rows, []);
  assert.deepEqual(insert[0].stats, { rows_inserted: 2, rows_deleted: 0, rows_updated: 0 });
  const update = (await db.sql('UPDATE counter SET value = 71 WHERE id = 7')).json();
  assert.equal(update[0].stats.rows_updated, 1);
  const removed = (await db.sql('DELETE FROM counter WHERE id = 8')).json();
  assert.equal(removed[0].stats.rows_deleted, 1);
  const [result] = (await db.sql('SELECT * FROM counter WHERE id = 7')).json();
  assert.deepEqual(result.schema, {
    elements: [
      { name: { some: 'id' }, algebraic_type: { U32: [] } },
      { name: { some: 'value' }, algebraic_type: { U64: [] } },
    ],
  });
  assert.deepEqual(result.rows, [[7, 71]]);
  assert.equal(typeof result.total_duration_micros, 'number');
  assert.deepEqual(await db.rows('SELECT COUNT(*) AS n FROM counter'), [[2]]);
});

test('SQL writes reach subscribers', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM counter');
  await db.sql('INSERT INTO counter (id, value) VALUES (5, 50)');
  await eventually(() => client.db.counter.id.find(5)?.value === 50n, 'the inserted row');
  await db.sql('UPDATE counter SET value = 51 WHERE id = 5');
  await eventually(() => client.db.counter.id.find(5)?.value === 51n, 'the updated row');
  await db.sql('DELETE FROM counter WHERE id = 5');
  await eventually(() => !client.db.counter.id.find(5), 'the deleted row gone');
});

test('logs can be followed', async t => {
  const db = await t.publish('chat');
  const { request } = await import('node:http');
  const lines = [];
  const following = request(
    `${t.url}/v1/database/${db.name}/logs?follow=true&num_lines=0`,
    { headers: bearer(db.owner.token) },
    response => {
      assert.equal(response.headers['content-type'], 'application/x-ndjson');
      response.on('data', part => lines.push(part.toString()));
      response.on('error', () => {});
    },
  );
  following.on('error', () => {});
  following.end();
  await db.call('log', ['warming up']);
  await eventually(async () => {
    await db.call('log', ['followed']);
    return lines.join('').includes('"followed"');
  }, 'a followed line');
  following.destroy();
});

test('keep-alive connections answer many requests, pipelined ones in order', async t => {
  const { connect } = await import('node:net');
  const { hostname, port } = new URL(t.url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', part => (text += part));
  const get = 'GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n';
  socket.write(get.repeat(10));
  await eventually(() => text.split('HTTP/1.1 200').length === 11, 'ten answers');
  socket.destroy();
});
