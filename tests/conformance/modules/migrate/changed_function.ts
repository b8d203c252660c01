// As first.ts, with another body and one more function.
import { schema, t, table } from 'spacetimedb/server';

const item = table({ public: true }, { id: t.u32().primaryKey(), name: t.string() });
const spacetimedb = schema({ item });
export default spacetimedb;

export const init = spacetimedb.init(() => {
  throw new Error('init never runs on an update');
});
export const add = spacetimedb.reducer({ id: t.u32(), name: t.string() }, (ctx, row) => {
  ctx.db.item.insert({ ...row, name: `second: ${row.name}` });
});
export const aDrop = spacetimedb.reducer({ id: t.u32() }, (ctx, { id }) => {
  ctx.db.item.id.delete(id);
});
