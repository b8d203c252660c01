#!/usr/bin/env node
// Kills the server at random moments under load and starts it again: every confirmed call must be
// there, none twice, in order, whole, and everything a subscriber saw must be there too.
//
//   node run.mjs [--server PATH] [--rounds N | --long] [--seed N] [--verbose]
//
// The short mode has 12 rounds, the long one 200. The seed is printed first and on failure.
// What is checked after each round, for each client of it (chapter 05, section 5.9):
//   - numbers 1..k are stored exactly once each, and k is at least the last confirmed one;
//   - the tally written in the same transactions agrees, and the sum of all accounts is unchanged;
//   - every row that a subscriber was shown is stored, with the same id;
//   - ids are never given twice, not even those of calls that were lost;
//   - a program published during the round runs if that was confirmed; else it or the one before.
// An orderly end (SIGTERM) answers every accepted call, also to a client that stopped reading for a
// while and on a machine where every core is kept busy; only a forced one (exit 12) may not.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Reader, Writer, encode } from '../conformance/bsatn.mjs';
import { bundle } from '../conformance/bundle.mjs';
import * as http from '../conformance/http_api.mjs';
import { keccak256, printed } from '../conformance/keccak.mjs';
import { RawClient } from '../conformance/raw_client.mjs';
import { PATIENCE, ServerProcess } from '../conformance/server_process.mjs';

const SHORT_ROUNDS = 12;
const LONG_ROUNDS = 200;
const ACCOUNTS_SUM = 64_000;
const DATABASES = ['ledger-a', 'ledger-b'];
const FULL_CHECK_EVERY = 25;
const STOP_MS_MAX = 10_000 * PATIENCE;
const STOP_TIMEOUT_EXIT = 12;
const BUSY_PER_CORE = 8;
const QUERIES_OF_A_SLOW_READER = 6;
// Of up to 5 KB each: more than sockets hold, and all answers together less than the 64 MiB after
// which the server gives up on a client that does not read.
const ROWS_OF_A_SLOW_READER = 1500;

