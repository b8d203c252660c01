import { ScheduleAt, schema, t, table } from 'spacetimedb/server';
import * as child from './child';

const parentEvents = table(
  { public: true },
  { id: t.u64().primaryKey().autoInc(), value: t.string() },
);
const FruitBasket = table({ public: true }, { basketId: t.u32().primaryKey(), fruit: t.string() });
const tick = table(
  { public: true, scheduled: (): any => onTick },
  { id: t.u64().primaryKey().autoInc(), at: t.scheduleAt() },
);
const spacetimedb = schema({ parentEvents, FruitBasket, tick, child });
export default spacetimedb;

export const parentCallsChild = spacetimedb.reducer({ value: t.string() }, (ctx, { value }) => {
  ctx.db.parentEvents.insert({ id: 0n, value });
  child.childInsert(ctx.as.child, { value });
});
export const addFruit = spacetimedb.reducer(
  { basketId: t.u32(), fruit: t.string() },
  (ctx, row) => {
    ctx.db.FruitBasket.insert(row);
  },
);
export const arm = spacetimedb.reducer(ctx => {
  ctx.db.tick.insert({ id: 0n, at: ScheduleAt.time(ctx.timestamp.microsSinceUnixEpoch) });
});
export const onTick = spacetimedb.reducer({ row: tick.rowType }, (ctx, { row }) => {
  ctx.db.parentEvents.insert({ id: 0n, value: `tick ${row.id}` });
});
