// Tokens signed with the server's own key, so that every rule of chapter 02, section 11.4 is tried
// with a signature that is right.
import { sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, rejected, test } from './harness.mjs';
import * as http from './http_api.mjs';

const now = () => Math.floor(Date.now() / 1000);
const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');

async function signer(t) {
  const server = await t.startServer();
  const key = await readFile(join(server.dataDir, 'keys', 'id_ecdsa'), 'utf8');
  const token = (claims, header = { typ: 'JWT', alg: 'ES256' }) => {
    const text = `${part(header)}.${part(claims)}`;
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  };
  const exchange = claims =>
    http.send('POST', `${server.url}/v1/identity/websocket-token`, {
      headers: http.bearer(token(claims)),
    });
  return { server, token, exchange };
}

const base = () => ({
  sub: 'somebody',
  iss: 'localhost',
  aud: ['spacetimedb'],
  iat: now(),
  exp: null,
});
const without = key => Object.fromEntries(Object.entries(base()).filter(([name]) => name !== key));

const ACCEPTED = {
  'no expiry': () => base(),
  'no exp member': () => without('exp'),
  'no audience': () => without('aud'),
  'an audience that is a string': () => ({ ...base(), aud: 'anything' }),
  'an expiry in the future': () => ({ ...base(), exp: now() + 10 }),
  'an expiry within the leeway of 60 s': () => ({ ...base(), exp: now() - 30 }),
  'a not-before in the future': () => ({ ...base(), nbf: now() + 1000 }),
  'a foreign issuer signed with the local key': () => ({
    ...base(),
    iss: 'https://issuer.example',
  }),
  'names of 128 bytes': () => ({ ...base(), sub: 's'.repeat(128) }),
  'claims of its own': () => ({ ...base(), role: 'admin', deep: { a: [1, null] } }),
};

const REFUSED = {
  'an expiry beyond the leeway': [() => ({ ...base(), exp: now() - 120 }), /ExpiredSignature/],
  'no subject': [() => without('sub'), /./],
  'no issuer': [() => without('iss'), /./],
  'no time of issue': [() => without('iat'), /./],
  'a subject that is a number': [() => ({ ...base(), sub: 7 }), /./],
  'a time of issue that is a text': [() => ({ ...base(), iat: 'now' }), /./],
  'an expiry that is a text': [() => ({ ...base(), exp: 'never' }), /./],
  'an empty subject': [() => ({ ...base(), sub: '' }), /Subject empty/],
  'an empty issuer': [() => ({ ...base(), iss: '' }), /Issuer empty|./],
  'a subject of 129 bytes': [() => ({ ...base(), sub: 's'.repeat(129) }), /Subject too long/],
  'an issuer of 129 bytes': [() => ({ ...base(), iss: 'i'.repeat(129) }), /Issuer too long/],
  'another hex_identity': [
    () => ({ ...base(), hex_identity: 'c2'.padEnd(64, '0') }),
    /Identity mismatch/,
  ],
  'an array as payload': [() => [1, 2], /./],
};

test('tokens with what may be missing or odd are accepted', async t => {
  const { exchange } = await signer(t);
  for (const [name, claims] of Object.entries(ACCEPTED)) {
    const answer = await exchange(claims());
    assert.equal(answer.status, 200, `${name}: ${answer.text}`);
  }
});

test('tokens that break a rule are refused with its text', async t => {
  const { exchange, server } = await signer(t);
  for (const [name, [claims, text]] of Object.entries(REFUSED)) {
    const answer = await exchange(claims());
    assert.equal(answer.status, 401, `${name}: ${answer.status} ${answer.text}`);
    assert.match(answer.text, text, name);
  }
  assert.ok(server.alive);
});

test('the identity follows from issuer and subject, and extra claims reach the module', async t => {
  const { server, token } = await signer(t);
  const db = await t.publish('chat', { url: server.url });
  const vectors = JSON.parse(
    await readFile(new URL('../vectors/identity.json', import.meta.url), 'utf8'),
  );
  assert.ok(vectors);
  const mine = token({ ...base(), role: 'admin' });
  const client = await db.connect({ token: mine });
  const again = await db.connect({ token: token({ ...base(), iat: now() - 5 }) });
  assert.equal(client.identity.toHexString(), again.identity.toHexString());
  const me = JSON.parse((await rejected(client.reducers.whoAmI({}))).message);
  assert.equal(me.subject, 'somebody');
  assert.equal(me.sender, client.identity.toHexString());
});

test('a connection outlives its token, an upgrade does not', async t => {
  const { server, token } = await signer(t);
  const db = await t.publish('chat', { url: server.url });
  const short = token({ ...base(), exp: now() - 58 });
  const client = await db.raw({ token: short });
  assert.equal(client.status, 101);
  await new Promise(resolve => setTimeout(resolve, 4000));
  const late = await db.raw({ token: short });
  assert.equal(late.status, 401);
  const answer = await client.answer(client.call('clear_room', Buffer.alloc(4)));
  assert.equal(answer.outcome, 'Ok');
});