const { values: options } = parseArgs({
  options: {
    server: { type: 'string' },
    rounds: { type: 'string' },
    long: { type: 'boolean', default: false },
    seed: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const binary =
  options.server ??
  process.env.WORLDLINE_SERVER ??
  fileURLToPath(new URL('../../build/release/worldline', import.meta.url));
const rounds = Number(options.rounds ?? (options.long ? LONG_ROUNDS : SHORT_ROUNDS));
const seed = Number(options.seed ?? (Math.random() * 2 ** 31) | 0);

/** mulberry32: the same rounds for the same seed, whatever the machine. */
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = generator(seed);
const between = (low, high) => low + Math.floor(random() * (high - low + 1));
const pick = list => list[between(0, list.length - 1)];
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** A client that keeps `depth` calls in flight and remembers which were confirmed. */
class Load {
  constructor(database, number, depth, padding) {
    Object.assign(this, { database, number, depth, padding, sent: 0, confirmed: 0, problems: [] });
  }

  async open(url) {
    this.client = await RawClient.open(url, this.database);
    this.client.onMessage = message => this.#answer(message);
    const frames = [];
    for (let i = 0; i < this.depth; i++) frames.push(this.#next());
    this.client.send(Buffer.concat(frames));
  }

  #next() {
    const args = new Writer().u32(this.number).u32(++this.sent).string(this.padding).end();
    return encode.callReducer(this.sent, 'write', args);
  }

  #answer(message) {
    if (message.kind !== 'ReducerResult') return;
    if (message.outcome !== 'Ok') this.problems.push(`${message.outcome}: ${message.error}`);
    if (message.request !== this.confirmed + 1) {
      this.problems.push(`answer ${message.request} after ${this.confirmed}`);
    }
    this.confirmed = message.request;
    if (!this.stopped) this.client.send(this.#next());
  }
}

/** A subscriber that remembers every entry it was shown: "id client number". */
class Watcher {
  constructor(database) {
    Object.assign(this, { database, seen: new Map() });
  }

  async open(url, clients) {
    this.client = await RawClient.open(url, this.database);
    this.client.onMessage = message => {
      for (const { tables } of message.sets ?? []) {
        for (const { rows } of tables)
          rows.forEach(part => part.inserts.forEach(row => this.#see(row)));
      }
    };
    this.client.subscribe(0, ...clients.map(n => `SELECT * FROM entry WHERE client = ${n}`));
  }

  #see(row) {
    const reader = new Reader(row);
    this.seen.set(Number(reader.u64()), `${reader.u32()} ${reader.u32()}`);
  }
}

/** A client that stops reading in the middle of its answers, and goes on when it is told. */
class SlowReader {
  constructor(database, clients) {
    Object.assign(this, { database, answers: 0, end: 'still open' });
    const each = Math.ceil(ROWS_OF_A_SLOW_READER / clients);
    this.query = `SELECT * FROM entry WHERE number <= ${each}`;
  }

  async open(url) {
    this.client = await RawClient.open(url, this.database);
    const first = new Promise(resolve => {
      this.client.onMessage = message => {
        if (message.kind !== 'OneOffQueryResult') return;
        if (++this.answers > 1) return;
        this.client.pause();
        resolve();
      };
    });
    // One frame: accepted or not as a whole.
    const queries = Array.from({ length: QUERIES_OF_A_SLOW_READER }, (_, i) =>
      encode.oneOffQuery(i + 1, this.query),
    );
    this.client.send(Buffer.concat(queries));
    await first;
  }

  /** All of it may still lie in the sockets, and this process may hardly get a core. */
  async goOn() {
    this.client.resume();
    try {
      const { code } = await this.client.whenClosed(60_000);
      this.end = `closed with ${code}`;
    } catch (error) {
      this.end = error.message;
      this.client.close();
    }
  }

  check() {
    const missing = QUERIES_OF_A_SLOW_READER - this.answers;
    return missing
      ? [`${this.database}: a slow reader lacks ${missing} answers, ${this.end}`]
      : [];
  }
}

/** Keeps all cores busy until it is told to stop. */
class BusyMachine {
  constructor() {
    const count = BUSY_PER_CORE * availableParallelism();
    this.loops = Array.from({ length: count }, () =>
      spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }),
    );
    this.atExit = () => this.stop();
    process.once('exit', this.atExit);
  }

  stop() {
    process.off('exit', this.atExit);
    this.loops.splice(0).forEach(loop => loop.kill('SIGKILL'));
  }
}

class Rounds {
  constructor(server, owner, program) {
    Object.assign(this, { server, owner, program, clients: 0, calls: 0, history: [] });
    this.highestId = new Map();
    this.hashes = new Map(DATABASES.map(name => [name, printed(keccak256(program))]));
  }

  rows(database, statement) {
    return http.rows(this.server.url, database, statement, { token: this.owner.token });
  }

  /** One round: load, a kill at a random moment, a restart, the checks. */
  async run(number) {
    const depth = pick([1, 1, 4, 16, 64]);
    const loads = Array.from(
      { length: between(1, 6) },
      () => new Load(pick(DATABASES), ++this.clients, depth, 'x'.repeat(pick([0, 10, 100, 5000]))),
    );
    const watchers = DATABASES.map(database => new Watcher(database));
    for (const watcher of watchers) {
      await watcher.open(
        this.server.url,
        loads.map(load => load.number),
      );
    }
    await Promise.all(loads.map(load => load.open(this.server.url)));
    const lived = between(5, pick([50, 200, 600]));
    const publishing = random() < 0.3 ? this.#publish(number, between(0, lived)) : null;
    await sleep(lived);
    const signal = random() < 0.85 ? 'SIGKILL' : 'SIGTERM';
    const end = signal === 'SIGTERM' ? await this.#stop() : await this.#kill();
    for (const client of [...loads, ...watchers]) {
      client.stopped = true;
      await client.client.whenClosed().catch(() => client.client.close());
    }
    await this.#startAgain();
    const problems = await this.#check(loads, watchers, end);
    if (publishing) problems.push(...(await this.#checkProgram(await publishing)));
    const confirmed = loads.reduce((sum, load) => sum + load.confirmed, 0);
    this.calls += confirmed;
    this.history.push(...loads);
    if (options.verbose || problems.length) {
      console.log(
        `round ${number}: ${signal} after ${lived} ms, ${loads.length} clients x ${depth}, ` +
          `${confirmed} confirmed`,
      );
    }
    return problems;
  }

  /** Publishes the module again, as another program, in the middle of the load. */
  async #publish(number, delay) {
    const database = pick(DATABASES);
    const program = `${this.program}\n// round ${number}\n`;
    const before = this.hashes.get(database);
    await sleep(delay);
    const url = this.server.url;
    const answer = await http
      .publish(url, database, program, { token: this.owner.token })
      .catch(() => null);
    return { database, before, program, answer };
  }

  // Hashes only here: that takes a second of CPU, in which nobody would read answers or the time.
  async #checkProgram({ database, before, program, answer }) {
    const after = printed(keccak256(program));
    const [[hash]] = await this.rows(database, 'SELECT program_hash FROM st_module');
    this.hashes.set(database, hash);
    if (answer && answer.status !== 200 && answer.status !== 503) {
      return [`${database}: publishing was answered ${answer.status} ${answer.text}`];
    }
    const allowed = answer?.status === 200 ? [after] : [before, after];
    return allowed.includes(hash) ? [] : [`${database}: runs ${hash}, not ${allowed}`];
  }

  async #kill() {
    await this.server.stop('SIGKILL');
    return { problems: [], mustAnswer: false };
  }

  /** An orderly end, sometimes before the eyes of a slow reader, sometimes on a busy machine. */
  async #stop() {
    const slow = random() < 0.5 ? new SlowReader(pick(DATABASES), this.clients) : null;
    await slow?.open(this.server.url);
    const busy = random() < 0.5 ? new BusyMachine() : null;
    const stopping = this.server.stop('SIGTERM');
    await sleep(between(0, 1000));
    await slow?.goOn();
    const { code, signal, ms } = await stopping.finally(() => busy?.stop());
    const problems = [];
    const isForced = busy !== null && code === STOP_TIMEOUT_EXIT;
    if ((code !== 0 && !isForced) || ms > STOP_MS_MAX) {
      problems.push(`SIGTERM: exit ${code ?? signal} after ${Math.round(ms)} ms`);
    }
    if (slow && code === 0) problems.push(...slow.check());
    return { problems, mustAnswer: code === 0 };
  }

  /** Now and then the server is killed while it starts, once or twice. */
  async #startAgain() {
    for (let tries = random() < 0.25 ? between(1, 2) : 0; tries > 0; tries--) {
      const starting = this.server.start().catch(() => {});
      await sleep(between(1, 80));
      this.server.child.kill('SIGKILL');
      await this.server.exited;
      await starting;
    }
    await this.server.start();
  }

  async #check(loads, watchers, { problems, mustAnswer }) {
    for (const load of loads) {
      problems.push(...load.problems);
      problems.push(...(await this.#checkLoad(load, mustAnswer)));
    }
    for (const watcher of watchers) problems.push(...(await this.#checkSeen(watcher, loads)));
    for (const database of DATABASES) {
      const sum = (await this.rows(database, 'SELECT balance FROM account')).reduce(
        (a, [b]) => a + b,
        0,
      );
      if (sum !== ACCOUNTS_SUM) problems.push(`${database}: the accounts hold ${sum}`);
    }
    return problems;
  }

  async #checkLoad({ database, number, confirmed, sent }, mustAnswer) {
    const rows = await this.rows(database, `SELECT id, number FROM entry WHERE client = ${number}`);
    const numbers = rows.map(([, n]) => n).sort((a, b) => a - b);
    const who = `${database}, client ${number}`;
    const problems = [];
    if (numbers.length < confirmed)
      problems.push(`${who}: ${confirmed} confirmed, ${numbers.length} stored`);
    if (numbers.some((n, i) => n !== i + 1))
      problems.push(`${who}: not 1..${numbers.length}, once each`);
    if (numbers.length > sent) problems.push(`${who}: more rows than calls`);
    if (mustAnswer && numbers.length !== confirmed) {
      problems.push(`${who}: an orderly end left ${numbers.length - confirmed} calls unanswered`);
    }
    const tally =
      (await this.rows(database, `SELECT count FROM tally WHERE client = ${number}`))[0]?.[0] ?? 0;
    if (tally !== numbers.length)
      problems.push(`${who}: tally ${tally}, ${numbers.length} entries`);
    return problems;
  }

  /** What was seen is there; ids of this round are above all of the rounds before. */
  async #checkSeen({ database, seen }, loads) {
    const mine = loads.filter(load => load.database === database);
    const stored = new Map();
    for (const { number } of mine) {
      for (const [id, n] of await this.rows(
        database,
        `SELECT id, number FROM entry WHERE client = ${number}`,
      )) {
        stored.set(id, `${number} ${n}`);
      }
    }
    const lost = [...seen].filter(([id, entry]) => stored.get(id) !== entry);
    const problems = lost.length
      ? [`${database}: ${lost.length} rows were shown and then lost`]
      : [];
    const before = this.highestId.get(database) ?? 0;
    const ids = [...stored.keys(), ...seen.keys()];
    if (ids.some(id => id <= before))
      problems.push(`${database}: an id below ${before} was given again`);
    this.highestId.set(
      database,
      ids.reduce((a, b) => Math.max(a, b), before),
    );
    return problems;
  }

  /** All clients of all rounds once more: later rounds must not disturb earlier ones. */
  async checkAll() {
    const problems = [];
    for (const database of DATABASES) {
      const counts = new Map();
      for (const [client] of await this.rows(database, 'SELECT client FROM entry')) {
        counts.set(client, (counts.get(client) ?? 0) + 1);
      }
      for (const load of this.history.filter(one => one.database === database)) {
        const count = counts.get(load.number) ?? 0;
        load.stored ??= count;
        if (count < load.confirmed || count !== load.stored) {
          problems.push(
            `${database}, client ${load.number}: ${count} entries, once ${load.stored}`,
          );
        }
      }
    }
    return problems;
  }
}

