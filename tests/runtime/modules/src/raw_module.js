// The frame of the tests' modules on the bare ABI: enough of a definition builder to declare tables
// and reducers in a few words. The test puts its own statements in the middle.
import * as sys20 from 'spacetime:sys@2.0';
import { datastore_clear } from 'spacetime:sys@2.1';
const sys = { ...sys20, datastore_clear };

const u8 = n => [n & 255];
const u16 = n => [n & 255, (n >> 8) & 255];
const u32 = n => [n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >>> 24) & 255];
const i128 = n => [...u32(n), ...new Array(12).fill(n < 0 ? 255 : 0)];
const str = s => { const b = new TextEncoder().encode(s); return [...u32(b.length), ...b]; };
const list = items => [...u32(items.length), ...items.flat()];
const some = bytes => [0, ...bytes];
const none = [1];
const product = fields => [2, ...list(fields.map(([name, ty]) => [...some(str(name)), ...ty]))];
const type = {
  ref: index => [0, ...u32(index)],
  u8: [7], u32: [11], u64: [13], i64: [12], string: [4], bytes: [3, 7],
  identity: product([['__identity__', [17]]]),
  scheduleAt: [1, ...list([
    [...some(str('Interval')), ...product([['__time_duration_micros__', [12]]])],
    [...some(str('Time')), ...product([['__timestamp_micros_since_unix_epoch__', [12]]])],
  ])],
};
const tables = [];
const reducers = [];
const schedules = [];
const lifecycles = [];
// options: primaryKey, indexes [[kind 0 btree | 1 hash | 2 direct, columns]], unique [columns],
// sequences [column], schedule [atColumn, reducer].
function table(name, columns, options = {}) {
  tables.push({ name, columns, options });
  if (options.schedule) schedules.push([name, ...options.schedule]);
}
function reducer(name, run, params = []) { reducers.push({ name, run, params }); }
function lifecycle(kind, name, run) {
  lifecycles.push([kind, name]);
  reducer(name, run);
}
const section = (tag, items) => [tag, ...list(items)];
function definition() {
  const indexName = (t, columns) =>
    `${t.name}_${columns.map(c => t.columns[c][0]).join('_')}_idx`;
  const tableBytes = (t, i) => [
    ...str(t.name), ...u32(i),
    ...list(t.options.primaryKey === undefined ? [] : [u16(t.options.primaryKey)]),
    ...list((t.options.indexes ?? []).map(([kind, columns]) => [
      ...some(str(indexName(t, columns))), ...some(str(indexName(t, columns))), kind,
      ...(kind === 2 ? u16(columns[0]) : list(columns.map(u16)))])),
    ...list((t.options.unique ?? []).map(columns => [...none, 0, ...list(columns.map(u16))])),
    ...list((t.options.sequences ?? []).map(
      column => [...none, ...u16(column), ...none, ...none, ...none, ...i128(1)])),
    1, 0, ...u32(0), 0,
  ];
  return Uint8Array.from([2, ...list([
    section(0, tables.map(t => product(t.columns))),
    section(1, tables.map((t, i) => [...list([]), ...str(`Row${i}`), ...u32(i), 1])),
    section(2, tables.map(tableBytes)),
    section(3, reducers.map(r => [
      ...str(r.name), ...product(r.params).slice(1), 1, 2, ...u32(0), 4])),
    section(6, schedules.map(([name, column, fn]) => [
      ...none, ...str(name), ...u16(column), ...str(fn)])),
    section(7, lifecycles.map(([kind, name]) => [kind, ...str(name)])),
  ])]);
}
class UserError extends Error {}
class HostError extends Error {}
const notDefined = () => { throw new RangeError('not defined'); };
const hooks = {
  __describe_module__: definition,
  __get_error_constructor__: code => class extends HostError {
    constructor(message) { super(message); this.code = code; }
  },
  __sender_error_class__: UserError,
  __call_reducer__(id, sender, connection, timestamp, args) {
    return reducers[id].run({ sender, connection, timestamp, args });
  },
  __call_view__: notDefined, __call_view_anon__: notDefined, __call_procedure__: notDefined,
};
const log = text => sys.console_log(2, String(text));
// Encodes one row: [type name, value] pairs into a fresh buffer.
function row(...parts) {
  const bytes = Uint8Array.from(parts.flatMap(([kind, value]) => {
    if (kind === 'string') return str(value);
    if (kind === 'u8') return u8(value);
    if (kind === 'u32') return u32(value);
    if (kind === 'bytes') return list(value.map(u8));
    return [...new Uint8Array(BigInt64Array.of(BigInt(value)).buffer)];  // u64, i64
  }));
  return [bytes.buffer, bytes.length];
}
// The name and code of what the call throws, or 'no error'.
function thrown(call) {
  try { call(); } catch (error) {
    if (error instanceof HostError) return `${error.code}: ${error.message}`;
    if (error instanceof Error) return `${error.name}: ${error.message}`;
    return JSON.stringify(error);
  }
  return 'no error';
}
/* BODY */
export default { [sys.moduleHooks]() { return hooks; } };
