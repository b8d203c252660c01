// The faults, one function each: it makes the fault, waits, takes it away. Around it round.mjs
// keeps the load going, waits for recovery and checks the history. Here: processes, clocks, power
// and certificates; the rest is in the files beside.
import { cpSync } from 'node:fs';
import { births } from './birth.mjs';
import { eventually, sleep } from './cluster.mjs';
import { diskFaults } from './faults_disk.mjs';
import { memberFaults } from './faults_members.mjs';
import { networkFaults } from './faults_network.mjs';
import { cutBack, holdSync, releaseSyncs } from './power.mjs';

// --- Processes -----------------------------------------------------------------------------------

async function killLeader(t) {
  const leader = await t.cluster.leader();
  t.mark();
  await leader.kill();
  await t.load.flows();
  await leader.start();
}

async function killFollower(t) {
  const [follower] = await t.cluster.followers();
  t.mark();
  await follower.kill();
  await sleep(t.between(100, 600));
  await follower.start();
}

/** Service is back five seconds after the second node is up. */
async function restartAll(t, nodes) {
  const before = performance.now();
  await Promise.all(nodes.map(node => node.start()));
  const second = nodes.map(node => node.readyAt).sort((a, b) => a - b)[1];
  await t.load.flows();
  t.within('service after the second node', t.load.firstAfter(before) + before - second, 5_000);
}

async function killAll(t) {
  t.mark();
  const nodes = t.cluster.running;
  await Promise.all(nodes.map(node => node.kill()));
  await restartAll(t, nodes);
}

/** As killAll, and what no sync has made safe is gone on all of them: nothing, if need be. */
async function cutPower(t) {
  const { logs, running: nodes } = t.cluster;
  await t.load.flows(100);
  t.mark();
  const isHeld = t.random() < 0.5;
  if (isHeld) await holdSync(nodes, logs);
  await Promise.all(nodes.map(node => node.kill()));
  releaseSyncs(logs);
  const lost = nodes.map(node => cutBack(node, logs, t.random));
  t.note(`${lost.join(', ')} B lost${isHeld ? ' in the middle of a sync' : ''}`);
  t.expect('something was not synced yet', !isHeld || lost.some(bytes => bytes > 0));
  await restartAll(t, nodes);
}

async function stopLeader(t) {
  const leader = await t.cluster.leader();
  t.mark();
  leader.signal('SIGSTOP');
  await sleep(t.between(200, t.long ? 30_000 : 3_000));
  leader.signal('SIGCONT');
  await t.cluster.recovered(t.limit(5_000));
}

/** Each node in turn, with its leadership handed over. */
async function restartRolling(t) {
  t.mark();
  for (const node of t.cluster.running) {
    await node.kill('SIGTERM');
    await node.start();
    await t.cluster.recovered(t.limit(10_000));
  }
}

async function transferLeader(t) {
  const leader = await t.cluster.leader();
  const [target] = await t.cluster.followers();
  t.mark();
  await leader.admin(`transfer ${target.id}`);
  await eventually('the target leads', t.limit(2_000), async () => {
    return (await target.status()).role === 'leader';
  });
}

// --- Clocks --------------------------------------------------------------------------------------

const GOOD = 2; // As `clock` of STATUS has it.
const DRAIN = 4;
const HOUR_MS = 3_600_000;

async function isVerdict(t, node, verdict) {
  await eventually(`node ${node.id} judges its clock as ${verdict}`, t.limit(3_000), async () => {
    return (await node.status()).clock === verdict;
  });
}

/** A leader whose clock is far off may hand over, to one whose clock is not; nobody campaigns. */
async function jumpLeader(t) {
  const leader = await t.cluster.leader();
  const before = await leader.status();
  t.mark();
  await leader.admin(`clock ${t.random() < 0.5 ? HOUR_MS : -HOUR_MS}`);
  await isVerdict(t, leader, DRAIN);
  await sleep(1_000);
  const now = await t.cluster.leader();
  const after = await now.status();
  const hasMoved = now !== leader;
  t.note(hasMoved ? 'handed over' : 'stayed');
  t.expect('one term for a hand-over, none else', after.term === before.term + (hasMoved ? 1 : 0));
  await leader.admin('clock 0');
  await isVerdict(t, leader, GOOD);
}

/** A follower whose clock is far off concerns nobody else. */
async function jumpFollower(t) {
  const leader = await t.cluster.leader();
  const [follower] = await t.cluster.followers();
  t.mark();
  await follower.admin(`clock ${t.random() < 0.5 ? HOUR_MS : -HOUR_MS}`);
  await isVerdict(t, follower, DRAIN);
  await sleep(1_000);
  t.expect('the leader stays', (await t.cluster.leader()) === leader);
  t.expect('its clock is good', (await leader.status()).clock === GOOD);
  await follower.admin('clock 0');
  await isVerdict(t, follower, GOOD);
}

