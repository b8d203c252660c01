// For the test of stack traces through lowering and source map: the throw is on line 9.
import { schema, t, table } from 'spacetimedb/server';

const note = table({ name: 'note' }, { id: t.u32() });
const spacetimedb = schema({ note });
export default spacetimedb;

function fail(depth: number): never {
  throw new Error(`at the bottom of ${depth}`);
}
export const trace = spacetimedb.reducer(ctx => {
  for (const _row of ctx.db.note.iter()) break;
  fail(3);
});
