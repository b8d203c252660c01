// One injection of a fault: load before it, during it and after it, recovery, and what is checked.
import { checkHistory } from './check.mjs';
import { sleep } from './cluster.mjs';
import { Load } from './load.mjs';

const KEYS = 8;
const CLIENTS = 6;
const BEFORE_MS = 400; // Of load, to compare with.
const AFTER_MS = 400;
const IN_FLIGHT_MS = 300;

export class Round {
  /** `options`: rate, random, long, strict, patience. */
  constructor(cluster, fault, number, options) {
    Object.assign(this, { cluster, fault, number, options });
    Object.assign(this, { random: options.random, long: options.long });
    this.network = cluster.network;
    Object.assign(this, { problems: [], notes: [] });
    this.keys = Array.from({ length: KEYS }, (_, i) => `r${number}.k${i}`);
  }

  /** The fault's own choices come from the run's seed. */
  between(low, high) {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  /** A bound of time as this run holds it. */
  limit(ms) {
    return ms * this.options.patience;
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

  /** `took` ms, and the bound. */
  within(what, took, ms) {
    const most = this.limit(ms);
    this.note(`${what} after ${Math.round(took)} ms`);
    this.expect(`${what} within ${most} ms, not ${Math.round(took)}`, took <= most);
  }

  /** Heals the network; everybody follows again within the bound of the chapter. Who needs a
   * snapshot gets it later: here they are slow on purpose. */
  async heal(ms = 2_000) {
    this.healing();
    await this.network.heal();
    await this.cluster.recovered(this.limit(ms) + 10_000, Infinity);
    this.recoveredMs = performance.now() - this.healedAt;
    this.within('all follow', this.recoveredMs, ms);
    await this.cluster.recovered(this.limit(30_000));
  }

  /** The throughput since a moment, as a part of what it was before the fault. What left just now
   * may still be answered. */
  share(from) {
    const before = this.load.carried(this.flowedAt, this.markedAt);
    return this.load.carried(from, performance.now() - IN_FLIGHT_MS) / before;
  }

  async run() {
    const { cluster, fault, keys, random } = this;
    const startedAt = performance.now();
    const leader = await cluster.leader();
    const before = await leader.status();
    const installed = new Map();
    for (const node of cluster.running) {
      installed.set(`${node.id}.${node.starts}`, (await node.status()).installed);
    }
    const rate = fault.rate ?? this.options.rate;
    this.load = new Load(cluster, { clients: CLIENTS, rate, keys, random });
    this.load.start();
    try {
      await this.load.flows();
      this.flowedAt = performance.now();
      await sleep(fault.beforeMs ?? BEFORE_MS);
      await fault.run(this);
      await cluster.leader();
      await this.load.flows();
      this.endedAt = performance.now();
      await sleep(AFTER_MS);
    } catch (error) {
      this.problems.push(error.message);
    }
    await this.network.heal();
    await this.load.stop();
    await this.#check(before, installed).catch(error => this.problems.push(error.message));
    this.seconds = (performance.now() - startedAt) / 1_000;
  }

  async #check(before, installed) {
    const { load } = this;
    this.problems.push(...load.problems.slice(0, 5));
    const settled = await this.cluster.settled();
    const terms = settled[0].term - before.term;
    const { sum, problems } = checkHistory(load.history, await this.lists());
    this.problems.push(...problems);
    const end = this.endedAt ?? load.stoppedAt;
    const perSecond = (from, to) => Math.round(load.acknowledgedPerSecond(from, to));
    this.result = {
      ...sum,
      acknowledged: load.acknowledged.length,
      terms,
      gap: Math.round(load.longestGap(this.markedAt, end)),
      before: perSecond(this.flowedAt, this.markedAt),
      during: perSecond(this.markedAt, end),
      after: perSecond(end, load.stoppedAt),
      snapshots: this.#installedSince(installed, settled),
    };
    if (this.healedAt) {
      this.result.afterHeal = Math.round(this.load.firstAfter(this.healedAt));
      this.#hold('afterHeal', this.result.afterHeal);
    }
    this.result.recovered = this.recoveredMs && Math.round(this.recoveredMs);
    const most = this.termsMax ?? this.fault.terms;
    if (most !== undefined && terms > most) {
      this.problems.push(`${terms} terms passed, at most ${most} should`);
    }
  }

  #hold(name, ms) {
    const most = this.fault[name];
    if (most !== undefined && ms > this.limit(most)) {
      this.problems.push(`${name} is ${ms} ms, at most ${this.limit(most)} should be`);
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

  /** Snapshots; a process that started anew counts from zero. */
  #installedSince(before, statuses) {
    const grown = ({ node, installed }) =>
      installed - (before.get(`${node}.${this.cluster.nodes.get(node).starts}`) ?? 0);
    return statuses.reduce((sum, one) => sum + grown(one), 0);
  }
}
