#!/usr/bin/env node
// Three real processes over the real transport and disk, in network namespaces, under faults
// (chapter 08, section 6.3). Whatever happens to them: a write that was acknowledged is there,
// once, on every node, and everything that anybody saw fits one order.
//
//   node run.mjs --help
//
// Needs root, iproute2, nftables, openssl. A short run injects each fault once or a few times;
// --long as often as the chapter says. The chapter's bounds of time are held; those for the time
// without an acknowledged write are wider than on machines of their own, unless --strict. A machine
// that is busy with other things keeps none of them: --patience N, or WORLDLINE_PATIENCE as for the
// other suites, makes every bound N times as wide, and the end of the report says so. Faults run
// one after the other against one cluster, so each meets what the ones before left behind. The seed
// is printed first and on failure.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BirthRound } from './birth.mjs';
import { Authority } from './certificates.mjs';
import { selfCheck } from './check.mjs';
import { Cluster } from './cluster.mjs';
import { faults } from './faults.mjs';
import { Network, SetupError } from './network.mjs';
import { readOptions } from './options.mjs';
import { underPower } from './power.mjs';
import { gapProblems, lineOf, markdown, summary } from './report.mjs';
import { Round } from './round.mjs';

const SLOTS = 5; // Three members and room for two that come.
const DISK_MIB = 96;
const NODE_FLAGS = ['--checkpoint-entries', 200, '--retained-entries', 200];
NODE_FLAGS.push('--retained-bytes', 2048, '--cached-bytes', 512); // Logs are read, too.
NODE_FLAGS.push('--snapshot-rate', 512 * 1024); // Slow enough to die in the middle.

const options = readOptions();
const { binary, beside, patience, seed } = options;

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

async function runFault(fault, state) {
  const count = options.rounds ?? (options.long ? fault.repeat : (fault.rounds ?? 1));
  const { strict, long, rate } = options;
  const rounds = [];
  await state.needs(fault.life ?? 'plain');
  for (let i = 0; i < count; i++) {
    const settings = { random, strict, long, patience, rate };
    const round = state.round(fault, settings);
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
    } else if (state.kept.size < 400 && state.cluster.running.length) {
      for (const [key, ids] of await round.lists()) state.kept.set(key, ids);
    }
  }
  state.finish(fault, rounds);
}

class Run {
  constructor(network, logs) {
    Object.assign(this, { network, logs, number: 0, passed: 0, failed: 0, lines: [], lives: 0 });
  }

  /** The faults of one kind of cluster follow each other. */
  async needs(life) {
    if (this.life === life) return;
    await this.lookBack();
    this.life = life;
    await this.rebirth();
  }

  #options(logs) {
    const all = { binary, flags: NODE_FLAGS };
    if (this.life === 'power') all.around = underPower({ library: beside('power_cut.so'), logs });
    if (this.life === 'tls') {
      const [own, strange] = ['own', 'strange'].map(name => new Authority(logs, name));
      all.authorities = { own, strange };
      all.certificates = node => join(logs, `tls${node.id}`);
      all.flagsOf = node => {
        if (!existsSync(all.certificates(node))) {
          all.authorities.own.issue(node.id, all.certificates(node));
        }
        return ['--tls', all.certificates(node)];
      };
    }
    return all;
  }

  /** A round with the cluster there is, or with one that it makes itself. */
  round(fault, settings) {
    const number = ++this.number;
    if (fault.life !== 'birth') return new Round(this.cluster, fault, number, settings);
    const own = { ...settings, cluster: this.#options(this.logs) };
    const round = new BirthRound(this.network, this.logs, fault, number, own);
    this.cluster = round.cluster;
    return round;
  }

  /** A cluster after a failure proves nothing any more: the next fault gets a new one. */
  async rebirth() {
    await this.cluster?.stop();
    for (const node of this.cluster?.nodes.values() ?? []) node.wipe();
    await this.network.heal();
    this.kept = new Map();
    const logs = mkdtempSync(join(this.logs, `life${++this.lives}-`));
    this.cluster = new Cluster(this.network, logs, this.#options(logs));
    if (this.life !== 'birth') await this.cluster.birth(3);
  }

  finish(fault, rounds) {
    const line = summary(fault, rounds);
    const slow = gapProblems(fault, line.gap, { strict: options.strict, patience });
    line.failed = Math.max(line.failed, slow.length ? 1 : 0);
    console.log(lineOf(line));
    if (slow.length) console.log(`  FAILED:\n    ${slow.join('\n    ')}`);
    this.lines.push(line);
    this.failed += line.failed;
    this.passed += rounds.length - line.failed;
  }

  async lookBack() {
    if (!this.cluster) return;
    const problems = await checkOld(this.cluster, this.kept);
    if (problems.length) console.log(`at the end: ${problems.slice(0, 10).join('\n  ')}`);
    this[problems.length ? 'failed' : 'passed']++;
  }

  async all(chosen) {
    const wrong = selfCheck();
    if (wrong.length) console.log(wrong.join('\n'));
    this[wrong.length ? 'failed' : 'passed']++;
    for (const fault of chosen) await runFault(fault, this);
    await this.lookBack();
  }
}

async function main() {
  if (!existsSync(binary)) {
    console.error(`there is no node at ${binary}; build kv_node, or name one with --kv-node`);
    return 2;
  }
  const usual = faults.filter(one => options.long || !one.isLong);
  const names = options.only ?? usual.map(one => one.name);
  const chosen = faults.filter(one => names.includes(one.name));
  console.log(`processes: ${chosen.length} faults, seed ${seed}`);
  const logs = mkdtempSync(join(tmpdir(), 'wk-logs-'));
  const network = new Network(SLOTS, { diskMiB: DISK_MIB, shim: beside('link_shim') });
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
  if (options.markdown) writeFileSync(options.markdown, markdown(run.lines, seed));
  if (run.failed) console.log(`what the nodes said is in ${logs}; again with --seed ${seed}`);
  else rmSync(logs, { recursive: true, force: true });
  if (patience !== 1) console.log(`every bound of time was ${patience} times as wide as usual`);
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
