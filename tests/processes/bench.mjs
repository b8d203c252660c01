#!/usr/bin/env node
// Three processes on loopback: commits a second and latency at 1, 64 and 1024 clients, as JSON.
//
//   node bench.mjs [--build DIR] [--seconds N] [--clients N]... [--bytes N] [--dir DIR] [--nodes N]
//
// Processor time per commit holds on a loaded machine too; the rest does not.
// Not part of the tests. --dir chooses the disk whose syncs are paid.
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { eventually, Lines } from './cluster.mjs';

const here = path => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({
  options: {
    build: { type: 'string', default: here('../../build/release') },
    seconds: { type: 'string', default: '10' },
    clients: { type: 'string', multiple: true, default: ['1', '64', '1024'] },
    bytes: { type: 'string', default: '100' },
    nodes: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
  },
});

function freePort() {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function startNodes(directory, count) {
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  const ports = [];
  for (const id of ids) ports.push({ id, peer: await freePort(), client: await freePort() });
  return ports.map(({ id, peer, client }) => {
    const flags = ['--node', id, '--data', join(directory, `n${id}`), '--members', ids.join(',')];
    flags.push('--listen', `127.0.0.1:${peer}`, '--clients', `127.0.0.1:${client}`);
    for (const one of ports) flags.push('--peer', `${one.id}=127.0.0.1:${one.peer}`);
    flags.push('--checkpoint-entries', 10_000_000, '--memtable-bytes', 64 << 20);
    const child = spawn(join(options.build, 'kv_node'), flags.map(String), {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return { id, client, child };
  });
}

/** User and system time of a process so far, in ms (the kernel counts in hundredths). */
function cpuMs({ child }) {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function leaderOf(nodes) {
  return eventually('a leader', 30_000, async () => {
    for (const node of nodes) {
      node.lines?.close();
      node.lines = new Lines('127.0.0.1', node.client);
      const status = JSON.parse(await node.lines.ask('STATUS'));
      if (status.role === 'leader') return node;
    }
    return null;
  });
}

const directory = mkdtempSync(join(options.dir, 'kv-bench-'));
const nodes = await startNodes(directory, Number(options.nodes));
try {
  const results = [];
  for (const clients of options.clients) {
    const leader = await leaderOf(nodes);
    const words = ['127.0.0.1', leader.client, clients, options.seconds, options.bytes];
    const before = nodes.map(cpuMs);
    const load = join(options.build, 'kv_load');
    const out = execFileSync(load, words.map(String), { encoding: 'utf8' });
    const used = nodes.map((node, i) => cpuMs(node) - before[i]);
    const result = JSON.parse(out);
    // The first tenth is not counted as commits, but costs as much.
    const perCommit = ms => Math.round((900 * ms) / result.commits);
    result.leader_cpu_us_per_commit = perCommit(used[nodes.indexOf(leader)]);
    result.all_cpu_us_per_commit = perCommit(used.reduce((a, b) => a + b));
    results.push(result);
  }
  const all = { nodes: nodes.length, id_bytes: Number(options.bytes), results };
  console.log(JSON.stringify(all, null, 2));
} finally {
  for (const node of nodes) {
    node.lines?.close();
    node.child.kill('SIGKILL');
  }
  rmSync(directory, { recursive: true, force: true });
}
