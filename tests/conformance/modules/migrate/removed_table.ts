// As first.ts without its table, which holds rows.
import { schema, t, table } from 'spacetimedb/server';

const other = table({ public: true }, { id: t.u32().primaryKey() });
const spacetimedb = schema({ other });
export default spacetimedb;

export const add = spacetimedb.reducer({ id: t.u32() }, (ctx, row) => {
  ctx.db.other.insert(row);
});
