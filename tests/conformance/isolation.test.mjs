// Damage of one database's log takes that database out of service, at every start, until its owner
// gives it up; the others are served. Damage of the catalog keeps the node from starting.
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, test } from './harness.mjs';
import * as http from './http_api.mjs';

const CALLS = 300; // About 400 KiB of log: a dozen blocks, of which one is damaged.

/** Flips a bit of `text` in the one file of the log that holds it. */
async function damage(server, text) {
  const folder = join(server.dataDir, 'log');
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.sst')) continue;
    const bytes = await readFile(join(folder, name));
    const at = bytes.indexOf(text);
    if (at < 0) continue;
    bytes[at] ^= 1;
    await writeFile(join(folder, name), bytes);
    return;
  }
  throw new Error(`no file of the log holds ${text}`);
}

/** Two databases whose log lies in files: a start moves there what was in the write-ahead log. */
async function twoDatabases(t) {
  const server = await t.startServer();
  const hurt = await t.publish('chat', { url: server.url });
  const whole = await t.publish('chat', { url: server.url });
  const texts = Array.from({ length: CALLS }, () => randomBytes(750).toString('base64'));
  for (const text of texts) assert.equal((await hurt.call('say', [1, text])).status, 200);
  await whole.call('say', [1, 'kept']);
  await server.restart('SIGKILL');
  await server.stop('SIGKILL');
  return { server, hurt, whole, texts };
}

test('damage of one log takes that database out of service, and no other', async t => {
  const { server, hurt, whole, texts } = await twoDatabases(t);
  await damage(server, texts[CALLS / 2].slice(100, 120));
  for (let start = 1; start <= 2; start++) {
    await server.start();
    assert.match(server.errors.join('\n'), /quarantine identity=.*out of service \(damaged\)/);
    assert.deepEqual(await whole.rows("SELECT text FROM message WHERE text = 'kept'"), [['kept']]);
    assert.equal((await whole.call('say', [1, 'more'])).status, 200);
    const path = `${server.url}/v1/database/${hurt.name}`;
    const answers = {
      call: await hurt.call('say', [1, 'x']),
      sql: await hurt.sql('SELECT * FROM message'),
      schema: await http.send('GET', `${path}/schema?version=9`),
      logs: await http.send('GET', `${path}/logs`, { headers: http.bearer(hurt.owner.token) }),
      publish: await hurt.publish('export {}'),
    };
    for (const [route, answer] of Object.entries(answers)) {
      assert.equal(answer.status, 503, `${route}: ${answer.text}`);
      assert.match(answer.text, /out of service \(damaged\).*worldline delete/s, route);
    }
    const client = await t.raw(hurt, { greeting: false });
    assert.equal(client.status, 503, 'subscribe');
    assert.equal((await http.send('GET', path)).status, 200, 'it is still there');
    const metrics = (await http.send('GET', `${server.url}/v1/metrics`)).text;
    assert.match(metrics, /^worldline_databases_out_of_service{.*state="damaged".*} 1$/m);
    assert.match(metrics, /^worldline_replicas_quarantined(?:{.*})? 1$/m);
    assert.equal((await server.stop('SIGTERM')).code, 0);
  }
  await server.start();
  const path = `${server.url}/v1/database/${hurt.name}`;
  const stranger = await http.newIdentity(server.url);
  const foreign = await http.send('DELETE', path, { headers: http.bearer(stranger.token) });
  assert.equal(foreign.status, 403);
  const gone = await http.send('DELETE', path, { headers: http.bearer(hurt.owner.token) });
  assert.equal(gone.status, 200, gone.text);
  await server.restart('SIGKILL');
  assert.equal((await http.send('GET', path)).status, 404);
  assert.equal((await whole.rows("SELECT text FROM message WHERE text = 'more'")).length, 2);
  const metrics = (await http.send('GET', `${server.url}/v1/metrics`)).text;
  assert.match(metrics, /^worldline_databases_out_of_service{.*state="damaged".*} 0$/m);
});

test('a node whose catalog is damaged ends with 7 and says so', async t => {
  const { server, hurt } = await twoDatabases(t);
  await damage(server, hurt.name);
  await assert.rejects(server.start(), /ended with 7 too early.*(catalog|log)/s);
});
