// What a run found, per fault: as lines, as JSON and as a table.
import { distribution } from './check.mjs';

// The chapter's times without an acknowledged write are for machines of their own; here three
// nodes, their clients and the faults share two cores.
export const GAP_MARGIN = 2;

/** The problems that show over all rounds of a fault only. */
export function gapProblems(fault, gaps, { strict, patience }) {
  if (!gaps || !fault.gap) return [];
  const margin = strict ? 1 : (fault.margin ?? GAP_MARGIN);
  return Object.entries(fault.gap)
    .map(([share, ms]) => ({ share, most: ms * margin * patience }))
    .filter(({ share, most }) => gaps[share] > most)
    .map(({ share, most }) => `the gap is ${gaps[share]} ms at ${share}, not at most ${most}`);
}

export function summary(fault, rounds) {
  const results = rounds.map(round => round.result).filter(Boolean);
  const of = name => results.map(one => one[name]).filter(value => value !== undefined);
  const total = name => of(name).reduce((sum, one) => sum + one, 0);
  const average = name => (results.length ? Math.round(total(name) / results.length) : 0);
  return {
    fault: fault.name,
    row: fault.row,
    rounds: rounds.length,
    failed: rounds.filter(round => round.problems.length).length,
    seconds: Math.round(rounds.reduce((sum, round) => sum + round.seconds, 0)),
    gap: distribution(of('gap')),
    afterHeal: distribution(of('afterHeal')),
    recovered: distribution(of('recovered')),
    terms: distribution(of('terms')),
    perSecond: { before: average('before'), during: average('during'), after: average('after') },
    snapshots: total('snapshots'),
    acknowledged: total('acknowledged'),
    lost: total('lost'),
    duplicated: total('duplicated'),
    revived: total('revived'),
    stale: total('stale'),
    unknown: total('unknown'),
    notes: rounds.flatMap(round => round.notes),
  };
}

const times = all => (all ? `${all.p50}/${all.p99}/${all.max}` : '-');

export function lineOf(line) {
  const healed = line.afterHeal ? `, after healing ${times(line.afterHeal)} ms` : '';
  const { before, during, after } = line.perSecond;
  return (
    `${line.row} ${line.fault}: ${line.rounds - line.failed} of ${line.rounds} ok, ` +
    `gap p50/p99/max ${times(line.gap)} ms${healed}, terms max ${line.terms?.max ?? '-'}, ` +
    `${before}/${during}/${after} a second, ${line.snapshots} snapshots, ` +
    `${line.acknowledged} acknowledged, lost ${line.lost}, doubled ${line.duplicated}, ` +
    `revived ${line.revived}, stale ${line.stale}, unknown ${line.unknown}, ${line.seconds} s`
  );
}

const COLUMNS = [
  ['Row', line => line.row],
  ['Fault', line => line.fault],
  ['Rounds', line => line.rounds],
  ['Failed', line => line.failed],
  ['Gap p50/p99/max, ms', line => times(line.gap)],
  ['First write after healing, ms', line => times(line.afterHeal)],
  ['All follow after healing, ms', line => times(line.recovered)],
  ['Terms, max', line => line.terms?.max ?? '-'],
  ['Writes a second before/during/after', line => Object.values(line.perSecond).join('/')],
  ['Snapshots', line => line.snapshots],
  ['Acknowledged', line => line.acknowledged],
  ['Lost', line => line.lost],
  ['Doubled', line => line.duplicated],
  ['Revived', line => line.revived],
  ['Stale', line => line.stale],
  ['Unknown', line => line.unknown],
  ['Seconds', line => line.seconds],
];

export function markdown(lines, seed) {
  const row = cells => `| ${cells.join(' | ')} |`;
  return [
    `# Faults of processes, seed ${seed}`,
    '',
    row(COLUMNS.map(([title]) => title)),
    row(COLUMNS.map(() => '---')),
    ...lines.map(line => row(COLUMNS.map(([, value]) => value(line)))),
    '',
  ].join('\n');
}
