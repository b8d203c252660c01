import { schema, table, t } from 'spacetimedb/server';

const item = table({ name: 'item', public: true }, { id: t.u32().primaryKey(), text: t.string() });
const spacetimedb = schema({ item });
export default spacetimedb;
export const addItem = spacetimedb.reducer({ id: t.u32() }, (ctx, { id }) => {
  ctx.db.item.insert({ id, text: 'sub' });
});
