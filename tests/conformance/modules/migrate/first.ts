// The module a migration starts from.
import { schema, t, table } from 'spacetimedb/server';

const item = table({ public: true }, { id: t.u32().primaryKey(), name: t.string() });
const spacetimedb = schema({ item });
export default spacetimedb;

export const init = spacetimedb.init(ctx => {
  ctx.db.item.insert({ id: 0, name: 'from init' });
});
export const add = spacetimedb.reducer({ id: t.u32(), name: t.string() }, (ctx, row) => {
  ctx.db.item.insert({ ...row, name: `first: ${row.name}` });
});
