// A module that mounts another: dotted names, ids counted depth-first.
import { schema, table, t } from 'spacetimedb/server';
import * as sub from './sub';

const note = table({ name: 'note', public: true }, { id: t.u32().primaryKey(), text: t.string() });
const spacetimedb = schema({ note, sub });
export default spacetimedb;
export const addNote = spacetimedb.reducer({ id: t.u32() }, (ctx, { id }) => {
  ctx.db.note.insert({ id, text: 'root' });
});
