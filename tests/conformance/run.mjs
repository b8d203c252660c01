#!/usr/bin/env node
// Runs the conformance tests against a server binary and ends with 'N passed, N failed'.
//
//   node run.mjs [--server PATH] [--only TEXT]... [--list] [--verbose]
//
// The server is build/release/worldline unless --server or WORLDLINE_SERVER says otherwise.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Context, test, tests, within } from './harness.mjs';
import { ServerProcess } from './server_process.mjs';

const here = fileURLToPath(new URL('./', import.meta.url));
const { values: options } = parseArgs({
  options: {
    server: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    list: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const binary =
  options.server ??
  process.env.WORLDLINE_SERVER ??
  fileURLToPath(new URL('../../build/release/worldline', import.meta.url));

for (const file of (await readdir(here)).filter(name => name.endsWith('.test.mjs')).sort()) {
  test.file = file.replace('.test.mjs', '');
  await import(new URL(file, import.meta.url));
}
const chosen = tests.filter(
  ({ file, name }) =>
    options.only.length === 0 || options.only.some(text => `${file}: ${name}`.includes(text)),
);
if (options.list) {
  for (const { file, name } of chosen) console.log(`${file}: ${name}`);
  process.exit(0);
}
if (!existsSync(binary)) {
  console.error(`there is no server at ${binary}; build it, or name one with --server`);
  process.exit(2);
}
process.on('unhandledRejection', error => {
  if (options.verbose) console.error('  unhandled:', error?.message ?? error);
});

const shared = {
  binary,
  server: await ServerProcess.start(binary, { flags: ['--log-level', 'warn'] }),
};
const failures = [];
let passed = 0;
for (const { file, name, body, ms } of chosen) {
  if (!shared.server.alive) {
    console.log(`  the shared server is gone: ${JSON.stringify(await shared.server.exited)}`);
    console.log(
      shared.server.errors
        .slice(-20)
        .map(line => `    ${line}`)
        .join('\n'),
    );
    failures.push('the shared server ended');
    await shared.server.dispose();
    shared.server = await ServerProcess.start(binary, { flags: ['--log-level', 'warn'] });
  }
  const context = new Context(shared);
  const begin = performance.now();
  let error = null;
  try {
    await within(body(context), ms, 'the test');
  } catch (thrown) {
    error = thrown ?? new Error('rejected without a reason');
  }
  await within(context.dispose(), 30_000, 'cleaning up').catch(problem => (error ??= problem));
  const took = `${Math.round(performance.now() - begin)} ms`;
  console.log(`${error ? 'FAILED' : 'ok    '} ${file}: ${name} (${took})`);
  if (!error) passed++;
  else {
    failures.push(`${file}: ${name}`);
    console.log(
      `    ${String(error.stack ?? error.message ?? error)
        .split('\n')
        .slice(0, 14)
        .join('\n    ')}`,
    );
  }
}
await shared.server.dispose();
if (failures.length) console.log(`\nfailed:\n  ${failures.join('\n  ')}`);
console.log(`\n${passed} passed, ${failures.length} failed`);
process.exit(failures.length ? 1 : 0);
