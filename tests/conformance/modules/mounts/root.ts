// A module that mounts another, which mounts a third: dotted tables and reducers.
import { schema, t, table } from 'spacetimedb/server';
import * as nested from './nested';

const rootEvents = table(
  { public: true },
  { id: t.u64().primaryKey().autoInc(), value: t.string() },
);
const spacetimedb = schema({ rootEvents, nested });
export default spacetimedb;

export const rootInsert = spacetimedb.reducer({ value: t.string() }, (ctx, { value }) => {
  ctx.db.rootEvents.insert({ id: 0n, value });
});
export const rootCallsAll = spacetimedb.reducer({ value: t.string() }, (ctx, { value }) => {
  ctx.db.rootEvents.insert({ id: 0n, value });
  nested.parentCallsChild(ctx.as.nested, { value });
});
