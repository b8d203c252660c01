// What goes wrong with disks [S 08/6.3 P-11 to P-14, S 08/3.7, S 08/3.12].
import { closeSync, fstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, sleep } from './cluster.mjs';
import { replace } from './membership.mjs';

const FULL = 3; // As `disk` of STATUS has it.
const EXIT_DISK = 74;
const EXIT_DAMAGED = 75;
const PEER_LOST_DATA = 2; // As `reports` of STATUS has it.

// --- Full ----------------------------------------------------------------------------------------

function fill(t, node) {
  const file = join(t.network.disk(node.slot), 'ballast');
  const block = Buffer.alloc(1 << 20);
  const ballast = openSync(file, 'w');
  try {
    while (t.network.freeBytes(node.slot) > 4 * block.length) writeSync(ballast, block);
  } finally {
    closeSync(ballast);
  }
  return () => rmSync(file, { force: true });
}

async function seesFullDisk(node, isFull) {
  await eventually(`node ${node.id} sees its disk`, 10_000, async () => {
    const { disk } = await node.status();
    return (disk[1] === FULL) === isFull;
  });
}

/** It refuses writes and stores nothing. Its own reads may fail or wait. */
async function behavesAsFull(t, node) {
  await sleep(200); // What was on its way to the disk.
  const { stable } = await node.status();
  const answer = await node.answer(`PUT full ${t.number}`, t.limit(500));
  t.expect(`a node with a full disk refuses a write at once, not ${answer}`, answer === 'FULL');
  t.note(`node ${node.id} answers a read with ${await node.answer('GET full')}`);
  await sleep(800);
  const later = await node.status();
  t.expect(`nothing is stored: ${stable} became ${later.stable}`, later.stable === stable);
}

async function diskFull(t, nodes, check) {
  t.mark();
  const undo = nodes.map(node => fill(t, node));
  try {
    for (const node of nodes) await seesFullDisk(node, true);
    const from = performance.now();
    await Promise.all(nodes.map(node => behavesAsFull(t, node)));
    await check(from);
    const reads = t.load.readsAnswered(from, performance.now());
    t.note(`${reads} reads meanwhile`);
    t.expect('reads go on', reads > 0);
    for (const node of nodes) t.expect(`node ${node.id} lives with a full disk`, node.isRunning);
  } finally {
    t.healing();
    undo.forEach(free => free());
  }
  for (const node of nodes) await seesFullDisk(node, false);
  await t.cluster.recovered(t.limit(10_000));
}

async function diskFullLeader(t) {
  const leader = await t.cluster.leader();
  await diskFull(t, [leader], async from => {
    t.expect('a leader hands over when its disk is full', (await t.cluster.leader()) !== leader);
    t.expect('writes go on', t.load.acknowledgedPerSecond(from + 500, performance.now()) > 0);
  });
}

async function diskFullMajority(t) {
  const leader = await t.cluster.leader();
  await diskFull(t, await t.cluster.followers(), async from => {
    const written = t.load.acknowledgedPerSecond(from + 200, performance.now());
    t.expect('nothing is acknowledged while a majority is full', written === 0);
    const read = await leader.answer('GET full', t.limit(1_000));
    t.expect(`the leader answers reads, not ${read}`, read?.startsWith('OK'));
  });
}

// --- Hanging -------------------------------------------------------------------------------------

const THRESHOLD_MS = 500;
const GONE_MS = 20_000;

/** How long after `from` another node leads; null: none within `ms`. */
async function movedAfter(t, leader, from, ms) {
  while (performance.now() - from < ms) {
    const all = await t.cluster.statuses();
    const other = all.find(one => one.role === 'leader' && one.node !== leader.id);
    if (other) return performance.now() - from;
    await sleep(10);
  }
  return null;
}

/** A disk that hung a moment ago bears no leader yet: with three of them nobody could take over. */
async function calmDisks(t) {
  await eventually('no disk hung lately', 20_000, async () => {
    return (await t.cluster.statuses()).every(one => one.disk[0] === 0);
  });
}

