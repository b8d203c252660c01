// Network namespaces for the nodes: each has `peers`, where faults are made, and `clients`, where
// there are none. Everything made here carries the name of this run and goes with dispose().
//
// Loss and one-way drops are nftables rules at the receiver, a slow link is a token bucket (tbf):
// both are in kernels that lack netem.
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PEER_PORT = 7000;
const CLIENT_PORT = 7001;

export class SetupError extends Error {}

function run(command, ...words) {
  const done = spawnSync(command, words, { encoding: 'utf8' });
  if (done.error?.code === 'ENOENT') {
    throw new SetupError(`${command} is missing; scripts/packages.txt names its package`);
  }
  if (done.status !== 0) {
    throw new SetupError(`${command} ${words.join(' ')}: ${done.stderr.trim()}`);
  }
  return done.stdout;
}

/** Faults do not stop the driver: it has the clients. */
const runAside = promisify(execFile);

export class Network {
  /** Needs root: makes namespaces, bridges, veth pairs and a tmpfs of `diskMiB` per slot. */
  constructor(slots, { diskMiB }) {
    if (process.getuid() !== 0) throw new SetupError('network namespaces and mounts need root');
    this.name = `wk${process.pid}`;
    this.slots = Array.from({ length: slots }, (_, i) => i + 1);
    const place = process.pid % (64 * 127);
    this.prefix = `10.${64 + (place % 64)}`;
    this.third = 2 * Math.floor(place / 64);
    Object.assign(this, { made: [], touched: new Set(), slowed: new Set() });
    this.directory = mkdtempSync(join(tmpdir(), `${this.name}-`));
    this.made.push(() => rmSync(this.directory, { recursive: true, force: true }));
    try {
      this.#bridge('p');
      this.#bridge('c');
      run('ip', 'addr', 'add', `${this.prefix}.${this.third + 1}.254/24`, 'dev', `${this.name}c`);
      for (const slot of this.slots) this.#slot(slot, diskMiB);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #bridge(suffix) {
    const bridge = `${this.name}${suffix}`;
    run('ip', 'link', 'add', bridge, 'type', 'bridge');
    this.made.push(() => run('ip', 'link', 'del', bridge));
    run('ip', 'link', 'set', bridge, 'up');
  }

  #slot(slot, diskMiB) {
    const space = this.space(slot);
    run('ip', 'netns', 'add', space);
    this.made.push(() => run('ip', 'netns', 'del', space));
    run('ip', '-n', space, 'link', 'set', 'lo', 'up');
    for (const [suffix, third] of [
      ['p', this.third],
      ['c', this.third + 1],
    ]) {
      const outside = `${this.name}${suffix}${slot}`;
      const inside = suffix === 'p' ? 'peers' : 'clients';
      run('ip', 'link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', space);
      run('ip', 'link', 'set', outside, 'master', `${this.name}${suffix}`, 'up');
      run('ip', '-n', space, 'addr', 'add', `${this.prefix}.${third}.${slot}/24`, 'dev', inside);
      run('ip', '-n', space, 'link', 'set', inside, 'up');
    }
    const chain = '{ type filter hook input priority 0 ; }';
    run('ip', 'netns', 'exec', space, 'nft', 'add table inet faults');
    run('ip', 'netns', 'exec', space, 'nft', `add chain inet faults in ${chain}`);
    mkdirSync(this.disk(slot));
    const size = `size=${diskMiB}m,mode=0700`;
    run('mount', '-t', 'tmpfs', '-o', size, `${this.name}-${slot}`, this.disk(slot));
    this.made.push(() => run('umount', this.disk(slot)));
  }

  #nft(slot, rule) {
    return runAside('ip', ['netns', 'exec', this.space(slot), 'nft', rule]);
  }

  space = slot => `${this.name}-${slot}`;
  disk = slot => join(this.directory, `disk${slot}`);
  peerHost = slot => `${this.prefix}.${this.third}.${slot}`;
  peerAddress = slot => `${this.peerHost(slot)}:${PEER_PORT}`;
  clientHost = slot => `${this.prefix}.${this.third + 1}.${slot}`;
  clientPort = CLIENT_PORT;
  clientAddress = slot => `${this.clientHost(slot)}:${CLIENT_PORT}`;

  /** What `from` says does not reach `to`. */
  drop(from, to) {
    this.touched.add(to);
    return this.#nft(to, `add rule inet faults in ip saddr ${this.peerHost(from)} drop`);
  }

  /** Neither hears the other. */
  cut(a, b) {
    return Promise.all([this.drop(a, b), this.drop(b, a)]);
  }

  /** `percent` of what reaches `slot` from its peers is lost. */
  lose(slot, percent) {
    const rule = `iifname peers numgen random mod 100 < ${percent} drop`;
    this.touched.add(slot);
    return this.#nft(slot, `add rule inet faults in ${rule}`);
  }

  /** What `slot` sends its peers leaves at `rate`, queueing for at most 200 ms. */
  slow(slot, rate) {
    const shape = ['rate', rate, 'burst', '8kb', 'latency', '200ms'];
    this.slowed.add(slot);
    return this.#queue(slot, 'add', 'tbf', ...shape);
  }

  #queue(slot, verb, ...shape) {
    const words = ['tc', 'qdisc', verb, 'dev', 'peers', 'root', ...shape];
    return runAside('ip', ['netns', 'exec', this.space(slot), ...words]);
  }

  /** No fault is left on the network. */
  async heal() {
    const flushed = [...this.touched].map(slot => this.#nft(slot, 'flush chain inet faults in'));
    const queues = [...this.slowed].map(slot => this.#queue(slot, 'del'));
    this.touched.clear();
    this.slowed.clear();
    await Promise.all([...flushed, ...queues]);
  }

  freeBytes(slot) {
    const { bavail, bsize } = statfsSync(this.disk(slot));
    return bavail * bsize;
  }

  dispose() {
    for (const undo of this.made.reverse()) {
      try {
        undo();
      } catch (error) {
        console.error(`cleaning up: ${error.message}`);
      }
    }
    this.made = [];
  }
}
