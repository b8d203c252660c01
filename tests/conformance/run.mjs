#!/usr/bin/env node
// Runs the conformance tests against a server binary and ends with 'N passed, N failed'.
//
//   node run.mjs [--server PATH] [--only TEXT]... [--jobs N] [--list] [--verbose]
//
// The server is build/release/worldline unless --server or WORLDLINE_SERVER says otherwise. With
// --jobs, so many processes share the tests, each with a server of its own.
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Context, test, tests, within } from './harness.mjs';
import { PATIENCE, ServerProcess } from './server_process.mjs';

const here = fileURLToPath(new URL('./', import.meta.url));
const { values: options } = parseArgs({
  options: {
    server: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    jobs: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const binary =
  options.server ??
  process.env.WORLDLINE_SERVER ??
  fileURLToPath(new URL('../../build/release/worldline', import.meta.url));
const jobs = Number(options.jobs);
// A loop without end holds its core for the whole budget.
const SHARED_FLAGS = ['--log-level', 'warn', '--set', `limits.call-budget=${5 * PATIENCE}s`];

/** Runs tests one after the other against a server that they share. */
class Runner {
  async run({ file, name, body, ms }) {
    const ended = this.server && !this.server.alive ? await this.#bury() : null;
    this.server ??= await ServerProcess.start(binary, { flags: SHARED_FLAGS });
    const context = new Context({ binary, server: this.server });
    const begin = performance.now();
    let error = null;
    try {
      await within(body(context), ms, 'the test');
    } catch (thrown) {
      error = thrown ?? new Error('rejected without a reason');
    }
    await within(context.dispose(), 30_000, 'cleaning up').catch(problem => (error ??= problem));
    return {
      test: `${file}: ${name}`,
      ended,
      ms: Math.round(performance.now() - begin),
      error: error && String(error.stack ?? error.message ?? error),
    };
  }

  /** Tells how the shared server ended under an earlier test. */
  async #bury() {
    const lines = this.server.errors.slice(-20).map(line => `\n    ${line}`);
    const told = JSON.stringify(await this.server.exited) + lines.join('');
    await this.dispose();
    return told;
  }

  async dispose() {
    await this.server?.dispose();
    this.server = undefined;
  }
}

class Report {
  passed = 0;
  failures = [];

  add({ test, ended, ms, error }) {
    if (ended) {
      console.log(`  the shared server is gone: ${ended}`);
      this.failures.push('the shared server ended');
    }
    console.log(`${error ? 'FAILED' : 'ok    '} ${test} (${ms} ms)`);
    if (!error) {
      this.passed++;
      return;
    }
    this.failures.push(test);
    console.log(`    ${error.split('\n').slice(0, 14).join('\n    ')}`);
  }

  end() {
    const { passed, failures } = this;
    if (failures.length) console.log(`\nfailed:\n  ${failures.join('\n  ')}`);
    console.log(`\n${passed} passed, ${failures.length} failed`);
    process.exit(failures.length ? 1 : 0);
  }
}

/** Deals the tests out to processes, each of which gets the next one when it is done with one. */
async function runShared(chosen, report) {
  const left = chosen.map(one => tests.indexOf(one));
  const hand = child => (left.length ? child.send(left.shift()) : child.send('end'));
  const work = () =>
    new Promise(resolve => {
      let running = null;
      const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
        env: { ...process.env, WORLDLINE_TEST_WORKER: '1' },
      });
      child.on('message', message => {
        if (message.outcome) report.add(message.outcome);
        running = left[0];
        hand(child);
      });
      child.on('exit', code => {
        if (code !== 0) {
          const { file, name } = tests[running] ?? { file: 'run', name: 'a worker' };
          report.add({ test: `${file}: ${name}`, ms: 0, error: `the worker ended with ${code}` });
        }
        resolve();
      });
    });
  await Promise.all(Array.from({ length: jobs }, work));
  for (const index of left) {
    const { file, name } = tests[index];
    report.add({ test: `${file}: ${name}`, ms: 0, error: 'no worker was left to run it' });
  }
}

/** A process of runShared(). */
function serveTests() {
  const runner = new Runner();
  const end = () => runner.dispose().then(() => process.exit(0));
  process.on('disconnect', end);
  process.on('message', async message => {
    if (message === 'end') return end();
    process.send({ outcome: await runner.run(tests[message]) });
  });
  process.send({});
}

for (const file of (await readdir(here)).filter(name => name.endsWith('.test.mjs')).sort()) {
  test.file = file.replace('.test.mjs', '');
  await import(new URL(file, import.meta.url));
}
const chosen = tests.filter(
  ({ file, name }) =>
    options.only.length === 0 || options.only.some(text => `${file}: ${name}`.includes(text)),
);
process.on('unhandledRejection', error => {
  if (options.verbose) console.error('  unhandled:', error?.message ?? error);
});
if (options.list) {
  for (const { file, name } of chosen) console.log(`${file}: ${name}`);
} else if (!existsSync(binary)) {
  console.error(`there is no server at ${binary}; build it, or name one with --server`);
  process.exitCode = 2;
} else if (!(jobs >= 1)) {
  console.error(`--jobs ${options.jobs}: a number from 1 on`);
  process.exitCode = 2;
} else if (process.env.WORLDLINE_TEST_WORKER) {
  serveTests();
} else {
  const report = new Report();
  if (jobs > 1) {
    await runShared(chosen, report);
  } else {
    const runner = new Runner();
    for (const one of chosen) report.add(await runner.run(one));
    await runner.dispose();
  }
  report.end();
}
