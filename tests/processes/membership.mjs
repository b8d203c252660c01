// Members come and go, as the catalog would order it: learner, caught up, one joint change.
import { eventually } from './cluster.mjs';

const CATCH_UP_MS = 30_000;
const LEAVE_MS = 20_000;

/** Leaders come and go meanwhile: asked until it holds. */
export async function change(cluster, words) {
  await eventually(`members ${words}`, CATCH_UP_MS, async () => {
    const leader = await cluster.leader();
    return (await leader.admin(`members ${words}`)).startsWith('OK');
  });
}

async function isConfig(cluster, what, holds) {
  await eventually(what, LEAVE_MS, async () => {
    const status = await (await cluster.leader()).status();
    return !status.joint && holds(status);
  });
}

/** Everybody learns where a node lives. */
export async function announce(cluster, node) {
  const place = cluster.network.peerAddress(node.slot);
  const address = node.uuid ? `${place}/${node.uuid}` : place;
  for (const other of cluster.running) {
    if (other !== node) await other.admin(`peer ${node.id} ${address}`);
  }
}

export function isCaughtUp(cluster, fresh) {
  return eventually(`node ${fresh.id} has caught up`, CATCH_UP_MS, async () => {
    const leader = await (await cluster.leader()).status();
    const status = await fresh.status();
    return status.applied > 0 && status.applied + 50 > leader.applied;
  });
}

/** A fresh node as learner that has nearly everything. */
export async function addLearner(t, slot = t.cluster.freeSlot()) {
  const { cluster } = t;
  const fresh = cluster.add(slot);
  await announce(cluster, fresh);
  await fresh.start();
  await change(cluster, `learner:${fresh.id}`);
  await isCaughtUp(cluster, fresh);
  return fresh;
}

/** A node that is gone: the others would look for it for ever, and meet who gets its address. */
export async function forget(cluster, old) {
  cluster.nodes.delete(old.id);
  for (const other of cluster.running) await other.admin(`forget ${old.id}`);
}

async function leave(t, old) {
  await old.kill();
  await forget(t.cluster, old);
  old.wipe();
}

/** `fresh`, a learner, takes the place of `old` in one joint change. */
export async function takeOver(t, fresh, old) {
  await change(t.cluster, `voter:${fresh.id} remove:${old.id}`);
  await isConfig(t.cluster, `${fresh.id} took the place of ${old.id}`, status => {
    return status.voters.includes(fresh.id) && !status.voters.includes(old.id);
  });
}

/** A fresh node in a free slot takes the place of `old`. */
export async function replace(t, old) {
  const fresh = await addLearner(t);
  await takeOver(t, fresh, old);
  await leave(t, old);
  return fresh;
}

/** `count` more voters. */
export async function grow(t, count) {
  const added = [];
  for (let i = 0; i < count; i++) added.push(await addLearner(t));
  await change(t.cluster, added.map(node => `voter:${node.id}`).join(' '));
  await isConfig(t.cluster, 'the new voters vote', status => {
    return added.every(node => status.voters.includes(node.id));
  });
  return added;
}

/** These voters go, in one joint change. */
export async function shrink(t, gone) {
  await change(t.cluster, gone.map(node => `remove:${node.id}`).join(' '));
  await isConfig(t.cluster, 'the old voters are gone', status => {
    return gone.every(node => !status.voters.includes(node.id));
  });
  for (const node of gone) await leave(t, node);
}
