// One server process on a data directory of its own: start, stop, kill, start again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

// Limits of waiting are for an idle machine; on a busy one WORLDLINE_PATIENCE=N stretches them.
export const PATIENCE = Number(process.env.WORLDLINE_PATIENCE ?? 1);
const running = new Set();
process.on('exit', () => running.forEach(child => child.kill('SIGKILL')));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));
const START_MS_MAX = 60_000 * PATIENCE;
const ERROR_LINES_KEPT = 200;
// Servers of one run keep lowered bundles in one place, as every server would spend its first two
// seconds on the same ones otherwise. Its name is inherited by the processes of the run.
const LOWERED = (process.env.WORLDLINE_TEST_LOWERED ??= join(
  tmpdir(),
  `worldline-lowered-${process.pid}`,
));
if (LOWERED.endsWith(`-${process.pid}`)) {
  process.on('exit', () => rmSync(LOWERED, { recursive: true, force: true }));
}

async function newDataDir() {
  const made = await mkdtemp(join(tmpdir(), 'worldline-test-'));
  await mkdir(LOWERED, { recursive: true });
  await symlink(LOWERED, join(made, 'lowered'));
  return made;
}

export class ServerProcess {
  constructor(binary, options = {}) {
    this.binary = binary;
    this.flags = options.flags ?? [];
    this.dataDir = options.dataDir ?? null;
    this.listen = options.listen ?? '127.0.0.1:0';
    this.errors = [];
    this.child = null;
  }

  static async start(binary, options) {
    const server = new ServerProcess(binary, options);
    await server.start();
    return server;
  }

  async start() {
    this.dataDir ??= await newDataDir();
    const args = [
      'start',
      '--data-dir',
      this.dataDir,
      '--listen',
      this.listen,
      '--non-interactive',
      '--set',
      'storage.ballast=0', // Many servers share this disk.
      ...this.flags,
    ];
    this.child = spawn(this.binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const child = this.child;
    running.add(child);
    child.on('exit', () => running.delete(child));
    this.exited = once(this.child, 'exit').then(([code, signal]) => ({ code, signal }));
    createInterface({ input: this.child.stderr }).on('line', line => {
      this.errors.push(line);
      if (this.errors.length > ERROR_LINES_KEPT) this.errors.shift();
    });
    this.url = await this.#ready();
    // The same address again after a restart, so that clients can come back.
    this.listen = new URL(this.url).host;
  }

  /** The URL in the line `worldline ready ...`. */
  async #ready() {
    const lines = createInterface({ input: this.child.stdout });
    const ready = new Promise((resolve, reject) => {
      lines.on('line', line => {
        const found = /^worldline ready\b.*?(https?:\/\/[^\s,]+)/.exec(line);
        if (found) resolve(found[1].replace(/\/$/, ''));
      });
      this.exited.then(({ code, signal }) =>
        reject(
          new Error(
            `the server ended with ${code ?? signal} too early:\n${this.errors.join('\n')}`,
          ),
        ),
      );
      setTimeout(() => reject(new Error('the server was not ready in time')), START_MS_MAX).unref();
    });
    return ready;
  }

  get alive() {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Sends the signal and waits for the end; the result has the code and how long it took. */
  async stop(signal = 'SIGTERM') {
    if (!this.alive) return { ...(await this.exited), ms: 0 };
    const begin = performance.now();
    this.child.kill(signal);
    return { ...(await this.exited), ms: performance.now() - begin };
  }

  async restart(signal = 'SIGTERM') {
    const end = await this.stop(signal);
    await this.start();
    return end;
  }

  /** Resident memory in MiB. */
  async memory() {
    const { readFile } = await import('node:fs/promises');
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) / 1024;
  }

  async dispose() {
    if (this.alive) await this.stop('SIGKILL');
    if (this.dataDir) await rm(this.dataDir, { recursive: true, force: true });
  }
}
