// Every type a column can have, so that the extremes of each can make the journey
// client -> reducer -> table -> client and be compared bit for bit.
import { schema, t, table } from 'spacetimedb/server';

const point = t.object('Point', { x: t.f32(), y: t.f64() });
const shape = t.enum('Shape', {
  nothing: t.unit(),
  circle: t.object('Circle', { centre: point, radius: t.f64() }),
  label: t.string(),
  points: t.array(point),
});
const colour = t.enum('Colour', ['red', 'green', 'blue']);

const scalarColumns = {
  u8: t.u8(),
  u16: t.u16(),
  u32: t.u32(),
  u64: t.u64(),
  u128: t.u128(),
  u256: t.u256(),
  i8: t.i8(),
  i16: t.i16(),
  i32: t.i32(),
  i64: t.i64(),
  i128: t.i128(),
  i256: t.i256(),
  f32: t.f32(),
  f64: t.f64(),
  yes: t.bool(),
  text: t.string(),
  bytes: t.byteArray(),
};
const specialColumns = {
  identity: t.identity(),
  connection: t.connectionId(),
  moment: t.timestamp(),
  duration: t.timeDuration(),
  schedule: t.scheduleAt(),
  uuid: t.uuid(),
};
const nestedColumns = {
  shape,
  colour,
  maybe: t.option(t.string()),
  outcome: t.result(t.u32(), t.string()),
  words: t.array(t.string()),
  matrix: t.array(t.array(t.i16())),
  shapes: t.array(shape),
  empty: t.unit(),
  object: t.object('Bag', { a: t.option(point), b: t.array(colour) }),
};

const scalar = table({ public: true }, { id: t.u32().primaryKey(), ...scalarColumns });
const special = table({ public: true }, { id: t.u32().primaryKey(), ...specialColumns });
const nested = table({ public: true }, { id: t.u32().primaryKey(), ...nestedColumns });

// One table per key type, to see each as primary key, in a unique index and in a range index.
const keyU8 = table({ public: true }, { k: t.u8().primaryKey(), n: t.u32() });
const keyI64 = table({ public: true }, { k: t.i64().primaryKey(), n: t.u32() });
const keyU128 = table({ public: true }, { k: t.u128().primaryKey(), n: t.u32() });
const keyI256 = table({ public: true }, { k: t.i256().primaryKey(), n: t.u32() });
const keyText = table({ public: true }, { k: t.string().primaryKey(), n: t.u32() });
const keyBool = table({ public: true }, { k: t.bool().primaryKey(), n: t.u32() });
const keyIdentity = table({ public: true }, { k: t.identity().primaryKey(), n: t.u32() });
const keyColour = table({ public: true }, { k: colour.primaryKey(), n: t.u32() });
const sequenceU8 = table({ public: true }, { k: t.u8().autoInc(), n: t.u32() });
const sequenceI16 = table({ public: true }, { k: t.i16().primaryKey().autoInc(), n: t.u32() });

const spacetimedb = schema({
  scalar,
  special,
  nested,
  keyU8,
  keyI64,
  keyU128,
  keyI256,
  keyText,
  keyBool,
  keyIdentity,
  keyColour,
  sequenceU8,
  sequenceI16,
});
export default spacetimedb;

export const addScalar = spacetimedb.reducer({ id: t.u32(), ...scalarColumns }, (ctx, row) => {
  ctx.db.scalar.insert(row);
});
export const addSpecial = spacetimedb.reducer({ id: t.u32(), ...specialColumns }, (ctx, row) => {
  ctx.db.special.insert(row);
});
export const addNested = spacetimedb.reducer({ id: t.u32(), ...nestedColumns }, (ctx, row) => {
  ctx.db.nested.insert({ ...row, maybe: row.maybe });
});

// Inserts, finds and updates by key: the row must be found by exactly the bytes it was given.
export const roundKeys = spacetimedb.reducer(
  {
    u8: t.u8(),
    i64: t.i64(),
    u128: t.u128(),
    i256: t.i256(),
    text: t.string(),
    yes: t.bool(),
    identity: t.identity(),
    colour,
    n: t.u32(),
  },
  (ctx, { u8, i64, u128, i256, text, yes, identity, colour, n }) => {
    ctx.db.keyU8.insert({ k: u8, n });
    ctx.db.keyI64.insert({ k: i64, n });
    ctx.db.keyU128.insert({ k: u128, n });
    ctx.db.keyI256.insert({ k: i256, n });
    ctx.db.keyText.insert({ k: text, n });
    ctx.db.keyBool.insert({ k: yes, n });
    ctx.db.keyIdentity.insert({ k: identity, n });
    ctx.db.keyColour.insert({ k: colour, n });
    ctx.db.keyU8.k.update({ k: u8, n: ctx.db.keyU8.k.find(u8)!.n + 1 });
    ctx.db.keyI64.k.update({ k: i64, n: ctx.db.keyI64.k.find(i64)!.n + 1 });
    ctx.db.keyU128.k.update({ k: u128, n: ctx.db.keyU128.k.find(u128)!.n + 1 });
    ctx.db.keyI256.k.update({ k: i256, n: ctx.db.keyI256.k.find(i256)!.n + 1 });
    ctx.db.keyText.k.update({ k: text, n: ctx.db.keyText.k.find(text)!.n + 1 });
    ctx.db.keyBool.k.update({ k: yes, n: ctx.db.keyBool.k.find(yes)!.n + 1 });
    ctx.db.keyIdentity.k.update({ k: identity, n: ctx.db.keyIdentity.k.find(identity)!.n + 1 });
    ctx.db.keyColour.k.update({ k: colour, n: ctx.db.keyColour.k.find(colour)!.n + 1 });
  },
);

export const dropKeys = spacetimedb.reducer({ text: t.string(), i64: t.i64() }, (ctx, args) => {
  if (!ctx.db.keyText.k.delete(args.text)) throw new Error('no such text');
  if (!ctx.db.keyI64.k.delete(args.i64)) throw new Error('no such i64');
});

export const fillSequences = spacetimedb.reducer({ count: t.u32() }, (ctx, { count }) => {
  for (let n = 0; n < count; n++) ctx.db.sequenceU8.insert({ k: 0, n });
  for (let n = 0; n < count; n++) ctx.db.sequenceI16.insert({ k: 0, n });
});
