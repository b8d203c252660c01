// What goes wrong between the nodes [S 08/6.3 P-05 to P-10].
import { sleep } from './cluster.mjs';
import { grow, shrink } from './membership.mjs';

/** A node that has no majority: it answers nothing or an error, whatever is asked. */
async function promisesNothing(t, node) {
  for (const words of [`PUT minority ${t.number}`, 'GET minority']) {
    const answer = await node.answer(words);
    t.expect(`node ${node.id} without a majority answers nothing to ${words}, not ${answer}`,
      !answer?.startsWith('OK'));
  }
}

/** Cuts, waits, heals; `alone` has no majority meanwhile. */
async function partition(t, cut, { ms = 1_500, alone = null } = {}) {
  t.mark();
  await Promise.all(cut());
  await sleep(t.between(ms, 2 * ms));
  if (alone) await promisesNothing(t, alone);
  await t.heal();
}

async function sides(t) {
  const leader = await t.cluster.leader();
  const followers = t.cluster.running.filter(node => node !== leader);
  return { leader, followers };
}

async function isolateLeader(t) {
  const { leader, followers } = await sides(t);
  const cut = () => followers.map(one => t.network.cut(leader.slot, one.slot));
  await partition(t, cut, { alone: leader });
}

async function isolateFollower(t) {
  const { leader, followers } = await sides(t);
  const [alone, other] = followers;
  const cut = () => [leader, other].map(one => t.network.cut(alone.slot, one.slot));
  await partition(t, cut, { alone });
}

/** The followers do not hear each other, the leader hears both. */
async function cutFollowers(t) {
  const { followers } = await sides(t);
  await partition(t, () => [t.network.cut(followers[0].slot, followers[1].slot)]);
}

async function cutOneFollower(t) {
  const { leader, followers } = await sides(t);
  await partition(t, () => [t.network.cut(followers[0].slot, leader.slot)]);
}

/** Of five, two and two that only the fifth hears: it makes a majority with either. */
async function bridge(t) {
  const added = await grow(t, 2);
  const { leader, followers } = await sides(t);
  const [middle, ...others] = followers;
  const here = [leader, others[0]].map(node => node.slot);
  const there = others.slice(1).map(node => node.slot);
  t.note(`node ${middle.id} hears all`);
  await partition(t, () => [t.network.cutAll(here, there)]);
  await shrink(t, added);
}

/** Three of five go on, the two with the leader do not. */
async function minorityLeader(t) {
  const added = await grow(t, 2);
  const { leader, followers } = await sides(t);
  const here = [leader, followers[0]].map(node => node.slot);
  const there = followers.slice(1).map(node => node.slot);
  await partition(t, () => [t.network.cutAll(here, there)], { alone: leader });
  await shrink(t, added);
}

async function deafLeader(t) {
  const { leader, followers } = await sides(t);
  await partition(t, () => followers.map(one => t.network.drop(one.slot, leader.slot)));
}

async function muteLeader(t) {
  const { leader, followers } = await sides(t);
  await partition(t, () => followers.map(one => t.network.drop(leader.slot, one.slot)));
}

async function deafFollower(t) {
  const { leader, followers } = await sides(t);
  const [deaf, other] = followers;
  await partition(t, () => [leader, other].map(one => t.network.drop(one.slot, deaf.slot)));
}

/** What arrives in one class is lost, its stream stays: no timeout of TCP helps. */
async function loseClass(t, nodes, name) {
  t.mark();
  for (const node of nodes) await node.admin(`drop ${name}`);
  await sleep(t.between(1_500, 3_000));
  for (const node of nodes) await node.admin('drop');
  await t.heal();
}

async function loseControl(t) {
  await loseClass(t, (await sides(t)).followers, 'control');
}

async function loseLog(t) {
  await loseClass(t, (await sides(t)).followers.slice(0, 1), 'log');
}

async function flappingLink(t) {
  const { leader, followers } = await sides(t);
  t.mark();
  const ms = t.long ? 300_000 : 3_000;
  const end = Date.now() + ms;
  while (Date.now() < end) {
    await t.network.cut(leader.slot, followers[0].slot);
    await sleep(t.between(50, 500));
    await t.network.heal();
    await sleep(t.between(50, 500));
  }
  t.termsMax = Math.ceil(ms / 10_000);
}

const SLOW = { 'rate-kbit': 1_000, 'delay-ms': 100 }; // Each way: 200 ms there and back.