/** A clock a tenth too fast: 200 ms in two seconds, less than anything warns of. */
async function driftLeader(t) {
  const leader = await t.cluster.leader();
  t.mark();
  for (let ms = 10; ms <= 200; ms += 10) {
    await leader.admin(`clock ${ms}`);
    await sleep(100);
  }
  t.expect('the leader stays', (await t.cluster.leader()) === leader);
  await leader.admin('clock 0');
}

// --- Certificates --------------------------------------------------------------------------------

const authoritiesOf = t => t.cluster.options.authorities;

/** New certificates under load, then bad ones, which change nothing. */
async function renewCertificates(t) {
  const { own } = authoritiesOf(t);
  const { certificates } = t.cluster.options;
  const nodes = t.cluster.running;
  const [victim] = await t.cluster.followers();
  const fresh = node => `${certificates(node)}.fresh`;
  for (const node of nodes) own.issue(node.id, fresh(node)); // It holds the driver up.
  own.issue(victim.id + 90, fresh({ id: 'other' }));
  await t.load.flows();
  t.flowedAt = performance.now();
  await sleep(400);
  const before = await t.cluster.statuses();
  t.mark();
  for (const node of nodes) {
    cpSync(fresh(node), certificates(node), { recursive: true });
    await node.admin('tls');
  }
  await t.load.flows(100);
  t.step('renewed');
  cpSync(fresh({ id: 'other' }), certificates(victim), { recursive: true });
  const answer = await victim.ask('ADMIN tls');
  t.expect(`the certificate of another is refused, not ${answer}`, answer.startsWith('ERR'));
  cpSync(fresh(victim), certificates(victim), { recursive: true });
  await victim.admin('tls');
  await t.load.flows(100);
  const ups = all => all.reduce((sum, one) => sum + one.streams, 0);
  const opened = ups(await t.cluster.statuses()) - ups(before);
  t.note(`${opened} streams were opened anew`);
  t.expect('streams were opened anew', opened > 0);
}

/** A node with a certificate of a stranger's authority is let in by nobody. */
async function strangeAuthority(t) {
  const [victim] = await t.cluster.followers();
  const leader = await t.cluster.leader();
  t.mark();
  await victim.kill();
  authoritiesOf(t).strange.issue(victim.id, t.cluster.options.certificates(victim));
  await victim.start();
  const { last } = await victim.status();
  await t.load.flows(100);
  const status = await victim.status();
  t.expect('it hears no leader', status.leader === 0);
  t.expect(`it gets nothing: ${last} became ${status.last}`, status.last === last);
  t.expect('the leader stays', (await t.cluster.leader()) === leader);
  await victim.kill();
  authoritiesOf(t).own.issue(victim.id, t.cluster.options.certificates(victim));
  await victim.start();
  await t.cluster.recovered(t.limit(10_000));
}

// --- The list ------------------------------------------------------------------------------------

// Of section 6.3: `row`; `rounds` in a short run (1), `repeat` with --long. Bounds, each failing
// its round or fault: `gap` in ms for the time without an acknowledged write, times `margin` unless
// --strict (report.mjs); `afterHeal` for the first one after the network or disk is well again;
// `terms` that pass. `life` is the kind of cluster it needs, usually plain; `rate` of requests a
// second; `beforeMs` of load to compare with.
export const faults = [
  { name: 'kill-leader', row: 'P-01', run: killLeader, repeat: 200, rounds: 3, rate: 1_000,
    gap: { p50: 250, p99: 1_000 } },
  { name: 'kill-follower', row: 'P-02', run: killFollower, repeat: 100, gap: { p99: 500 },
    terms: 0 },
  { name: 'kill-all', row: 'P-03', run: killAll, repeat: 100 },
  { name: 'stop-leader', row: 'P-05', run: stopLeader, repeat: 100, gap: { p99: 1_000 } },
  { name: 'restart-rolling', row: 'P-16', run: restartRolling, repeat: 50, gap: { p99: 100 },
    margin: 5 },
  { name: 'transfer', row: 'P-16', run: transferLeader, repeat: 50, gap: { p99: 100 }, margin: 5,
    terms: 1 },
  ...networkFaults,
  ...diskFaults,
  { name: 'clock-jump', row: 'P-15', run: jumpLeader, repeat: 20, terms: 2 },
  { name: 'clock-jump-follower', row: 'P-15', run: jumpFollower, repeat: 20, terms: 0 },
  { name: 'clock-drift', row: 'P-15', run: driftLeader, repeat: 20, terms: 0, isLong: true },
  ...memberFaults,
  ...births,
  { name: 'power-cut', row: 'P-04', run: cutPower, repeat: 100, rounds: 2, life: 'power',
    rate: 600 },
  { name: 'renew-certificates', row: 'mTLS', run: renewCertificates, repeat: 20, life: 'tls',
    gap: { p99: 1_000 }, terms: 0 },
  { name: 'strange-authority', row: 'mTLS', run: strangeAuthority, repeat: 20, life: 'tls' },
  { name: 'kill-leader-tls', row: 'mTLS', run: killLeader, repeat: 20, life: 'tls',
    gap: { p99: 1_000 } },
];
