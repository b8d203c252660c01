// Holds a history to the final lists: nothing acknowledged is lost or doubled, nothing that surely
// failed took effect, and there is one order of all operations that fits what everybody saw.
//
// A list only grows, so each operation has its place: a write its position, a read the length it
// saw. The history is linearizable if the places fit the clock: whatever ended before an operation
// began stands before it.

/** As kv_state.cc: FNV-1a over the ids, each followed by a space. */
function prefixHashes(ids) {
  let hash = 2166136261;
  const hashes = [hash];
  for (const id of ids) {
    for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 16777619) >>> 0;
    hash = Math.imul(hash ^ 32, 16777619) >>> 0;
    hashes.push(hash);
  }
  return hashes;
}

class KeyCheck {
  constructor(key, ids) {
    Object.assign(this, { key, ids, hashes: prefixHashes(ids), problems: [] });
    Object.assign(this, { lost: 0, duplicated: 0, revived: 0, unknown: 0, stale: 0 });
    this.places = new Map();
    ids.forEach((id, index) => {
      if (this.places.has(id)) {
        this.duplicated++;
        this.#problem(`${id} stands there twice`);
      }
      this.places.set(id, index + 1);
    });
  }

  #problem(text) {
    if (this.problems.length < 10) this.problems.push(`${this.key}: ${text}`);
  }

  #seen(op) {
    if (op.length <= this.ids.length && this.hashes[op.length] === op.hash) return;
    this.stale++;
    this.#problem(`${op.kind} saw ${op.length} ids with hash ${op.hash}, which never was a state`);
  }

  /** Where the operation stands in the order of all; null: nowhere. */
  #place(op) {
    const at = this.places.get(op.id);
    if (op.outcome === 'unknown') {
      if (op.kind !== 'get') this.unknown++;
      return op.kind === 'get' || at === undefined ? null : at;
    }
    if (op.outcome === 'failed' || op.outcome === 'no') {
      if (op.kind !== 'get' && at !== undefined) {
        this.revived++;
        this.#problem(`${op.id} was answered ${op.outcome} and stands at ${at}`);
      }
      if (op.outcome === 'failed') return null;
      this.#seen(op);
      if (op.length === op.expected) this.#problem(`${op.id}: refused though as expected`);
      return op.length;
    }
    if (op.kind === 'get') {
      this.#seen(op);
      return op.length;
    }
    if (at === undefined) {
      this.lost++;
      this.#problem(`${op.id} was acknowledged at ${op.length} and is lost`);
      return null;
    }
    if (at !== op.length || this.hashes[at] !== op.hash) {
      this.#problem(`${op.id} was acknowledged at ${op.length} and stands at ${at}`);
    }
    if (op.kind === 'cas' && op.expected !== at - 1) {
      this.#problem(`${op.id} expected ${op.expected} ids and stands at ${at}`);
    }
    return at;
  }

  check(history) {
    const all = history.map(op => ({ op, place: this.#place(op) }));
    const placed = all.filter(one => one.place !== null);
    const ends = placed.filter(one => one.op.done < Infinity).sort((a, b) => a.op.done - b.op.done);
    placed.sort((a, b) => a.op.asked - b.op.asked);
    let next = 0;
    let floor = 0;
    for (const { op, place } of placed) {
      while (next < ends.length && ends[next].op.done < op.asked) {
        floor = Math.max(floor, ends[next++].place);
      }
      const isWrite = op.kind !== 'get' && op.outcome !== 'no';
      if (isWrite ? place > floor : place >= floor) continue;
      this.stale++;
      this.#problem(`${op.kind} ${op.id ?? ''} stands at ${place}, but ${floor} was seen before`);
    }
    const asked = new Set(history.map(op => op.id));
    const foreign = this.ids.filter(id => !asked.has(id));
    if (foreign.length) this.#problem(`ids that nobody wrote: ${foreign.slice(0, 3)}`);
    return this;
  }
}

/** `lists`: for each key the final ids. */
export function checkHistory(history, lists) {
  const byKey = new Map([...lists.keys()].map(key => [key, []]));
  for (const op of history) byKey.get(op.key).push(op);
  const sum = { lost: 0, duplicated: 0, revived: 0, unknown: 0, stale: 0 };
  const problems = [];
  for (const [key, ops] of byKey) {
    const checked = new KeyCheck(key, lists.get(key)).check(ops);
    for (const name of Object.keys(sum)) sum[name] += checked[name];
    problems.push(...checked.problems);
  }
  return { sum: { operations: history.length, ...sum }, problems };
}

/** p50, p99, max of numbers. */
export function distribution(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = share => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { p50: Math.round(at(0.5)), p99: Math.round(at(0.99)), max: Math.round(sorted.at(-1)) };
}

/** The checker itself: histories that are right, and one that is wrong for each thing it finds. */
export function selfCheck() {
  const ids = ['a', 'b', 'c'];
  const hashes = prefixHashes(ids);
  const op = (kind, id, length, asked, done, more = {}) => {
    const hash = hashes[length];
    return { kind, key: 'k', id, length, hash, asked, done, outcome: 'ok', ...more };
  };
  const good = [
    op('put', 'a', 1, 0, 1),
    op('put', 'b', 2, 2, 3),
    op('get', undefined, 2, 4, 5),
    op('cas', 'c', 3, 4, 6, { expected: 2 }),
    op('put', 'x', 0, 4, 6, { outcome: 'failed' }),
    op('put', 'y', 0, 4, Infinity, { outcome: 'unknown' }),
  ];
  const lost = op('put', 'd', 3, 7, 8);
  const histories = [
    { name: 'nothing', history: good, list: ids },
    { name: 'lost', history: [...good, lost], list: ids },
    { name: 'duplicated', history: good, list: [...ids, 'a'] },
    { name: 'revived', history: [...good, { ...good[4], id: 'c' }], list: ids },
    { name: 'stale', history: [...good, op('get', undefined, 1, 7, 8)], list: ids },
    { name: 'stale', history: [...good, op('get', undefined, 3, 7, 8, { hash: 1 })], list: ids },
    { name: 'stale', history: [op('get', undefined, 3, -2, -1), ...good], list: ids },
  ];
  return histories.flatMap(({ name, history, list }) => {
    const { sum, problems } = checkHistory(history, new Map([['k', list]]));
    const found = ['lost', 'duplicated', 'revived', 'stale'].filter(one => sum[one] > 0);
    const isRight = name === 'nothing' ? problems.length === 0 : found.includes(name);
    return isRight ? [] : [`the checker found ${found} instead of ${name}: ${problems}`];
  });
}
