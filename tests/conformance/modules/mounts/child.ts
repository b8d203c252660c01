import { schema, SenderError, t, table } from 'spacetimedb/server';

const childEvents = table(
  { public: true },
  { id: t.u64().primaryKey().autoInc(), value: t.string() },
);
const spacetimedb = schema({ childEvents });
export default spacetimedb;

export const childInsert = spacetimedb.reducer({ value: t.string() }, (ctx, { value }) => {
  if (value === 'refused') throw new SenderError('child refuses');
  ctx.db.childEvents.insert({ id: 0n, value });
});
