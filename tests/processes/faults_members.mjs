// Members and their machines change; followers need snapshots [S 08/6.3 P-09, P-18, P-19, P-22].
import { cpSync, rmSync } from 'node:fs';
import { eventually, sleep } from './cluster.mjs';
import { SLOW, holdsThroughput, wentThroughShims } from './faults_network.mjs';
import { addLearner, announce, forget, grow, replace, shrink, takeOver } from './membership.mjs';

/** A member makes room for a new one while it still works. */
async function changeMembers(t) {
  const [old] = await t.cluster.followers();
  t.mark();
  const fresh = await replace(t, old);
  t.note(`node ${old.id} became ${fresh.id}`);
}

/** The machine keeps its address and loses its disk: it comes back as another node. */
async function wipeNode(t) {
  const [old] = await t.cluster.followers();
  t.mark();
  await old.kill();
  old.wipe();
  const fresh = await addLearner(t, old.slot);
  // The others still look for the old node there.
  await eventually('a stream for the old node is refused', t.limit(10_000), async () => {
    return (await fresh.status()).refused > 0;
  });
  await takeOver(t, fresh, old);
  await forget(t.cluster, old);
  const { voters } = await (await t.cluster.leader()).status();
  t.expect(`three voters, not ${voters}`, voters.length === 3 && voters.includes(fresh.id));
  await t.cluster.recovered(t.limit(10_000));
}

/** From three to five and back, until none of the first three is left. */
async function scale(t) {
  t.mark();
  const old = t.cluster.running;
  await grow(t, 2);
  t.step('five');
  await shrink(t, old.slice(0, 2));
  t.step('three');
  await replace(t, old[2]);
  t.step('all are new');
  const kept = t.share(t.markedAt);
  t.note(`${Math.round(100 * kept)} % of the throughput`);
  t.expect(`at least 70 % of the throughput, not ${Math.round(100 * kept)}`, kept >= 0.7);
}

/** Two nodes come back with each other's address: nobody believes the wrong one. */
async function swapAddresses(t) {
  const leader = await t.cluster.leader();
  const [one, other] = await t.cluster.followers();
  const before = (await leader.status()).refused;
  t.mark();
  await Promise.all([one.kill(), other.kill()]);
  const places = [one.data, other.data];
  [one.slot, other.slot] = [other.slot, one.slot];
  cpSync(places[0], one.data, { recursive: true });
  cpSync(places[1], other.data, { recursive: true });
  for (const place of places) rmSync(place, { recursive: true });
  await Promise.all([one.start(), other.start()]);
  // The leader still dials the old addresses, and finds somebody else there.
  await eventually('the wrong node is refused', t.limit(10_000), async () => {
    const statuses = await t.cluster.statuses();
    return statuses.reduce((sum, status) => sum + status.refused, 0) > before;
  });
  for (const node of [one, other]) await announce(t.cluster, node);
  await t.cluster.recovered(t.limit(10_000));
}

/** A follower is down until the log it needs is gone. */
async function leaveBehind(t) {
  const [follower] = await t.cluster.followers();
  await follower.kill();
  const before = (await (await t.cluster.leader()).status()).last;
  await eventually('the log moved on', 60_000, async () => {
    const status = await (await t.cluster.leader()).status();
    return status.first > before;
  });
  return follower;
}

const installs = follower =>
  eventually('a snapshot is installed', 60_000, async () => {
    const status = await follower.status();
    return status.installed > 0 ? status : null;
  });

async function snapshotCatchUp(t) {
  t.mark();
  const follower = await leaveBehind(t);
  t.step('log moved on');
  await follower.start();
  await installs(follower);
  t.step('installed');
}

/** The snapshot goes over a slow link; the others do not feel it. */
async function slowSnapshot(t) {
  const follower = await leaveBehind(t);
  const leader = await t.cluster.leader();
  t.mark();
  await t.network.reshape(follower.slot, SLOW);
  const from = performance.now();
  await follower.start();
  await installs(follower);
  await sleep(Math.max(0, 2_000 - (performance.now() - from)));
  await holdsThroughput(t, leader, from, 0.9);
  await t.heal();
  wentThroughShims(t, ['carried']);
}

const BIG_IDS = 160;
const BIG_ID_BYTES = 16_000;

/** A receiver dies in the middle of a transfer: what it had is not sent again. */
async function killReceiver(t) {
  const [follower] = await t.cluster.followers();
  await follower.kill();
  const leader = await t.cluster.leader();
  for (let i = 0; i < BIG_IDS; i++) {
    const id = `${i}.`.padEnd(BIG_ID_BYTES, 'x');
    await eventually('a big write', 20_000, async () => {
      const answer = await (await t.cluster.leader()).ask(`PUT big${t.number} ${id}`);
      return answer.startsWith('OK');
    });
  }
  const { last } = await leader.status();
  await eventually('the log moved on', 60_000, async () => {
    const status = await (await t.cluster.leader()).status();
    return status.first > last && status.checkpointBytes > BIG_IDS * BIG_ID_BYTES;
  });
  t.mark();
  await follower.start();
  const first = await eventually('half of it arrived', 30_000, async () => {
    const status = await follower.status();
    return status.bytesIn > (BIG_IDS * BIG_ID_BYTES) / 2 ? status : null;
  });
  await follower.kill();
  t.expect('the first try was not over', first.installed === 0);
  await follower.start();
  const second = await installs(follower);
  t.note(`of ${second.checkpointBytes} B, first ${first.bytesIn} B, then ${second.bytesIn} B`);
  t.expect('pages of the first try were found', second.pagesFound > 0);
  t.expect('less was sent the second time', second.bytesIn < 0.75 * second.checkpointBytes);
}

const GAP = { gap: { p99: 2_000 } };

export const memberFaults = [
  { ...GAP, name: 'members', row: 'P-19', run: changeMembers, repeat: 10, isLong: true },
  { ...GAP, name: 'wiped-node', row: 'P-18', run: wipeNode, repeat: 20 },
  { ...GAP, name: 'scale', row: 'P-19', run: scale, repeat: 10, beforeMs: 1_500 },
  { name: 'swap-addresses', row: 'P-22', run: swapAddresses, repeat: 10 },
  { ...GAP, name: 'snapshot', row: 'P-09', run: snapshotCatchUp, repeat: 20, isLong: true },
  { name: 'slow-snapshot', row: 'P-09', run: slowSnapshot, repeat: 20, terms: 0, beforeMs: 1_000 },
  { ...GAP, name: 'kill-receiver', row: 'P-09', run: killReceiver, repeat: 20 },
];
