// Tokens signed with the server's own key, so that every rule of chapter 02, section 11.4 is tried
// with a signature that is right.
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
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

/** An OpenID issuer on this machine, with an RSA and a P-256 key. */
async function issuer(t) {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = (kid, { publicKey }) => ({ kid, ...publicKey.export({ format: 'jwk' }) });
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    const documents = {
      '/.well-known/openid-configuration': { jwks_uri: `${url}/keys` },
      '/keys': { keys: [jwk('rsa', rsa), jwk('ec', ec), { kid: 'o', kty: 'oct', k: 'AA' }] },
    };
    const found = documents[request.url];
    response.writeHead(found ? 200 : 404).end(JSON.stringify(found ?? {}));
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  t.cleanups.push(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}`;
  const signed = (header, claims, signature) => {
    const text = `${part(header)}.${part(claims)}`;
    return `${text}.${signature(Buffer.from(text)).toString('base64url')}`;
  };
  const by = {
    rsa: text => sign('sha256', text, rsa.privateKey),
    ec: text => sign('sha256', text, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
    secret: text =>
      createHmac('sha256', rsa.publicKey.export({ type: 'spki', format: 'pem' }))
        .update(text)
        .digest(),
  };
  return { url, asked, signed, by };
}

test('tokens of an OpenID issuer are accepted with its keys, and nothing else of it', async t => {
  const { url, asked, signed, by } = await issuer(t);
  const server = await t.startServer({ flags: ['--set', 'auth.block-private-issuers=false'] });
  const db = await t.publish('chat', { url: server.url });
  const claims = { ...base(), iss: url, sub: 'alice', aud: ['my-app'], exp: now() + 600 };
  const accepted = [
    signed({ alg: 'RS256', kid: 'rsa' }, claims, by.rsa),
    signed({ alg: 'RS256' }, claims, by.rsa),
    signed({ alg: 'ES256', kid: 'ec' }, claims, by.ec),
    signed({ alg: 'ES256' }, { ...claims, exp: undefined }, by.ec),
    signed({ alg: 'ES256' }, { ...claims, iss: `${url}/` }, by.ec),
  ];
  const identities = [];
  for (const token of accepted) {
    const answer = await http.send('GET', `${server.url}/v1/database/${db.name}`, {
      headers: http.bearer(token),
    });
    assert.equal(answer.status, 200, answer.text);
    identities.push(answer.headers['spacetime-identity']);
  }
  assert.equal(new Set(identities.slice(0, 4)).size, 1, 'one issuer and subject, one identity');
  assert.notEqual(identities[4], identities[0], 'the issuer counts byte by byte');
  assert.equal(asked.length, 4, 'two requests for each spelling of the issuer');
  const client = await db.connect({ token: accepted[0] });
  assert.equal(client.identity.toHexString(), identities[0]);
  const me = JSON.parse((await rejected(client.reducers.whoAmI({}))).message);
  assert.equal(me.issuer, url);

  const refused = [
    [signed({ alg: 'RS256', kid: 'ec' }, claims, by.rsa), 'Invalid token: InvalidAlgorithm'],
    [signed({ alg: 'RS256', kid: 'no' }, claims, by.rsa), 'Specified key ID not found in JWKs'],
    [signed({ alg: 'HS256', kid: 'rsa' }, claims, by.secret), 'Invalid token: InvalidAlgorithm'],
    [signed({ alg: 'RS256' }, claims, by.ec), 'Invalid token: InvalidSignature'],
    [
      signed({ alg: 'RS256' }, { ...claims, exp: now() - 90 }, by.rsa),
      'Invalid token: ExpiredSignature',
    ],
    [
      signed({ alg: 'RS256' }, { ...claims, iss: 'http://127.0.0.1:1' }, by.rsa),
      'Error fetching public key for issuer http://127.0.0.1:1',
    ],
    [
      signed({ alg: 'RS256' }, { ...claims, iss: 'https://a|b' }, by.rsa),
      'Error fetching public key for issuer https://a|b',
    ],
  ];
  for (const [token, text] of refused) {
    const answer = await http.send('GET', `${server.url}/v1/database/${db.name}`, {
      headers: http.bearer(token),
    });
    assert.deepEqual([answer.status, answer.text], [401, text]);
  }
});

test('issuers that are not on the list, or in a private network, are not asked', async t => {
  const { url, asked, signed, by } = await issuer(t);
  const token = signed({ alg: 'ES256' }, { ...base(), iss: url }, by.ec);
  for (const flags of [
    [],
    ['--set', 'auth.block-private-issuers=false', '--set', 'auth.external-issuers=https://a,b'],
  ]) {
    const server = await t.startServer({ flags });
    const answer = await http.send('GET', `${server.url}/v1/database/x/names`, {
      headers: http.bearer(token),
    });
    assert.equal(answer.status, 401);
    assert.equal(answer.text, `Error fetching public key for issuer ${url}`);
  }
  assert.deepEqual(asked, []);
});
