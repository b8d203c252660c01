#!/usr/bin/env node
// Three real processes over the real transport and disk, in network namespaces, under faults
// (chapter 08, section 6.3). Whatever happens to them: a write that was acknowledged is there,
// once, on every node, and everything that anybody saw fits one order.
//
//   node run.mjs [--kv-node PATH] [--only FAULT]... [--rounds N | --long] [--seed N] [--strict]
//                [--rate N] [--json FILE] [--verbose]
//
// Needs root, iproute2, nftables. A short run injects each fault once; --long as often as the
// chapter says. --strict also holds the chapter's bounds of time; without it they are reported, as
// a loaded machine keeps none. Faults run one after the other against one cluster, so each meets
// what the ones before left behind. The seed is printed first and on failure.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkHistory, distribution, selfCheck } from './check.mjs';
import { Cluster, sleep } from './cluster.mjs';
import { faults } from './faults.mjs';
import { Load } from './load.mjs';
import { Network, SetupError } from './network.mjs';

const SLOTS = 5; // Three members and room for two that come.
const DISK_MIB = 96;
const KEYS = 8;
const NODE_FLAGS = ['--checkpoint-entries', 200, '--retained-entries', 200];
NODE_FLAGS.push('--retained-bytes', 2048);
NODE_FLAGS.push('--snapshot-rate', 512 * 1024); // Slow enough to die in the middle.

