// P-23: a cluster is born from seeds with empty disks [S 08/3.9, 6.3]. Each round has a cluster of
// its own. While a seed cannot be reached there is no cluster and no acknowledged write; then there
// is one, whoever is killed on the way; and a disk that is lost later founds no second one.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { checkHistory } from './check.mjs';
import { Cluster, KvProcess, eventually, sleep } from './cluster.mjs';
import { Load } from './load.mjs';
import { announce, change, isCaughtUp, takeOver } from './membership.mjs';

const SEEDS = [1, 2, 3]; // Slots.
// As --die-at of kv_node has them: what was done when the process ends.
const STEPS = ['hello', 'ballot', 'pledge', 'store', 'stored', 'offer', 'listening', 'created'];
// How the missing seed is missing: not started, cut off, heard by nobody, hearing nobody.
const ABSENCES = ['down', 'cut', 'mute', 'deaf'];
const PROVISIONAL = 100; // Until the genesis says what its id is.
const HOLD_MS = [700, 1_200];
const LONG_HOLD_MS = [800, 5_000];
const BORN_MS = 20_000;
const LOST_MS = 800;
const LOAD = { clients: 4, rate: 120 };
const KEYS = 4;

/** A node that is told of seeds only, or, once it was let in, what the catalog would tell it. */
class Seed extends KvProcess {
  get data() {
    return join(this.cluster.network.disk(this.slot), 'seed');
  }

  get place() {
    const { network } = this.cluster;
    if (this.entry) {
      const others = this.entry.peers.map(({ node, slot, uuid }) => [
        '--peer',
        `${node}=${network.peerAddress(slot)}/${uuid}`,
      ]);
      return ['--node', this.id, '--cluster', this.entry.cluster, ...others.flat()];
    }
    const seeds = SEEDS.map(slot => network.peerAddress(slot)).join(',');
    const dieAt = this.dieAt ? ['--die-at', this.dieAt] : [];
    return ['--seeds', seeds, '--token', 'processes', ...dieAt];
  }
}

export class BirthRound {
  /** `options`: those of all rounds. */
  constructor(network, logs, fault, number, options) {
    Object.assign(this, { network, fault, number, options, random: options.random });
    Object.assign(this, { problems: [], notes: [], clusters: new Set(), kills: 0 });
    this.keys = Array.from({ length: KEYS }, (_, i) => `b${number}.k${i}`);
    const directory = mkdtempSync(join(logs, `birth${number}-`));
    this.cluster = new Cluster(network, directory, options.cluster);
    for (const slot of SEEDS) {
      this.cluster.nodes.set(PROVISIONAL + slot, new Seed(this.cluster, PROVISIONAL + slot, slot));
    }
    this.seeds = [...this.cluster.nodes.values()];
    this.plan = this.#draw();
    this.notes.push(JSON.stringify(this.plan));
  }

  /** All choices at once: what follows runs side by side. */
  #draw() {
    const one = list => list[Math.floor(this.random() * list.length)];
    const maybe = value => (this.random() < 0.5 ? value : undefined);
    const draw = make => SEEDS.map(() => make());
    return {
      missing: one(SEEDS),
      absence: one(ABSENCES),
      delays: draw(() => this.#between(0, 300)),
      steps: draw(() => maybe(one(STEPS))),
      hold: this.#between(...(this.options.long ? LONG_HOLD_MS : HOLD_MS)),
      killsMs: Array.from({ length: this.#between(0, 3) }, () => [
        one(SEEDS),
        this.#between(0, 2_000),
      ]),
      restMs: draw(() => this.#between(0, 400)),
      lost: one(SEEDS),
      lostIsAlone: this.random() < 0.5,
      othersDie: this.random() < 0.5,
    };
  }

  #between(low, high) {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  expect(what, holds) {
    if (!holds) this.problems.push(`expected: ${what}`);
  }

  limit(ms) {
    return ms * this.options.patience;
  }

  at(slot) {
    return this.seeds[slot - 1];
  }

