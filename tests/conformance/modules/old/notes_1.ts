// A module in the style of the 1.x bindings, bundled with 1.6 and with 1.12.
import { schema, SenderError, t, table } from 'spacetimedb/server';

const note = table(
  { name: 'note', public: true },
  { id: t.u64().primaryKey().autoInc(), owner: t.identity(), text: t.string() },
);
const spacetimedb = schema(note);

spacetimedb.init('init', (ctx: any) => {
  ctx.db.note.insert({ id: 0n, owner: ctx.sender, text: 'init' });
});
spacetimedb.reducer('add_note', { text: t.string() }, (ctx: any, { text }: any) => {
  if (text === '') throw new SenderError('empty text');
  ctx.db.note.insert({ id: 0n, owner: ctx.sender, text });
});
spacetimedb.reducer('rename_note', { id: t.u64(), text: t.string() }, (ctx: any, args: any) => {
  const old = ctx.db.note.id.find(args.id);
  if (!old) throw new SenderError('no such note');
  ctx.db.note.id.update({ ...old, text: args.text });
});
