// A module in the style of the 1.x bindings, bundled with 1.6 and with 1.12. Updates go to a table
// without a sequence: the library of 1.6 reads a generated value back even where none was made.
import { schema, SenderError, t, table } from 'spacetimedb/server';

const note = table(
  { name: 'note', public: true },
  { id: t.u64().primaryKey().autoInc(), owner: t.identity(), text: t.string() },
);
const label = table(
  { name: 'label', public: true },
  { id: t.u32().primaryKey(), text: t.string() },
);
const spacetimedb = schema(note, label);

spacetimedb.init('init', (ctx: any) => {
  ctx.db.note.insert({ id: 0n, owner: ctx.sender, text: 'init' });
  ctx.db.label.insert({ id: 1, text: 'init' });
});
spacetimedb.reducer('add_note', { text: t.string() }, (ctx: any, { text }: any) => {
  if (text === '') throw new SenderError('empty text');
  ctx.db.note.insert({ id: 0n, owner: ctx.sender, text });
});
spacetimedb.reducer('set_label', { id: t.u32(), text: t.string() }, (ctx: any, args: any) => {
  const old = ctx.db.label.id.find(args.id);
  if (!old) throw new SenderError('no such label');
  ctx.db.label.id.update({ ...old, text: args.text });
});
