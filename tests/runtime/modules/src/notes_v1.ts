// A small module on npm spacetimedb 1.x (ABI 1).
import { schema, table, t, SenderError } from 'spacetimedb/server';

const spacetimedb = schema(
  table(
    { name: 'note', public: true },
    { id: t.u64().primaryKey().autoInc(), owner: t.identity().index('btree'), text: t.string() }
  ),
  table({ name: 'account', public: true }, { id: t.u32().primaryKey(), balance: t.i64() }),
  table({ name: 'big' }, { id: t.u32().primaryKey(), data: t.array(t.u8()) })
);

spacetimedb.init(ctx => {
  ctx.db.note.insert({ id: 0n, owner: ctx.sender, text: 'init' });
});
spacetimedb.reducer('add_note', { text: t.string() }, (ctx, { text }) => {
  if (text === '') throw new SenderError('empty text');
  // 1.6 wraps the row in a result, later versions return it.
  const inserted: any = ctx.db.note.insert({ id: 0n, owner: ctx.sender, text });
  console.log(`note ${(inserted.val ?? inserted).id}`);
});
spacetimedb.reducer('drop_notes', {}, ctx => {
  for (const row of ctx.db.note.owner.filter(ctx.sender)) ctx.db.note.delete(row);
});
spacetimedb.reducer('move', { from: t.u32(), amount: t.i64() }, (ctx, { from, amount }) => {
  const row = ctx.db.account.id.find(from);
  if (row) ctx.db.account.id.update({ ...row, balance: row.balance + amount });
  else ctx.db.account.insert({ id: from, balance: amount });
});
spacetimedb.reducer('big_rows', { size: t.u32() }, (ctx, { size }) => {
  ctx.db.big.insert({ id: size, data: new Array(size).fill(7) });
  let total = 0;
  for (const row of ctx.db.big.iter()) total += row.data.length;
  console.log(`big ${total}`);
});
spacetimedb.reducer('clash', {}, ctx => {
  ctx.db.account.insert({ id: 1, balance: 1n });
  ctx.db.account.insert({ id: 1, balance: 2n });
});
spacetimedb.reducer('crash', {}, () => {
  throw new TypeError('boom');
});
