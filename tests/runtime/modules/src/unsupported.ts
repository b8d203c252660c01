// A module that declares what this version does not run.
import { schema, table, t } from 'spacetimedb/server';

const note = table(
  { name: 'note', public: true },
  { id: t.u64().primaryKey().autoInc(), owner: t.identity().index('btree'), text: t.string() }
);
const spacetimedb = schema({ note });
export default spacetimedb;

export const myNotes = spacetimedb.view(
  { name: 'my_notes', public: true },
  t.array(note.rowType),
  ctx => [...ctx.db.note.owner.filter(ctx.sender)]
);
export const addBoth = spacetimedb.procedure(
  { a: t.u32(), b: t.u32() },
  t.u32(),
  (_ctx, { a, b }) => a + b
);
