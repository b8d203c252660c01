// The command line against the server: publish from a file and from a directory, call, sql, logs.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';
import { assert, test } from './harness.mjs';

const here = fileURLToPath(new URL('./', import.meta.url));

async function shell(t) {
  const home = await mkdtemp(join(tmpdir(), 'worldline-cli-'));
  t.cleanups.push(() => rm(home, { recursive: true, force: true }));
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config'), NO_COLOR: '1' };
  const run = (...args) =>
    new Promise(resolve => {
      execFile(t.binary, args, { env, cwd: home, timeout: 60_000 }, (error, stdout, stderr) =>
        resolve({ code: error ? (error.code ?? 1) : 0, stdout, stderr, text: stdout + stderr }),
      );
    });
  return { home, run };
}

test('publish a bundle, call it, query it, read its log, describe and delete it', async t => {
  const { home, run } = await shell(t);
  const server = ['--server', t.url];
  const name = `cli-${process.pid}`;
  const file = join(home, 'bundle.js');
  await writeFile(file, await bundle('chat'));
  const published = await run('publish', name, file, '--yes', ...server);
  assert.equal(published.code, 0, published.text);
  assert.match(published.text, /identity: ([0-9a-fA-F]+)/);
  const called = await run('call', name, 'set_counter', '3', '33', ...server);
  assert.equal(called.code, 0, called.text);
  const queried = await run('sql', name, 'SELECT * FROM counter WHERE id = 3', ...server);
  assert.equal(queried.code, 0, queried.text);
  assert.match(queried.stdout, /33/);
  for (const unstable of [called, queried]) {
    assert.match(unstable.stderr, /^Warning: this command is unstable[^\n]*\n\n/);
    assert.doesNotMatch(unstable.stdout, /unstable/);
  }
  assert.equal((await run('call', name, 'log', '"from the shell"', ...server)).code, 0);
  const logged = await run('logs', name, ...server);
  assert.match(logged.stdout, /from the shell/);
  const described = await run('describe', name, '--json', ...server);
  assert.equal(described.code, 0, described.text);
  assert.ok(described.stdout.includes('set_counter') || described.stdout.includes('setCounter'));
  assert.match((await run('list', ...server)).text, /[0-9a-f]{64}/);
  const failed = await run('call', name, 'fail_by_sender', '"no luck"', ...server);
  assert.notEqual(failed.code, 0);
  assert.match(failed.text, /no luck/);
  assert.notEqual((await run('call', name, 'no_such', ...server)).code, 0);
  assert.notEqual((await run('sql', name, 'SELECT * FROM nowhere', ...server)).code, 0);
  const removed = await run('delete', name, '--yes', ...server);
  assert.equal(removed.code, 0, removed.text);
  assert.notEqual((await run('sql', name, 'SELECT * FROM counter', ...server)).code, 0);
});

test('publish a directory: bundled with esbuild, checked with tsc, updated in place', async t => {
  const { home, run } = await shell(t);
  const folder = join(home, 'module');
  await mkdir(join(folder, 'src'), { recursive: true });
  await cp(`${here}modules/migrate/first.ts`, join(folder, 'src/index.ts'));
  await cp(`${here}modules/tsconfig.json`, join(folder, 'tsconfig.json'));
  await writeFile(join(folder, 'package.json'), '{"type": "module"}\n');
  await symlink(`${here}node_modules`, join(folder, 'node_modules'));
  const name = `cli-dir-${process.pid}`;
  const first = await run('publish', name, folder, '--yes', '--server', t.url);
  assert.equal(first.code, 0, first.text);
  assert.match(first.text, /Created new database with name: /);
  assert.equal((await run('call', name, 'add', '1', '"x"', '--server', t.url)).code, 0);
  await cp(`${here}modules/migrate/changed_function.ts`, join(folder, 'src/index.ts'));
  const second = await run('publish', name, folder, '--yes', '--server', t.url);
  assert.equal(second.code, 0, second.text);
  assert.match(second.text, /Updated database with name: /);
  assert.equal((await run('call', name, 'add', '2', '"y"', '--server', t.url)).code, 0);
  const rows = await run('sql', name, 'SELECT name FROM item', '--server', t.url);
  assert.match(rows.stdout, /first: x/);
  assert.match(rows.stdout, /second: y/);
  await writeFile(join(folder, 'src/index.ts'), 'const a: number = "text"; export default a;\n');
  const broken = await run('publish', name, folder, '--yes', '--server', t.url);
  assert.notEqual(broken.code, 0);
});

test("a refused module shows the server's error and a failing exit code", async t => {
  const { home, run } = await shell(t);
  const file = join(home, 'bundle.js');
  await writeFile(file, await bundle('refused/view'));
  const answer = await run('publish', `cli-bad-${process.pid}`, file, '--yes', '--server', t.url);
  assert.notEqual(answer.code, 0);
  assert.match(answer.text, /view/i);
});

test('version and identity answer; an unknown command is an error', async t => {
  const { run } = await shell(t);
  const version = await run('version');
  assert.equal(version.code, 0);
  assert.match(version.stdout, /worldline.*\d+\.\d+/is);
  assert.match((await run('-V')).stdout, /^worldline \d+\.\d+\.\d+\n$/);
  const long = await run('--version');
  assert.equal(long.code, 0);
  assert.match(
    long.stdout,
    /^worldline \d+\.\d+\.\d+\nPath: \/.+\nCommit: [0-9a-z-]+\nworldline tool version .*v3\.bsatn/,
  );
  const identity = await run('identity', '--server', t.url);
  assert.match(identity.text, /c200[0-9a-f]{60}/);
  assert.notEqual((await run('nonsense')).code, 0);
});