const { values: options } = parseArgs({
  options: {
    'kv-node': { type: 'string' },
    only: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    long: { type: 'boolean', default: false },
    seed: { type: 'string' },
    strict: { type: 'boolean', default: false },
    rate: { type: 'string', default: '150' },
    json: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const binary =
  options['kv-node'] ?? fileURLToPath(new URL('../../build/release/kv_node', import.meta.url));
const seed = Number(options.seed ?? (Math.random() * 2 ** 31) | 0);

/** mulberry32: the same choices for the same seed, whatever the machine. */
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = generator(seed);

/** One injection: load, fault, recovery, check. */
class Round {
  constructor(cluster, fault, number) {
    Object.assign(this, { cluster, fault, number, random, long: options.long });
    this.network = cluster.network;
    Object.assign(this, { problems: [], notes: [] });
    this.keys = Array.from({ length: KEYS }, (_, i) => `r${number}.k${i}`);
  }

  mark() {
    this.markedAt = performance.now();
  }

  healing() {
    this.healedAt = performance.now();
  }

  note(text) {
    this.notes.push(text);
  }

  /** Notes how long it took since the step before. */
  step(name) {
    const now = performance.now();
    this.note(`${name} after ${Math.round(now - (this.steppedAt ?? this.markedAt))} ms`);
    this.steppedAt = now;
  }

  expect(what, holds) {
    if (!holds) this.problems.push(`expected: ${what}`);
  }

  async run() {
    const { cluster, fault } = this;
    const before = await (await cluster.leader()).status();
    const { keys } = this;
    this.load = new Load(cluster, { clients: 6, rate: Number(options.rate), keys, random });
    this.load.start();
    try {
      await this.load.flows();
      await fault.run(this);
      await cluster.leader();
      await this.load.flows();
      this.endedAt = performance.now();
      await sleep(200);
    } catch (error) {
      this.problems.push(error.message);
    }
    await this.network.heal();
    await this.load.stop();
    await this.#check(before).catch(error => this.problems.push(error.message));
  }

  async #check(before) {
    const { load, fault } = this;
    this.problems.push(...load.problems.slice(0, 5));
    const settled = await this.cluster.settled();
    const terms = settled[0].term - before.term;
    const lists = await this.lists();
    const { sum, problems } = checkHistory(load.history, lists);
    this.problems.push(...problems);
    const gap = load.longestGap(this.markedAt, this.endedAt ?? load.stoppedAt);
    this.result = { ...sum, acknowledged: load.acknowledged.length, terms, gap: Math.round(gap) };
    if (this.healedAt) {
      const first = load.acknowledged.find(at => at > this.healedAt);
      this.result.afterHeal = Math.round((first ?? Infinity) - this.healedAt);
    }
    if (fault.terms !== undefined && options.strict && terms > fault.terms) {
      this.problems.push(`${terms} terms passed, at most ${fault.terms} should`);
    }
  }

  /** The final list of each key, which must be the same on all nodes. */
  async lists() {
    const lists = new Map();
    for (const key of this.keys) {
      const { running } = this.cluster;
      const answers = await Promise.all(running.map(node => node.ask(`LOCAL ${key}`)));
      if (new Set(answers).size !== 1) this.problems.push(`${key} differs between nodes`);
      lists.set(key, answers[0].split(' ').slice(1));
    }
    return lists;
  }
}

/** Lists of finished rounds never change again. */
async function checkOld(cluster, kept) {
  const problems = [];
  for (const node of cluster.running) {
    for (const [key, ids] of kept) {
      const answer = await node.ask(`LOCAL ${key}`);
      if (answer !== ['OK', ...ids].join(' ')) problems.push(`node ${node.id}: ${key} has changed`);
    }
  }
  return problems;
}

function report(fault, rounds) {
  const results = rounds.map(round => round.result).filter(Boolean);
  const total = name => results.reduce((sum, one) => sum + one[name], 0);
  const gaps = distribution(results.map(one => one.gap));
  const heals = distribution(results.map(one => one.afterHeal).filter(ms => ms !== undefined));
  const failed = rounds.filter(round => round.problems.length).length;
  const line = {
    fault: fault.name,
    rounds: rounds.length,
    failed,
    gap: gaps,
    afterHeal: heals,
    terms: distribution(results.map(one => one.terms)),
    acknowledged: total('acknowledged'),
    lost: total('lost'),
    duplicated: total('duplicated'),
    revived: total('revived'),
    stale: total('stale'),
    unknown: total('unknown'),
  };
  if (options.strict && fault.gap && gaps && gaps.p99 > fault.gap) {
    rounds[0].problems.push(`the gap is ${gaps.p99} ms at p99, at most ${fault.gap} should be`);
  }
  const shown = gaps ? `gap p50/p99/max ${gaps.p50}/${gaps.p99}/${gaps.max} ms` : 'no result';
  const healed = heals ? `, after healing ${heals.p50}/${heals.p99}/${heals.max} ms` : '';
  console.log(
    `${fault.name}: ${rounds.length - failed} of ${rounds.length} ok, ${shown}${healed}, ` +
      `terms max ${line.terms?.max}, ${line.acknowledged} acknowledged, lost ${line.lost}, ` +
      `doubled ${line.duplicated}, revived ${line.revived}, stale ${line.stale}, ` +
      `unknown ${line.unknown}`,
  );
  return line;
}

async function runFault(cluster, fault, state) {
  const count = Number(options.rounds ?? (options.long ? fault.repeat : 1));
  const rounds = [];
  for (let i = 0; i < count; i++) {
    const round = new Round(cluster, fault, ++state.number);
    rounds.push(round);
    await round.run();
    const notes = round.notes.length ? ` (${round.notes.join('; ')})` : '';
    if (options.verbose || round.problems.length) {
      const result = JSON.stringify(round.result);
      console.log(`  round ${round.number}, ${fault.name}${notes}: ${result}`);
      console.log(`  ${JSON.stringify([...round.load.answers])}`);
    }
    if (round.problems.length) {
      console.log(`  FAILED:\n    ${round.problems.slice(0, 12).join('\n    ')}`);
      await state.rebirth();
      cluster = state.cluster;
    } else if (state.kept.size < 400) {
      for (const [key, ids] of await round.lists()) state.kept.set(key, ids);
    }
  }
  state.lines.push(report(fault, rounds));
  state.failed += rounds.filter(round => round.problems.length).length;
  state.passed += rounds.filter(round => !round.problems.length).length;
}

class Run {
  constructor(network, logs) {
    Object.assign(this, { network, logs, number: 0, passed: 0, failed: 0, lines: [], lives: 0 });
  }

  /** A cluster after a failure proves nothing any more: the next fault gets a new one. */
  async rebirth() {
    await this.cluster?.stop();
    for (const node of this.cluster?.nodes.values() ?? []) node.wipe();
    await this.network.heal();
    this.kept = new Map();
    const logs = mkdtempSync(join(this.logs, `life${++this.lives}-`));
    this.cluster = new Cluster(this.network, logs, { binary, flags: NODE_FLAGS });
    await this.cluster.birth(3);
  }

  async all(chosen) {
    const wrong = selfCheck();
    if (wrong.length) console.log(wrong.join('\n'));
    this[wrong.length ? 'failed' : 'passed']++;
    await this.rebirth();
    for (const fault of chosen) await runFault(this.cluster, fault, this);
    const problems = await checkOld(this.cluster, this.kept);
    if (problems.length) console.log(`at the end: ${problems.slice(0, 10).join('\n  ')}`);
    this[problems.length ? 'failed' : 'passed']++;
  }
}

async function main() {
  if (!existsSync(binary)) {
    console.error(`there is no node at ${binary}; build kv_node, or name one with --kv-node`);
    return 2;
  }
  const usual = faults.filter(one => options.long || !one.isLong);
  const names = options.only ?? usual.map(one => one.name);
  const unknown = names.filter(name => !faults.some(one => one.name === name));
  if (unknown.length) {
    console.error(`unknown: ${unknown}; there are: ${faults.map(one => one.name).join(' ')}`);
    return 2;
  }
  const chosen = faults.filter(one => names.includes(one.name));
  console.log(`processes: ${chosen.length} faults, seed ${seed}`);
  const logs = mkdtempSync(join(tmpdir(), 'wk-logs-'));
  const network = new Network(SLOTS, { diskMiB: DISK_MIB });
  const run = new Run(network, logs);
  const interrupted = signal => {
    for (const node of run.cluster?.nodes.values() ?? []) node.child?.kill('SIGKILL');
    network.dispose();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  try {
    await run.all(chosen);
  } catch (error) {
    run.failed++;
    console.log(error.stack);
  } finally {
    await run.cluster?.stop();
    network.dispose();
  }
  if (options.json) writeFileSync(options.json, `${JSON.stringify(run.lines, null, 2)}\n`);
  if (run.failed) console.log(`what the nodes said is in ${logs}; again with --seed ${seed}`);
  else rmSync(logs, { recursive: true, force: true });
  console.log(`${run.passed} passed, ${run.failed} failed`);
  return run.failed ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`the namespaces cannot be made: ${error.message}`);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
}
process.exit();