/** The others do not wait for the slow one, nor keep for it what it cannot take. */
async function holdsThroughput(t, leader, from, share) {
  const kept = t.share(from);
  t.note(`${Math.round(100 * kept)} % of the throughput`);
  t.expect(`at least ${100 * share} % of the throughput, not ${Math.round(100 * kept)}`,
    kept >= share);
  t.expect('the leader stays', (await t.cluster.leader()) === leader);
}

/** The frames really went that way. Call after healing. */
function wentThroughShims(t, kinds) {
  const all = t.network.carried.splice(0);
  const sums = kinds.map(kind => all.reduce((sum, one) => sum + one[kind], 0));
  kinds.forEach((kind, i) => t.expect(`frames were ${kind}`, sums[i] > 0));
  t.note(kinds.map((kind, i) => `${sums[i]} frames ${kind}`).join(', '));
}

const GROWTH_MIB = 64; // [S 08/5.1]: 16 MiB in flight, and what the allocator keeps.

async function slowFollower(t) {
  const { leader, followers } = await sides(t);
  t.mark();
  const before = leader.residentMiB();
  await t.network.reshape(followers[0].slot, SLOW);
  const from = performance.now();
  await sleep(3_000);
  await holdsThroughput(t, leader, from, 0.9);
  const grown = leader.residentMiB() - before;
  t.note(`the leader grew by ${Math.round(grown)} MiB`);
  t.expect(`the leader grows by at most ${GROWTH_MIB} MiB`, grown <= GROWTH_MIB);
  await t.heal();
  wentThroughShims(t, ['carried']);
}

/** Packets lost everywhere: slower, never stuck. */
async function lossyLinks(t) {
  t.mark();
  const percent = t.between(5, 30);
  await Promise.all(t.network.slots.map(slot => t.network.lose(slot, percent)));
  const from = performance.now();
  await sleep(2_000);
  const kept = t.share(from);
  t.note(`${percent} % lost, ${Math.round(100 * kept)} % of the throughput`);
  t.expect('at least a twentieth of the throughput', kept >= 0.05);
  await t.heal(5_000);
}

const UNRULY = { 'delay-ms': 1, 'jitter-ms': 5, duplicate: 10, reorder: 25 };

/** Frames are doubled and overtake each other, everywhere. */
async function unrulyLinks(t) {
  t.mark();
  const used = t.cluster.running.map(node => node.slot);
  const shape = { ...UNRULY, seed: t.between(1, 1_000_000) };
  await Promise.all(used.map(slot => t.network.reshape(slot, shape)));
  const from = performance.now();
  await sleep(2_000);
  const kept = t.share(from);
  t.note(`${Math.round(100 * kept)} % of the throughput`);
  t.expect('at least half of the throughput', kept >= 0.5);
  await t.heal();
  wentThroughShims(t, ['carried', 'doubled', 'overtaking']);
}

export { SLOW, holdsThroughput, wentThroughShims };

const HEAL_MS = 2_000;
const P06 = { row: 'P-06', repeat: 100, terms: 3, gap: { p99: 2_000 }, margin: 1 };
const P07 = { row: 'P-07', repeat: 50, terms: 3, gap: { p99: 2_000 }, margin: 1 };
for (const one of [P06, P07]) one.afterHeal = HEAL_MS;

export const networkFaults = [
  { ...P06, name: 'isolate-leader', run: isolateLeader },
  { ...P06, name: 'isolate-follower', run: isolateFollower, isLong: true },
  { ...P06, name: 'bridge', run: bridge },
  { ...P06, name: 'minority-leader', run: minorityLeader, isLong: true },
  { ...P06, name: 'cut-followers', run: cutFollowers, repeat: 50, terms: 0 },
  { ...P06, name: 'cut-one-follower', run: cutOneFollower, repeat: 50, isLong: true },
  { ...P07, name: 'deaf-leader', run: deafLeader },
  { ...P07, name: 'mute-leader', run: muteLeader },
  { ...P07, name: 'deaf-follower', run: deafFollower, isLong: true },
  { ...P07, name: 'lose-control', run: loseControl },
  { ...P07, name: 'lose-log', run: loseLog },
  { name: 'flapping', row: 'P-08', run: flappingLink, repeat: 10, gap: { p99: 2_000 } },
  { name: 'slow-follower', row: 'P-09', run: slowFollower, repeat: 20, terms: 0, beforeMs: 1_500 },
  { name: 'lossy', row: 'P-10', run: lossyLinks, repeat: 20, gap: { p99: 5_000 }, margin: 1 },
  { name: 'unruly', row: 'P-10', run: unrulyLinks, repeat: 20, gap: { p99: 2_000 }, margin: 1 },
];