/** Shorter than the threshold: nothing moves. Longer: another leads a second after it at most. */
async function stall(t, ms) {
  await calmDisks(t);
  const leader = await t.cluster.leader();
  t.mark();
  await leader.admin(`disk stall ${ms}`);
  if (ms < THRESHOLD_MS) {
    t.termsMax = 0;
    await sleep(ms + 600);
    t.expect('a short stall moves nothing', (await t.cluster.leader()) === leader);
    return;
  }
  const took = await movedAfter(t, leader, t.markedAt, t.limit(5_000));
  t.within('another leads', (took ?? Infinity) - THRESHOLD_MS, 1_000);
  await sleep(Math.max(0, ms + 200 - (performance.now() - t.markedAt)));
  t.expect('the process lives', leader.isRunning);
}

/** The watchdog ends the process at 20 s; leadership moved long before. */
async function stallForGood(t, ms) {
  await calmDisks(t);
  const leader = await t.cluster.leader();
  t.mark();
  await leader.admin(`disk stall ${ms}`);
  const took = await movedAfter(t, leader, t.markedAt, t.limit(5_000));
  t.within('another leads', (took ?? Infinity) - THRESHOLD_MS, 1_000);
  const end = await Promise.race([leader.exited, sleep(t.limit(GONE_MS + 10_000))]);
  const after = performance.now() - t.markedAt;
  t.note(`gone after ${Math.round(after)} ms`);
  t.expect(`a hanging disk ends the process with 74, not ${JSON.stringify(end)}`,
    end?.code === EXIT_DISK);
  t.expect(`not before ${GONE_MS} ms`, after > GONE_MS - 500);
  t.within('the process is gone', after - GONE_MS, 2_500);
  await leader.kill();
  await leader.start();
}

async function diskFails(t) {
  const leader = await t.cluster.leader();
  t.mark();
  await leader.admin('disk fail');
  const end = await Promise.race([leader.exited, sleep(t.limit(10_000))]);
  t.expect(`a failed sync ends the process with 74, not ${JSON.stringify(end)}`,
    end?.code === EXIT_DISK);
  await leader.start();
}

// --- Damaged -------------------------------------------------------------------------------------

function flip(t, file, low, high) {
  const descriptor = openSync(file, 'r+');
  try {
    const { size } = fstatSync(descriptor);
    const at = t.between(Math.floor(low * size), Math.max(0, Math.ceil(high * size) - 1));
    const byte = Buffer.alloc(1);
    readSync(descriptor, byte, 0, 1, at);
    byte[0] ^= 1 << t.between(0, 7);
    writeSync(descriptor, byte, 0, 1, at);
    return `byte ${at} of ${size}`;
  } finally {
    closeSync(descriptor);
  }
}

// A bit of the newest log file, before its last tenth: valid records follow.
const flipWal = (t, node) => flip(t, node.files('log', '.log').at(-1), 0, 0.9);
// In the last record: it may be one that was never synced, or the last that was.
const flipWalTail = (t, node) => flip(t, node.files('log', '.log').at(-1), 0.998, 1);
// In the first block of each table: one of them holds what is in force.
const flipTables = (t, node) =>
  node
    .files('log', '.sst')
    .map(file => flip(t, file, 0, 0.05))
    .join(', ');
const damageRow = row => (t, node) => {
  node.damageRow(row);
  return `row ${row}`;
};

/** Restarted, a node with damage does not start (75), or starts and says that it is quarantined. */
async function startDamaged(t, node) {
  const started = await node.start().then(
    () => true,
    () => false,
  );
  if (started) return (await node.status()).barred ? 'quarantined' : 'serves';
  const end = await node.exited;
  t.expect(`damage ends the start with 75, not ${JSON.stringify(end)}`, end.code === EXIT_DAMAGED);
  return 'refused';
}

/** Whoever asks the quarantined replica is told so; it takes no part, and stays so. */
async function staysBarred(t, node) {
  const leader = await t.cluster.leader();
  const before = (await leader.status()).heardQuarantined;
  await eventually('the leader hears that it is quarantined', t.limit(3_000), async () => {
    return (await leader.status()).heardQuarantined > before;
  });
  const answer = await node.answer(`PUT barred ${t.number}`);
  t.expect(`a quarantined node answers NO_REPLICA, not ${answer}`, answer === 'NO_REPLICA');
  const status = await node.status();
  t.expect('a quarantined node has no replica', status.role === undefined);
  await node.kill();
  await node.start();
  t.expect('it is still quarantined after a restart', (await node.status()).barred);
}

/** A restart moves the log to tables; a new file goes on. */
async function moveToTables(t, node) {
  await node.kill('SIGTERM');
  await node.start();
  await eventually('it follows', t.limit(10_000), async () => (await node.status()).applied > 0);
  await t.load.flows(40);
}

