import { schema, SenderError, t, table } from 'spacetimedb/server';

const item = table({ public: true }, { id: t.u32().primaryKey(), name: t.string() });
const spacetimedb = schema({ item });
export default spacetimedb;

export const init = spacetimedb.init(ctx => {
  ctx.db.item.insert({ id: 1, name: 'never seen' });
  throw new SenderError('init refuses');
});
