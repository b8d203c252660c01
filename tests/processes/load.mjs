// Clients that never repeat a request: what was not acknowledged is failed or unknown, and the
// checker holds the cluster to it. Open loop: requests leave on time, whatever became of the last.
import { Lines } from './cluster.mjs';

const OPEN_MAX = 2_000; // Requests without an answer, per client; then the client waits.
const now = () => performance.now();

/** One operation on one key. Outcomes: ok, no (compare failed), failed (surely not), unknown. */
function operation(kind, key, id, expected) {
  return { kind, key, id, expected, asked: now(), done: Infinity, outcome: 'unknown' };
}

class Client {
  constructor(load, number) {
    Object.assign(this, { load, number, count: 0, open: 0, links: new Map(), lengths: new Map() });
    this.target = load.cluster.running[0].id;
  }

  #link(node) {
    const known = this.links.get(node.id);
    if (known && !known.isClosed) return known;
    const { network } = this.load.cluster;
    const link = new Lines(network.clientHost(node.slot), network.clientPort);
    this.links.set(node.id, link);
    return link;
  }

  #next() {
    const { keys, random, padding } = this.load;
    const key = keys[Math.floor(random() * keys.length)];
    const id = `c${this.number}.${++this.count}${padding}`;
    const dice = random();
    if (dice < 0.25) return [`GET ${key}`, operation('get', key), 0.5 > random()];
    if (dice < 0.35) {
      const expected = this.lengths.get(key) ?? 0;
      return [`CAS ${key} ${expected} ${id}`, operation('cas', key, id, expected)];
    }
    return [`PUT ${key} ${id}`, operation('put', key, id)];
  }

  step() {
    if (this.open >= OPEN_MAX) return;
    const nodes = [...this.load.cluster.nodes.values()].filter(node => node.starts > 0);
    const [words, op, anywhere] = this.#next();
    const there = nodes.find(node => node.id === this.target) ?? nodes[0];
    const node = anywhere ? nodes[Math.floor(this.load.random() * nodes.length)] : there;
    this.load.history.push(op);
    this.open++;
    this.#link(node).send(words, answer => this.#answered(op, node, answer));
    if (now() - this.heardAt > 300) this.#elsewhere(nodes);
    this.heardAt ??= now();
  }

  #elsewhere(nodes) {
    const index = nodes.findIndex(node => node.id === this.target);
    this.target = nodes[(index + 1) % nodes.length].id;
    this.heardAt = now();
  }

  #answered(op, node, answer) {
    this.open--;
    op.done = now();
    const [word, length, hash] = (answer ?? 'CLOSED').split(' ');
    this.load.answers.set(word, (this.load.answers.get(word) ?? 0) + 1);
    if (word === 'OK' || word === 'NO') {
      Object.assign(op, { length: Number(length), hash: Number(hash) });
      op.outcome = word.toLowerCase();
      this.lengths.set(op.key, op.length);
      if (op.kind !== 'get') this.heardAt = op.done;
      if (op.kind !== 'get' && word === 'OK') this.load.acknowledged.push(op.done);
    } else if (word === 'UNKNOWN' || word === 'CLOSED') {
      op.outcome = 'unknown';
      op.done = Infinity;
      if (node.id === this.target && word === 'CLOSED') this.heardAt = -Infinity;
    } else {
      op.outcome = 'failed'; // NOT_LEADER, BUSY, FULL, FAILED, NO_LEADER, NO_REPLICA.
      if (word === 'NOT_LEADER' && Number(length) && node.id === this.target) {
        this.target = Number(length);
      }
      if (word === 'ERR') this.load.problems.push(`${op.kind}: ${answer}`);
    }
  }

  close() {
    for (const link of this.links.values()) link.close();
  }
}

export class Load {
  /** `rate` requests a second over `clients` clients, on `keys`. */
  constructor(cluster, { clients, rate, keys, random, padding = '' }) {
    Object.assign(this, { cluster, rate, keys, random });
    this.padding = padding && `.${padding}`;
    Object.assign(this, { history: [], acknowledged: [], answers: new Map(), problems: [] });
    this.clients = Array.from({ length: clients }, (_, i) => new Client(this, i + 1));
  }

  start() {
    this.startedAt = now();
    let sent = 0;
    this.timer = setInterval(() => {
      const due = ((now() - this.startedAt) * this.rate) / 1000;
      for (let burst = 0; sent < due && burst < 100; burst++) {
        this.clients[sent++ % this.clients.length].step();
      }
      sent = Math.max(sent, Math.floor(due) - 100);
    }, 5);
  }

  /** No request leaves any more; answers that come within `ms` still count. */
  async stop(ms = 1_000) {
    clearInterval(this.timer);
    this.stoppedAt = now();
    const end = now() + ms;
    while (now() < end && this.clients.some(client => client.open > 0)) {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    for (const client of this.clients) client.close();
  }

  /** Waits until writes are acknowledged again, `count` of them. */
  async flows(count = 20, ms = 20_000) {
    const from = this.acknowledged.length;
    const end = now() + ms;
    while (this.acknowledged.length < from + count) {
      if (now() > end) throw new Error(`no writes are acknowledged within ${ms} ms`);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }

  /** The longest time without an acknowledged write between two moments, in ms. */
  longestGap(from, to) {
    const times = this.acknowledged.filter(at => at >= from && at <= to);
    let longest = 0;
    let before = from;
    for (const at of [...times, to]) {
      longest = Math.max(longest, at - before);
      before = at;
    }
    return longest;
  }

  /** Reads that were answered between two moments. */
  readsAnswered(from, to) {
    const isRead = op => op.kind === 'get' && op.outcome === 'ok';
    return this.history.filter(op => isRead(op) && op.done >= from && op.done <= to).length;
  }

  /** The first acknowledged write after a moment, in ms from there. */
  firstAfter(from) {
    const first = this.acknowledged.find(at => at > from);
    return first === undefined ? Infinity : first - from;
  }

  /** Of what left between two moments, the part that was answered by now: how much of the load,
   * which never slows down by itself, is carried. */
  carried(from, to) {
    const asked = this.history.filter(op => op.asked >= from && op.asked <= to);
    const isCarried = op => op.outcome === 'ok' || op.outcome === 'no';
    return asked.length ? asked.filter(isCarried).length / asked.length : 0;
  }

  acknowledgedPerSecond(from, to) {
    if (!(to > from)) return 0;
    const count = this.acknowledged.filter(at => at >= from && at <= to).length;
    return (count * 1000) / (to - from);
  }
}