/** `verdicts`: what a start may make of it [S 08/3.7]. */
async function damage(t, inflict, verdicts) {
  const [victim] = await t.cluster.followers();
  if (inflict === flipTables) await moveToTables(t, victim);
  t.mark();
  await victim.kill();
  const where = inflict(t, victim);
  const verdict = await startDamaged(t, victim);
  t.note(`${where}: ${verdict}`);
  t.expect(`${verdicts.join(' or ')}, not ${verdict}`, verdicts.includes(verdict));
  if (verdict === 'quarantined') await staysBarred(t, victim);
  if (verdict !== 'serves' || (await isCaught(t, victim))) await replace(t, victim);
}

/** A torn last record may be one that nobody counted on: then the node goes on. If somebody did,
 * the leader finds that it has less than it acknowledged (I-12). */
async function isCaught(t, victim) {
  const leader = await t.cluster.leader();
  return eventually('it goes on, or the leader finds it out', t.limit(10_000), async () => {
    const ahead = await leader.status();
    if (ahead.reports[PEER_LOST_DATA]) return 'caught';
    return (await victim.status()).applied + 5 >= ahead.commit ? 'goes on' : null;
  }).then(how => {
    t.note(how);
    return how === 'caught';
  });
}

const damages = {
  wal: [flipWal, ['refused', 'quarantined']],
  'wal-tail': [flipWalTail, ['refused', 'quarantined', 'serves']],
  sst: [flipTables, ['refused', 'quarantined']],
  'hard-state': [damageRow('hard-state'), ['quarantined']],
  checkpoint: [damageRow('page'), ['quarantined']],
  entry: [damageRow('entry'), ['quarantined']],
  tail: [damageRow('tail'), ['quarantined']],
  boundary: [damageRow('boundary'), ['quarantined']],
};
const NIGHTLY = ['entry', 'tail', 'boundary'];

/** The leader reads for a follower what its disk lost: it goes, and says why. */
async function rotWhileReading(t) {
  const leader = await t.cluster.leader();
  const [follower] = await t.cluster.followers();
  t.mark();
  await follower.kill();
  await t.load.flows(60); // More than the leader keeps in memory.
  await leader.admin('disk rot');
  await follower.start();
  const status = await eventually('the leader is quarantined', t.limit(10_000), async () => {
    const one = await leader.status();
    return one.role === 'stopped' ? one : null;
  });
  t.note(`stopped: ${status.stopped}`);
  t.expect('it read what was damaged', status.rotten > 0);
  const answer = await leader.answer(`PUT rotten ${t.number}`);
  t.expect(`it answers NO_REPLICA, not ${answer}`, answer === 'NO_REPLICA');
  await t.cluster.leader();
  await leader.kill();
  await leader.start();
  t.expect('the mark is on its disk', (await leader.status()).barred);
  await staysBarred(t, leader);
  await replace(t, leader);
}

const P11 = { row: 'P-11', repeat: 20, afterHeal: 2_000 };
const P12 = { row: 'P-12', repeat: 50, gap: { p99: 1_500 } };

export const diskFaults = [
  { ...P11, name: 'disk-full-leader', run: diskFullLeader, terms: 3 },
  { ...P11, name: 'disk-full-majority', run: diskFullMajority },
  { ...P12, name: 'stall-400ms', run: t => stall(t, 400), gap: { p99: 500 } },
  { ...P12, name: 'stall-1s', run: t => stall(t, 1_000) },
  { ...P12, name: 'stall-5s', run: t => stall(t, 5_000), isLong: true },
  { ...P12, name: 'stall-30s', run: t => stallForGood(t, 30_000), isLong: true },
  { ...P12, name: 'stall-for-ever', run: t => stallForGood(t, 3_600_000), isLong: true },
  { name: 'disk-fails', row: 'P-13', run: diskFails, repeat: 50, gap: { p99: 1_000 } },
  ...Object.entries(damages).map(([name, [inflict, verdicts]]) => ({
    name: `damaged-${name}`,
    row: 'P-14',
    run: t => damage(t, inflict, verdicts),
    repeat: 20,
    isLong: NIGHTLY.includes(name),
  })),
  { name: 'rot-while-reading', row: 'P-14', run: rotWhileReading, repeat: 20, gap: { p99: 2_000 } },
];
