// The module most tests use: two tables with keys, an event table, a private table, lifecycle hooks
// that leave traces, and reducers that fail in each way a reducer can fail.
import { schema, SenderError, t, table } from 'spacetimedb/server';

const user = table(
  { public: true },
  { identity: t.identity().primaryKey(), name: t.string().unique(), online: t.bool() },
);
const message = table(
  {
    public: true,
    indexes: [{ accessor: 'byRoom', algorithm: 'btree', columns: ['room', 'id'] }],
  },
  { id: t.u64().primaryKey().autoInc(), sender: t.identity(), room: t.u32(), text: t.string() },
);
const counter = table({ public: true }, { id: t.u32().primaryKey(), value: t.u64() });
const blob = table({ public: true }, { id: t.u32().primaryKey(), data: t.byteArray() });
const ping = table({ public: true, event: true }, { text: t.string() });
const visit = table(
  {},
  {
    id: t.u64().primaryKey().autoInc(),
    who: t.identity(),
    connection: t.string(),
    what: t.string(),
  },
);
const caseTest = table({ public: true }, { rowId: t.u32().primaryKey(), someValue: t.string() });

const spacetimedb = schema({ user, message, counter, blob, ping, visit, caseTest });
export default spacetimedb;

export const init = spacetimedb.init(ctx => {
  ctx.db.counter.insert({ id: 0, value: 0n });
  ctx.db.visit.insert({ id: 0n, who: ctx.sender, connection: '', what: 'init' });
});

export const onConnect = spacetimedb.clientConnected(ctx => {
  const connection = ctx.connectionId?.toHexString() ?? '';
  ctx.db.visit.insert({ id: 0n, who: ctx.sender, connection, what: 'connect' });
  const known = ctx.db.user.identity.find(ctx.sender);
  if (known) ctx.db.user.identity.update({ ...known, online: true });
});

export const onDisconnect = spacetimedb.clientDisconnected(ctx => {
  const connection = ctx.connectionId?.toHexString() ?? '';
  ctx.db.visit.insert({ id: 0n, who: ctx.sender, connection, what: 'disconnect' });
  const known = ctx.db.user.identity.find(ctx.sender);
  if (known) ctx.db.user.identity.update({ ...known, online: false });
});

export const setName = spacetimedb.reducer({ name: t.string() }, (ctx, { name }) => {
  if (name === '') throw new SenderError('name must not be empty');
  const known = ctx.db.user.identity.find(ctx.sender);
  if (known) ctx.db.user.identity.update({ ...known, name });
  else ctx.db.user.insert({ identity: ctx.sender, name, online: true });
});

export const say = spacetimedb.reducer(
  { room: t.u32(), text: t.string() },
  (ctx, { room, text }) => {
    ctx.db.message.insert({ id: 0n, sender: ctx.sender, room, text });
  },
);

export const sayMany = spacetimedb.reducer(
  { room: t.u32(), text: t.string(), count: t.u32() },
  (ctx, { room, text, count }) => {
    for (let i = 0; i < count; i++) {
      ctx.db.message.insert({ id: 0n, sender: ctx.sender, room, text: `${text} ${i}` });
    }
  },
);

export const edit = spacetimedb.reducer({ id: t.u64(), text: t.string() }, (ctx, { id, text }) => {
  const old = ctx.db.message.id.find(id);
  if (!old) throw new SenderError(`no message ${id}`);
  ctx.db.message.id.update({ ...old, text });
});

export const unsay = spacetimedb.reducer({ id: t.u64() }, (ctx, { id }) => {
  if (!ctx.db.message.id.delete(id)) throw new SenderError(`no message ${id}`);
});

export const clearRoom = spacetimedb.reducer({ room: t.u32() }, (ctx, { room }) => {
  ctx.db.message.byRoom.delete(room);
});

export const setCounter = spacetimedb.reducer({ id: t.u32(), value: t.u64() }, (ctx, row) => {
  if (ctx.db.counter.id.find(row.id)) ctx.db.counter.id.update(row);
  else ctx.db.counter.insert(row);
});

// Refuses every call but the next one in order, so that a burst proves its own order.
export const step = spacetimedb.reducer({ value: t.u64() }, (ctx, { value }) => {
  const row = ctx.db.counter.id.find(0)!;
  if (row.value + 1n !== value) throw new SenderError(`expected ${row.value + 1n}, got ${value}`);
  ctx.db.counter.id.update({ id: 0, value });
});

export const putBlob = spacetimedb.reducer({ id: t.u32(), data: t.byteArray() }, (ctx, row) => {
  if (ctx.db.blob.id.find(row.id)) ctx.db.blob.id.update(row);
  else ctx.db.blob.insert(row);
});

export const fillBlobs = spacetimedb.reducer(
  { first: t.u32(), count: t.u32(), size: t.u32(), fill: t.u8() },
  (ctx, { first, count, size, fill }) => {
    for (let id = first; id < first + count; id++) {
      const row = { id, data: new Uint8Array(size).fill(fill) };
      if (ctx.db.blob.id.find(id)) ctx.db.blob.id.update(row);
      else ctx.db.blob.insert(row);
    }
  },
);

export const sendPing = spacetimedb.reducer({ text: t.string() }, (ctx, { text }) => {
  ctx.db.ping.insert({ text });
});

export const setCase = spacetimedb.reducer(
  { rowId: t.u32(), someValue: t.string() },
  (ctx, row) => {
    ctx.db.caseTest.insert(row);
  },
);

export const failBySender = spacetimedb.reducer({ text: t.string() }, (ctx, { text }) => {
  ctx.db.counter.insert({ id: 999, value: 1n });
  throw new SenderError(text);
});

export const failByPanic = spacetimedb.reducer({ text: t.string() }, (ctx, { text }) => {
  ctx.db.counter.insert({ id: 998, value: 1n });
  throw new Error(text);
});

export const failByUnique = spacetimedb.reducer(ctx => {
  ctx.db.counter.insert({ id: 997, value: 1n });
  ctx.db.counter.insert({ id: 997, value: 2n });
});

export const catchUnique = spacetimedb.reducer(ctx => {
  ctx.db.counter.insert({ id: 996, value: 1n });
  try {
    ctx.db.counter.insert({ id: 996, value: 2n });
  } catch {
    ctx.db.counter.insert({ id: 995, value: 3n });
  }
});

export const failByRecursion = spacetimedb.reducer(() => {
  const deeper = (n: number): number => deeper(n + 1) + 1;
  deeper(0);
});

export const failByMemory = spacetimedb.reducer(() => {
  const hoard: unknown[] = [];
  for (;;) hoard.push(new Array(65536).fill(hoard.length));
});

export const runForever = spacetimedb.reducer(() => {
  for (;;);
});

export const log = spacetimedb.reducer({ text: t.string() }, (_ctx, { text }) => {
  console.log(text);
  console.warn(text);
  console.error(text);
  console.debug(text);
});

export const whoAmI = spacetimedb.reducer(ctx => {
  const claims = ctx.senderAuth.jwt;
  throw new SenderError(
    JSON.stringify({
      sender: ctx.sender.toHexString(),
      database: ctx.databaseIdentity.toHexString(),
      connection: ctx.connectionId?.toHexString() ?? null,
      issuer: claims?.issuer ?? null,
      subject: claims?.subject ?? null,
      internal: ctx.senderAuth.isInternal,
    }),
  );
});
