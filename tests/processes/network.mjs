// Network namespaces for the nodes: each has `peers`, where faults are made, and `clients`, where
// there are none. Everything made here carries the name of this run and goes with dispose().
//
// Loss and one-way drops are nftables rules at the receiver. Delay, rate, doubled and reordered
// frames are made by link_shim in place of a slot's cable: not every kernel has netem.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
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
  constructor(slots, { diskMiB, shim }) {
    if (process.getuid() !== 0) throw new SetupError('network namespaces and mounts need root');
    this.name = `wk${randomBytes(3).toString('hex')}`;
    this.shim = shim;
    this.slots = Array.from({ length: slots }, (_, i) => i + 1);
    this.#choosePlace();
    Object.assign(this, { made: [], touched: new Set(), shims: new Map() });
    this.carried = []; // What each shim did that is gone.
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

  /** Addresses that no other run on this machine has. */
  #choosePlace() {
    const used = run('ip', '-4', '-o', 'addr', 'show');
    do {
      this.prefix = `10.${64 + randomInt(64)}`;
      this.third = 2 * randomInt(127);
    } while (used.includes(` ${this.prefix}.${this.third + 1}.`));
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

  /** Each slot of `one` and each of `other`: neither hears the other. */
  cutAll(one, other) {
    return Promise.all(one.flatMap(a => other.map(b => this.cut(a, b))));
  }

  /** `percent` of what reaches `slot` from its peers is lost. */
  lose(slot, percent) {
    const rule = `iifname peers numgen random mod 100 < ${percent} drop`;
    this.touched.add(slot);
    return this.#nft(slot, `add rule inet faults in ${rule}`);
  }

  /** The cable of `slot` to its peers becomes `shape`: options of link_shim without dashes. */
  async reshape(slot, shape) {
    const port = `${this.name}p${slot}`;
    const tap = `${this.name}t${slot}`;
    const flags = Object.entries(shape).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    const child = spawn(this.shim, [port, tap, ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise(resolve => child.on('close', resolve));
    const shim = { child, ended, said: '' };
    this.shims.set(slot, shim);
    const isReady = new Promise(resolve => child.stdout.once('data', () => resolve(true)));
    child.stdout.on('data', text => (shim.said += text));
    if ((await Promise.race([isReady, ended])) !== true) throw new Error('link_shim did not start');
    await runAside('ip', ['link', 'set', port, 'nomaster']);
    await runAside('ip', ['link', 'set', tap, 'master', `${this.name}p`, 'up']);
  }

  async #unshape(slot) {
    const shim = this.shims.get(slot);
    this.shims.delete(slot);
    shim.child.kill('SIGTERM');
    await shim.ended;
    this.carried.push(JSON.parse(shim.said.split('\n')[1]));
    await runAside('ip', ['link', 'set', `${this.name}p${slot}`, 'master', `${this.name}p`]);
  }

  /** No fault is left on the network. */
  async heal() {
    const flushed = [...this.touched].map(slot => this.#nft(slot, 'flush chain inet faults in'));
    const cables = [...this.shims.keys()].map(slot => this.#unshape(slot));
    this.touched.clear();
    await Promise.all([...flushed, ...cables]);
  }

  freeBytes(slot) {
    const { bavail, bsize } = statfsSync(this.disk(slot));
    return bavail * bsize;
  }

  dispose() {
    for (const { child } of this.shims.values()) child.kill('SIGKILL');
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
