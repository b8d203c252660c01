// As first.ts, with one more table.
import { schema, t, table } from 'spacetimedb/server';

const item = table({ public: true }, { id: t.u32().primaryKey(), name: t.string() });
const extra = table(
  { public: true },
  { id: t.u64().primaryKey().autoInc(), item: t.u32().index('btree'), note: t.string() },
);
const spacetimedb = schema({ item, extra });
export default spacetimedb;

export const add = spacetimedb.reducer({ id: t.u32(), name: t.string() }, (ctx, row) => {
  ctx.db.item.insert({ ...row, name: `third: ${row.name}` });
});
export const annotate = spacetimedb.reducer({ item: t.u32(), note: t.string() }, (ctx, row) => {
  ctx.db.extra.insert({ id: 0n, ...row });
});
