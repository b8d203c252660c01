import { schema, t, table } from 'spacetimedb/server';

const item = table({ public: true }, { id: t.u32().primaryKey(), name: t.string() });
const spacetimedb = schema({ item });
export default spacetimedb;

export const addBoth = spacetimedb.procedure(
  { a: t.u32(), b: t.u32() },
  t.u32(),
  (_ctx, { a, b }) => a + b,
);
