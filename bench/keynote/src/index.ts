// The keynote benchmark: accounts and transfers between them. Written only from the public
// TypeScript documentation, so that it runs on any server of this protocol.
import { schema, SenderError, t, table } from 'spacetimedb/server';

const accounts = table(
  { name: 'accounts', public: true },
  {
    id: t.u32().primaryKey().index('hash'),
    balance: t.i64(),
  }
);

const spacetimedb = schema({ accounts });
export default spacetimedb;

// Accounts 0 to n - 1, each with the same balance.
export const seed = spacetimedb.reducer({ n: t.u32(), initial: t.i64() }, (ctx, { n, initial }) => {
  for (let id = 0; id < n; id++) ctx.db.accounts.insert({ id, balance: initial });
});

export const transfer = spacetimedb.reducer(
  { from: t.u32(), to: t.u32(), amount: t.i64() },
  (ctx, { from, to, amount }) => {
    if (from === to) throw new SenderError('an account cannot pay itself');
    const byId = ctx.db.accounts.id;
    const payer = byId.find(from);
    if (payer === null) throw new SenderError('no such payer');
    const payee = byId.find(to);
    if (payee === null) throw new SenderError('no such payee');
    if (payer.balance < amount) throw new SenderError('insufficient funds');
    byId.update({ id: from, balance: payer.balance - amount });
    byId.update({ id: to, balance: payee.balance + amount });
  }
);
