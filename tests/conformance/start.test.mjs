// How `worldline start` begins and ends: its lines, and the exit codes of chapter 09, section 1.10.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, test } from './harness.mjs';
import * as http from './http_api.mjs';

async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), 'worldline-start-'));
  t.cleanups.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Runs `start` until it ends by itself. */
async function run(t, ...args) {
  const child = spawn(t.binary, ['start', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.cleanups.push(() => child.kill('SIGKILL'));
  const text = { out: '', err: '' };
  child.stdout.on('data', part => (text.out += part));
  child.stderr.on('data', part => (text.err += part));
  const [code] = await once(child, 'close');
  return { code, ...text };
}

const at = (data, ...more) => ['--data-dir', data, '--listen', '127.0.0.1:0', ...more];

test('a node that serves says so in the line of ours and in that of the reference', async t => {
  const data = await folder(t);
  const child = spawn(t.binary, ['start', ...at(data)], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.cleanups.push(() => child.kill('SIGKILL'));
  let out = '';
  for await (const part of child.stdout) {
    out += part;
    if (/^worldline ready.*\n/m.test(out)) break;
  }
  const [, address] = /^Starting SpacetimeDB listening on (127\.0\.0\.1:\d+)$/m.exec(out);
  assert.match(out, new RegExp(`^worldline ready: http://${address} .*${data}`, 'm'));
  assert.equal((await http.send('GET', `http://${address}/v1/ping`)).status, 200);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'close'), [0, null]);
});

test('bad usage ends with 2, a bad configuration with 3 and all its faults', async t => {
  const data = await folder(t);
  assert.equal((await run(t, '--no-such-option')).code, 2);
  const faults = await run(t, ...at(data, '--set', 'limits.max-body=1', '--set', 'no.such=1'));
  assert.equal(faults.code, 3);
  assert.match(faults.err, /error\[C004\]: limits\.max-body/);
  assert.match(faults.err, /error\[C002\]: no\.such/);
  const name = await run(t, '--data-dir', data, '--listen', 'localhost:0');
  assert.equal(name.code, 3);
  assert.match(name.err, /error\[C005\]: listen\.client/);
  const keys = ['--jwt-pub-key-path', join(data, 'a'), '--jwt-priv-key-path', join(data, 'b')];
  const missing = await run(t, ...at(data, ...keys));
  assert.equal(missing.code, 3);
  assert.match(missing.err, /error\[C008\]/);
  for (const key of ['a', 'b']) await writeFile(join(data, key), 'no key');
  assert.equal((await run(t, ...at(data, ...keys))).code, 3, 'files that hold no keys');
  await mkdir(join(data, 'half'));
  await writeFile(join(data, 'half', 'id_ecdsa.pub'), 'alone');
  const half = await run(t, ...at(data, '--jwt-key-dir', join(data, 'half')));
  assert.equal(half.code, 3);
  assert.match(half.err, /Unable to read private key for JWT token signing/);
});

test('a new data directory gets a config.toml that sets nothing, and it is read', async t => {
  const server = await t.startServer();
  await server.stop();
  const path = join(server.dataDir, 'config.toml');
  const text = await readFile(path, 'utf8');
  assert.match(text, /^# max-databases = 200 /m);
  for (const line of text.split('\n')) assert.match(line, /^$|^# |^\[[a-z0-9-]+\]$/);
  await writeFile(path, text.replace('# max-databases = 200', 'max-databases = 0'));
  const refused = await run(t, ...at(server.dataDir));
  assert.equal(refused.code, 3, refused.err);
  assert.match(refused.err, /error\[C004\]: metrics\.max-databases.*config\.toml/);
  await writeFile(path, '# mine\n');
  await server.start();
  assert.equal(await readFile(path, 'utf8'), '# mine\n');
});

test("options of the reference's server are refused or explained", async t => {
  const data = await folder(t);
  const faults = await run(t, ...at(data, '--in-memory', '--pg-port', '5432'));
  assert.equal(faults.code, 3);
  assert.match(faults.err, /error\[C004\]: node\.in-memory: not supported/);
  assert.match(faults.err, /error\[C004\]: listen\.pg-port: not supported/);
  const sized = await run(t, ...at(data, '--page_pool_max_size', 'much'));
  assert.equal(sized.code, 3);
  assert.match(sized.err, /error\[C005\]: limits\.page-pool-max-size/);
  const server = await t.startServer({ flags: ['--page_pool_max_size', '8GiB'] });
  const explained = line => line.startsWith('warning[W002]: limits.page-pool-max-size');
  assert.ok(server.errors.some(explained));
});

test('a port in use ends with 4 and leaves the data directory free', async t => {
  const data = await folder(t);
  const taken = new URL(t.url).host;
  const busy = await run(t, '--data-dir', data, '--listen', taken);
  assert.equal(busy.code, 4, busy.err);
  assert.match(busy.err, new RegExp(`listen on ${taken}`));
  assert.doesNotMatch(busy.out, /ready/);
  const foreign = await run(t, '--data-dir', data, '--listen', '192.0.2.1:1');
  assert.equal(foreign.code, 4, 'an address of another machine');
  const server = await t.startServer({ dataDir: data });
  assert.ok(server.alive);
});

test('a data directory that is locked or cannot be written ends with 5', async t => {
  const server = await t.startServer();
  const locked = await run(t, ...at(server.dataDir));
  assert.equal(locked.code, 5, locked.err);
  assert.match(locked.err, /in use by another process/);
  const data = await folder(t);
  await writeFile(join(data, 'file'), '');
  for (const path of [join(data, 'file'), join(data, 'file', 'below'), '/proc/worldline']) {
    const refused = await run(t, ...at(path));
    assert.equal(refused.code, 5, `${path}: ${refused.err}`);
  }
});

test('a log that cannot be read ends with 7, and what is on disk stays', async t => {
  const server = await t.startServer();
  await t.publish('chat', { url: server.url });
  await server.stop();
  const log = join(server.dataDir, 'log');
  const manifest = (await readdir(log)).find(name => name.startsWith('MANIFEST'));
  const before = await readFile(join(log, manifest));
  const damaged = Buffer.from(before);
  damaged.fill(0xa5, damaged.length >> 1);
  await writeFile(join(log, manifest), damaged);
  const refused = await run(t, ...at(server.dataDir));
  assert.equal(refused.code, 7, refused.err);
  await writeFile(join(log, manifest), before);
  await server.start();
  assert.ok(server.alive);
});