async function main() {
  if (!existsSync(binary)) {
    console.error(`there is no server at ${binary}; build it, or name one with --server`);
    return 2;
  }
  const again = `node run.mjs --rounds ${rounds} --seed ${seed}`;
  console.log(`durability: ${rounds} rounds, seed ${seed}; again with: ${again}`);
  // Small checkpoints, so that rounds fall before, into and after them.
  const server = await ServerProcess.start(binary, {
    flags: [
      '--log-level',
      'warn',
      '--set',
      'storage.checkpoint-tx=2000',
      '--set',
      'storage.checkpoint-log=1MiB',
    ],
  });
  const owner = await http.newIdentity(server.url);
  const program = await bundle('ledger', { target: 'es2022' });
  for (const database of DATABASES) {
    const answer = await http.publish(server.url, database, program, {
      token: owner.token,
    });
    if (answer.status !== 200) throw new Error(`publish: ${answer.status} ${answer.text}`);
  }
  const all = new Rounds(server, owner, program);
  let failed = 0;
  for (let number = 1; number <= rounds; number++) {
    let problems;
    try {
      problems = await all.run(number);
      if (number % FULL_CHECK_EVERY === 0 || number === rounds)
        problems.push(...(await all.checkAll()));
    } catch (error) {
      problems = [error.stack, ...server.errors.slice(-10)];
    }
    if (problems.length) {
      failed++;
      console.log(`round ${number} FAILED:\n  ${problems.slice(0, 20).join('\n  ')}`);
      if (!server.alive) break;
    } else if (number % 10 === 0) {
      console.log(`round ${number}: ok, ${all.calls} calls confirmed so far`);
    }
  }
  if (failed) console.log(`the data is kept in ${server.dataDir}; again with: ${again}`);
  else await server.dispose();
  if (server.alive) await server.stop('SIGKILL');
  console.log(`${rounds - failed} passed, ${failed} failed`);
  return failed ? 1 : 0;
}

process.exit(await main());
