// A connect hook that refuses while its gate is shut, and a disconnect hook that fails on demand.
import { schema, SenderError, t, table } from 'spacetimedb/server';

const gate = table(
  { public: true },
  { id: t.u32().primaryKey(), open: t.bool(), spoilt: t.bool() },
);
const left = table({ public: true }, { id: t.u64().primaryKey().autoInc(), who: t.identity() });
const spacetimedb = schema({ gate, left });
export default spacetimedb;

export const init = spacetimedb.init(ctx => {
  ctx.db.gate.insert({ id: 0, open: true, spoilt: false });
});
export const onConnect = spacetimedb.clientConnected(ctx => {
  if (!ctx.db.gate.id.find(0)!.open) throw new SenderError('the gate is shut');
});
export const onDisconnect = spacetimedb.clientDisconnected(ctx => {
  ctx.db.left.insert({ id: 0n, who: ctx.sender });
  if (ctx.db.gate.id.find(0)!.spoilt) throw new Error('spoilt');
});
export const setGate = spacetimedb.reducer(
  { open: t.bool(), spoilt: t.bool() },
  (ctx, { open, spoilt }) => {
    ctx.db.gate.id.update({ id: 0, open, spoilt });
  },
);
