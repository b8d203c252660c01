// The processes: one kv_node per slot of the network, and the driver's own connection to each.
import { execFileSync, spawn } from 'node:child_process';
import { createWriteStream, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

const START_MS = 15_000;
const ANSWER_MS = 5_000;
export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Waits until `check` gives something; its last error or `what` is told after `ms`. */
export async function eventually(what, ms, check) {
  const end = Date.now() + ms;
  for (let error = null; ; await sleep(20)) {
    try {
      const value = await check();
      if (value) return value;
    } catch (caught) {
      error = caught;
    }
    if (Date.now() > end) {
      throw new Error(`after ${ms} ms not: ${what}${error ? ` (${error.message})` : ''}`);
    }
  }
}

/** A line protocol connection: numbered requests, answers in any order. */
export class Lines {
  constructor(host, port) {
    Object.assign(this, { waiting: new Map(), last: 0, rest: '', isOpen: false });
    this.socket = connect({ host, port, noDelay: true });
    this.socket.setEncoding('utf8');
    this.socket.on('connect', () => (this.isOpen = true));
    this.socket.on('data', text => this.#take(text));
    this.socket.on('error', () => {});
    this.socket.on('close', () => this.#closed());
  }

  #take(text) {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop();
    for (const line of lines) {
      const space = line.indexOf(' ');
      const number = Number(line.slice(0, space));
      const done = this.waiting.get(number);
      this.waiting.delete(number);
      done?.(line.slice(space + 1));
    }
  }

  #closed() {
    this.isOpen = false;
    this.isClosed = true;
    for (const done of this.waiting.values()) done(null);
    this.waiting.clear();
  }

  /** `done(answer)`, or `done(null)` when the connection is gone. */
  send(words, done) {
    if (this.isClosed) return done(null);
    this.waiting.set(++this.last, done);
    this.socket.write(`${this.last} ${words}\n`);
  }

  ask(words) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${words}`)), ANSWER_MS);
      this.send(words, answer => {
        clearTimeout(timer);
        if (answer === null) reject(new Error(`closed before an answer to ${words}`));
        else resolve(answer);
      });
    });
  }

  close() {
    this.socket.destroy();
  }
}

export class KvProcess {
  constructor(cluster, id, slot) {
    Object.assign(this, { cluster, id, slot, starts: 0 });
  }

  get data() {
    return join(this.cluster.network.disk(this.slot), `node${this.id}`);
  }

  get isRunning() {
    return this.child !== undefined && this.child.exitCode === null && !this.child.signalCode;
  }

  /** Flags that say who it is, and whom it knows. */
  get place() {
    const { network, nodes } = this.cluster;
    const peers = [...nodes.values()].flatMap(node => [
      '--peer',
      `${node.id}=${network.peerAddress(node.slot)}`,
    ]);
    return ['--node', this.id, ...peers];
  }

  /** `members` of birth; empty: it waits to be added. */
  async start(members = []) {
    const { network, options } = this.cluster;
    const flags = [...this.place, '--data', this.data];
    flags.push('--listen', network.peerAddress(this.slot));
    flags.push('--clients', network.clientAddress(this.slot));
    if (members.length) flags.push('--members', members.join(','));
    flags.push(...options.flags, ...(options.flagsOf?.(this) ?? []));
    this.out ??= createWriteStream(join(this.cluster.logs, `node${this.id}.log`), { flags: 'a' });
    const around = options.around?.(this) ?? [];
    const inside = [...around, options.binary, ...flags];
    const command = ['netns', 'exec', network.space(this.slot), ...inside];
    this.child = spawn('ip', command.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.starts++;
    this.exited = new Promise(resolve => {
      this.child.on('exit', (code, signal) => resolve({ code, signal }));
    });
    this.child.stderr.pipe(this.out, { end: false });
    const isReady = new Promise(resolve => this.child.stdout.once('data', () => resolve('ready')));
    const limit = sleep(START_MS).then(() => 'late');
    const end = await Promise.race([isReady, limit, this.exited]);
    if (end !== 'ready') throw new Error(`node ${this.id} did not start: ${JSON.stringify(end)}`);
    this.readyAt = performance.now();
    this.lines?.close();
    this.lines = new Lines(network.clientHost(this.slot), network.clientPort);
  }

  signal(name) {
    this.child.kill(name);
  }

  async kill(name = 'SIGKILL') {
    if (!this.isRunning) return;
    this.child.kill(name);
    await this.exited;
  }

  ask(words) {
    return this.lines.ask(words);
  }

  /** What it says within `ms`; null: nothing, or it is gone. */
  answer(words, ms = 400) {
    return Promise.race([this.ask(words), sleep(ms)]).then(
      text => text ?? null,
      () => null,
    );
  }

  async status() {
    return JSON.parse(await this.ask('STATUS'));
  }

  async admin(words) {
    const answer = await this.ask(`ADMIN ${words}`);
    if (!answer.startsWith('OK')) throw new Error(`${words}: ${answer}`);
    return answer;
  }

  wipe() {
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Files of `part` (log, ckpt) with this ending, the oldest first. */
  files(part, ending) {
    const directory = join(this.data, part);
    return readdirSync(directory)
      .filter(name => /^\d+\.\w+$/.test(name) && name.endsWith(ending))
      .sort()
      .map(name => join(directory, name));
  }

  /** Of a stopped node: a bit of a row flips, beneath the database's own checksums. */
  damageRow(row) {
    execFileSync(this.cluster.options.binary, ['--damage', row, this.data]);
  }

  /** The node's memory, in MiB. */
  residentMiB() {
    const text = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(text)[1]) / 1024;
  }
}

export class Cluster {
  constructor(network, logs, options) {
    Object.assign(this, { network, logs, options, nodes: new Map(), lastId: 0 });
  }

  add(slot) {
    const node = new KvProcess(this, ++this.lastId, slot);
    this.nodes.set(node.id, node);
    return node;
  }

  freeSlot() {
    const used = new Set([...this.nodes.values()].map(node => node.slot));
    return this.network.slots.find(slot => !used.has(slot));
  }

  get running() {
    return [...this.nodes.values()].filter(node => node.isRunning);
  }

  async birth(slots) {
    for (let slot = 1; slot <= slots; slot++) this.add(slot);
    const ids = [...this.nodes.keys()];
    await Promise.all([...this.nodes.values()].map(node => node.start(ids)));
    await this.leader();
  }

  /** The node that leads with a majority that agrees. */
  leader(ms = 20_000) {
    return eventually('a leader', ms, async () => {
      const all = await this.statuses();
      const best = all.filter(one => one.role === 'leader').sort((a, b) => b.term - a.term)[0];
      if (!best) return null;
      const followers = all.filter(one => one.leader === best.node && one.term === best.term);
      return followers.length * 2 > best.voters.length ? this.nodes.get(best.node) : null;
    });
  }

  async statuses() {
    const ask = node => Promise.race([node.status(), sleep(500)]).catch(() => null);
    return (await Promise.all(this.running.map(ask))).filter(Boolean);
  }

  /** Everybody who runs follows one leader and has all that is committed but for `lag` entries. */
  recovered(ms, lag = 50) {
    let last = [];
    return eventually('all nodes follow', ms, async () => {
      last = await this.statuses();
      const leader = last.find(one => one.role === 'leader');
      const follows = one =>
        one.term === leader.term &&
        (one === leader || one.leader === leader.node) &&
        one.applied + lag >= leader.commit;
      return leader && last.length === this.running.length && last.every(follows);
    }).catch(error => {
      const short = last.map(({ node, role, term, leader, applied }) => {
        return { node, role, term, leader, applied };
      });
      throw new Error(`${error.message}: ${JSON.stringify(short)}`);
    });
  }

  async followers() {
    const leader = await this.leader();
    return this.running.filter(node => node !== leader);
  }

  /** Everybody has applied what the leader has, and nothing is under way. */
  settled(ms = 30_000) {
    let last = [];
    return eventually('all nodes agree', ms, async () => {
      last = await this.statuses();
      const leader = last.find(one => one.role === 'leader');
      const same = one =>
        one.term === leader.term && one.applied === leader.last && one.last === leader.last;
      return leader && last.length === this.running.length && last.every(same) ? last : null;
    }).catch(error => {
      throw new Error(`${error.message}: ${JSON.stringify(last)}`);
    });
  }

  async stop() {
    for (const node of this.nodes.values()) {
      if (node.isRunning) node.signal('SIGCONT');
      await node.kill();
      node.lines?.close();
    }
  }
}
