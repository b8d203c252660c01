// As first.ts, with another type for a column: no plan exists for it.
import { schema, t, table } from 'spacetimedb/server';

const item = table({ public: true }, { id: t.u32().primaryKey(), name: t.u64() });
const spacetimedb = schema({ item });
export default spacetimedb;

export const add = spacetimedb.reducer({ id: t.u32(), name: t.u64() }, (ctx, row) => {
  ctx.db.item.insert(row);
});
