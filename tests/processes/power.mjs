// Power cuts: files are cut back to what was synced (power_cut.cc has the notes).
import { lstatSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

const SYNC_MS = 5; // So that something is under way when the power goes.

/** Words before the node's command: it runs with the notes on. */
export function underPower({ library, logs }) {
  return node => [
    'env',
    `LD_PRELOAD=${library}`,
    `WORLDLINE_SYNCED=${join(logs, `synced${node.id}`)}`,
    `WORLDLINE_SYNC_MS=${SYNC_MS}`,
  ];
}

function syncedSizes(file) {
  const sizes = new Map();
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const [first, path, to] = line.split(' ');
    if (first === '>') {
      sizes.set(to, sizes.get(path) ?? 0);
      sizes.delete(path);
    } else {
      sizes.set(path, Number(first));
    }
  }
  return sizes;
}

function filesBelow(directory) {
  return readdirSync(directory, { recursive: true })
    .map(name => join(directory, name))
    .filter(path => lstatSync(path).isFile());
}

/** Of what was not synced, all or some of the end is lost in each file, always something. */
export function cutBack(node, logs, random) {
  const sizes = syncedSizes(join(logs, `synced${node.id}`));
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
