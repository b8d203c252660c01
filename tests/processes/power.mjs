// Power cuts: files are cut back to what was synced (power_cut.cc has the notes).
import { lstatSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './cluster.mjs';

const SYNC_MS = 5; // So that something is under way when the power goes.

const notesOf = (node, logs) => join(logs, `synced${node.id}`);

/** Words before the node's command: it runs with the notes on. */
export function underPower({ library, logs }) {
  return node => [
    'env',
    `LD_PRELOAD=${library}`,
    `WORLDLINE_SYNCED=${notesOf(node, logs)}`,
    `WORLDLINE_SYNC_HOLD=${join(logs, 'hold')}`,
    `WORLDLINE_SYNC_MS=${SYNC_MS}`,
  ];
}

function syncedSizes(file) {
  const sizes = new Map();
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const [first, path, to] = line.split(' ');
    if (first === '!') continue;
    if (first === '>') {
      sizes.set(to, sizes.get(path) ?? 0);
      sizes.delete(path);
    } else {
      sizes.set(path, Number(first));
    }
  }
  return sizes;
}

/**
 * Returns once a node waits for a sync that will not end before the power goes: what it wrote is
 * in its files and not safe. REQUIRES: writes go on, and the nodes are killed next.
 */
export async function holdSync(nodes, logs) {
  const isHeld = nodes.map(node => {
    const { size } = lstatSync(notesOf(node, logs));
    return () => readFileSync(notesOf(node, logs), 'utf8').slice(size).split('\n').includes('!');
  });
  writeFileSync(join(logs, 'hold'), '');
  await eventually('a sync is held', 5_000, () => isHeld.some(held => held()));
}

export function releaseSyncs(logs) {
  rmSync(join(logs, 'hold'), { force: true });
}

function filesBelow(directory) {
  return readdirSync(directory, { recursive: true })
    .map(name => join(directory, name))
    .filter(path => lstatSync(path).isFile());
}

/** Of what was not synced, all or some of the end is lost in each file, always something. */
export function cutBack(node, logs, random) {
  const sizes = syncedSizes(notesOf(node, logs));
  let lost = 0;
  for (const path of filesBelow(node.data)) {
    const { size } = lstatSync(path);
    const synced = Math.min(size, sizes.get(path) ?? 0);
    if (synced === size) continue;
    const kept = random() < 0.5 ? synced : synced + Math.floor(random() * (size - synced));
    truncateSync(path, kept);
    lost += size - kept;
  }
  return lost;
}