  async run() {
    const startedAt = performance.now();
    try {
      for (const seed of this.seeds) seed.wipe();
      await this.#waitForAll();
      await this.#beBorn();
      await this.#loseDisk();
      await this.#letIn();
      await this.#check();
    } catch (error) {
      this.problems.push(error.message);
    }
    this.isOver = true;
    await this.load?.stop(0);
    await this.cluster.stop();
    for (const seed of this.seeds) seed.wipe();
    await this.network.heal();
    this.seconds = (performance.now() - startedAt) / 1_000;
  }

  /** Starts a seed, and again whenever it was killed. */
  async #keepUp(seed) {
    while (!this.isOver && !seed.isResting) {
      const failure = await seed.start().catch(error => error);
      if (failure && seed.isRunning) throw failure;
      const { code, signal } = await seed.exited;
      if (this.isOver || seed.isResting) return;
      if (signal !== 'SIGKILL') this.problems.push(`seed ${seed.slot} ended: ${code} ${signal}`);
      this.kills++;
      seed.dieAt = undefined;
      await sleep(this.plan.restMs[seed.slot - 1]);
    }
  }

  #bringUp(seed) {
    seed.isResting = false;
    seed.kept = this.#keepUp(seed).catch(error => this.problems.push(error.message));
  }

  async #takeDown(seed) {
    seed.isResting = true;
    await seed.kill();
    await seed.kept;
  }

  /** What the seeds say; whatever cluster any of them ever names is noted. */
  async #look() {
    const all = await this.cluster.statuses();
    for (const { cluster } of all) if (cluster) this.clusters.add(cluster);
    this.expect('one cluster', this.clusters.size <= 1);
    return all;
  }

  async #waitForAll() {
    const { missing, absence, delays, steps, hold } = this.plan;
    const others = SEEDS.filter(slot => slot !== missing);
    for (const other of others) {
      if (absence === 'cut') await this.network.cut(missing, other);
      if (absence === 'mute') await this.network.drop(missing, other);
      if (absence === 'deaf') await this.network.drop(other, missing);
    }
    for (const seed of this.seeds) {
      seed.dieAt = steps[seed.slot - 1];
      if (seed.slot === missing && absence === 'down') continue;
      sleep(delays[seed.slot - 1]).then(() => this.#bringUp(seed));
    }
    await eventually('the others run', this.limit(10_000), () => this.cluster.running.length > 1);
    this.#startLoad('early');
    const end = Date.now() + hold;
    const said = new Set();
    while (Date.now() < end) {
      for (const { birth } of await this.#look()) said.add(birth);
      await sleep(50);
    }
    this.expect('no cluster while a seed is missing', this.clusters.size === 0);
    await this.load.stop(0);
    const { answers, history } = this.load;
    this.early = history;
    this.expect('nothing was answered', !answers.has('OK') && !answers.has('NO'));
    this.expect('clients were refused', answers.get('NO_REPLICA') > 0);
    const lacks = [...said].some(text => text?.endsWith('does not answer'));
    this.expect(`somebody says who is missing, not only: ${[...said].join('; ')}`, lacks);
  }

  #startLoad(padding) {
    const { cluster, keys, random } = this;
    this.load = new Load(cluster, { ...LOAD, keys, random, padding });
    this.load.start();
  }

  async #beBorn() {
    const { missing, absence, killsMs } = this.plan;
    const from = performance.now();
    await this.network.heal();
    if (absence === 'down') this.#bringUp(this.at(missing));
    const kills = killsMs.map(([slot, ms]) => {
      return sleep(ms).then(() => this.at(slot).isRunning && this.at(slot).signal('SIGKILL'));
    });
    await eventually('all seeds are of a cluster', this.limit(BORN_MS), async () => {
      const all = await this.#look();
      return all.length === SEEDS.length && all.every(one => one.cluster && one.node);
    });
    this.notes.push(`born after ${Math.round(performance.now() - from)} ms`);
    await Promise.all(kills);
    await this.#learnIds();
    await this.cluster.leader(this.limit(BORN_MS));
    this.#startLoad();
    await this.load.flows(20, this.limit(BORN_MS));
    this.notes.push(`${this.kills} killed`);
  }

  async #learnIds() {
    const known = await eventually('every seed has an id', this.limit(BORN_MS), async () => {
      const all = await Promise.all(this.seeds.map(seed => seed.status()));
      return all.every(one => one.node && one.voters) ? all : null;
    });
    this.cluster.nodes.clear();
    this.seeds.forEach((seed, i) => {
      seed.id = known[i].node;
      seed.uuid = known[i].uuid;
      this.cluster.nodes.set(seed.id, seed);
      this.expect('three voters', known[i].voters.join() === '1,2,3');
    });
    const ids = known.map(one => one.node).sort();
    this.expect(`ids of their own, not ${ids}`, ids.join() === '1,2,3');
  }

  /** A disk is gone: its node is a stranger, alone or not, and the cluster goes on. */
  async #loseDisk() {
    const { lost, lostIsAlone, othersDie } = this.plan;
    const seed = this.at(lost);
    await this.#takeDown(seed);
    seed.wipe();
    const others = SEEDS.filter(slot => slot !== lost);
    if (lostIsAlone) await this.network.cutAll([lost], others);
    this.#bringUp(seed);
    await eventually('it runs', this.limit(10_000), async () => (await seed.status()).birth);
    if (othersDie) for (const slot of others) this.at(slot).signal('SIGKILL');
    const end = Date.now() + LOST_MS;
    const why = lostIsAlone ? 'does not answer' : 'belongs to a cluster already';
    await eventually(`it says why it waits: ${why}`, this.limit(10_000), async () => {
      const { cluster, birth } = await seed.status();
      this.expect(`a lost disk founds nothing, not ${cluster}`, cluster === '');
      await this.#look();
      return Date.now() > end && birth.endsWith(why);
    });
    await this.network.heal();
    await this.load.flows(20, this.limit(BORN_MS));
  }

  /** As the catalog would let it in: with a new id, and in the place of what it was. */
  async #letIn() {
    const seed = this.at(this.plan.lost);
    const { uuid } = await seed.status();
    this.expect('a new disk is a new node', uuid !== seed.uuid);
    await this.#takeDown(seed);
    const old = { id: seed.id };
    const peers = this.seeds.filter(one => one !== seed);
    const [cluster] = this.clusters;
    seed.entry = {
      cluster,
      peers: peers.map(({ id, slot, uuid: own }) => ({ node: id, slot, uuid: own })),
    };
    this.cluster.nodes.delete(seed.id);
    Object.assign(seed, { id: SEEDS.length + 1, uuid });
    this.cluster.nodes.set(seed.id, seed);
    await announce(this.cluster, seed);
    this.#bringUp(seed);
    await eventually('it is let in', this.limit(10_000), async () => (await seed.status()).node);
    await change(this.cluster, `learner:${seed.id}`);
    await isCaughtUp(this.cluster, seed);
    await takeOver(this, seed, old);
    await this.load.flows(20, this.limit(BORN_MS));
  }

  async #check() {
    await this.load.stop();
    await this.cluster.settled(this.limit(30_000));
    await this.#look();
    const lists = new Map();
    for (const key of this.keys) {
      const answers = await Promise.all(this.seeds.map(seed => seed.ask(`LOCAL ${key}`)));
      this.expect(`${key} is the same everywhere`, new Set(answers).size === 1);
      lists.set(key, answers[0].split(' ').slice(1));
    }
    const { sum, problems } = checkHistory([...this.early, ...this.load.history], lists);
    this.problems.push(...problems, ...this.load.problems.slice(0, 5));
    this.result = { ...sum, acknowledged: this.load.acknowledged.length };
  }
}

export const births = [{ name: 'birth', row: 'P-23', repeat: 20, rounds: 2, life: 'birth' }];
