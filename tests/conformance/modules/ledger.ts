// The module of the durability rounds. Nothing here is unique but the ids, so that a call that ran
// twice or by halves shows: each call writes an entry, a tally and a transfer in one transaction.
import { schema, t, table } from 'spacetimedb/server';

const entry = table(
  {
    public: true,
    indexes: [{ accessor: 'byClient', algorithm: 'btree', columns: ['client'] }],
  },
  { id: t.u64().primaryKey().autoInc(), client: t.u32(), number: t.u32(), padding: t.string() },
);
const tally = table({ public: true }, { client: t.u32().primaryKey(), count: t.u32() });
const account = table({ public: true }, { id: t.u32().primaryKey(), balance: t.i64() });

const spacetimedb = schema({ entry, tally, account });
export default spacetimedb;

const ACCOUNTS = 64;

export const init = spacetimedb.init(ctx => {
  for (let id = 0; id < ACCOUNTS; id++) ctx.db.account.insert({ id, balance: 1000n });
});

export const write = spacetimedb.reducer(
  { client: t.u32(), number: t.u32(), padding: t.string() },
  (ctx, { client, number, padding }) => {
    ctx.db.entry.insert({ id: 0n, client, number, padding });
    const known = ctx.db.tally.client.find(client);
    if (known) ctx.db.tally.client.update({ client, count: known.count + 1 });
    else ctx.db.tally.insert({ client, count: 1 });
    const from = ctx.db.account.id.find((client * 31 + number) % ACCOUNTS)!;
    const to = ctx.db.account.id.find((client * 17 + number * 3 + 1) % ACCOUNTS)!;
    if (from.id === to.id) return;
    ctx.db.account.id.update({ ...from, balance: from.balance - 7n });
    ctx.db.account.id.update({ ...to, balance: to.balance + 7n });
  },
);
