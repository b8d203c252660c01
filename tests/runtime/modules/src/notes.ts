// A small module on npm spacetimedb 2.x: every kind of table access a reducer makes.
import { schema, table, t, SenderError } from 'spacetimedb/server';
const ScheduleAt = {
  time: (micros: bigint) =>
    ({ tag: 'Time', value: { __timestamp_micros_since_unix_epoch__: micros } }) as any,
  interval: (micros: bigint) =>
    ({ tag: 'Interval', value: { __time_duration_micros__: micros } }) as any,
};

const note = table(
  { name: 'note', public: true },
  { id: t.u64().primaryKey().autoInc(), owner: t.identity().index('btree'), text: t.string() }
);
const account = table(
  { name: 'account', public: true },
  { id: t.u32().primaryKey(), balance: t.i64(), email: t.string().unique() }
);
const wallet = table(
  { name: 'wallet', public: true },
  { id: t.u32().primaryKey(), balance: t.i64() }
);
const big = table(
  { name: 'big' },
  { id: t.u32().primaryKey(), data: t.array(t.u8()) }
);
const tick = table(
  { name: 'tick', scheduled: () => onTick },
  { scheduledId: t.u64().primaryKey().autoInc(), scheduledAt: t.scheduleAt(), label: t.string() }
);
const log = table({ name: 'log' }, { seq: t.u64().primaryKey().autoInc(), line: t.string() });

const spacetimedb = schema({ note, account, wallet, big, tick, log });
export default spacetimedb;

let callCount = 0;

export const init = spacetimedb.init(ctx => {
  ctx.db.log.insert({ seq: 0n, line: 'init' });
  console.log('module initialised');
});
export const onConnect = spacetimedb.clientConnected(ctx => {
  const subject = ctx.senderAuth.jwt?.fullPayload?.['sub'] ?? 'nobody';
  ctx.db.log.insert({ seq: 0n, line: `connect ${subject}` });
});
export const onDisconnect = spacetimedb.clientDisconnected(ctx => {
  ctx.db.log.insert({ seq: 0n, line: 'disconnect' });
});
export const onTick = spacetimedb.reducer({ arg: tick.rowType }, (ctx, { arg }) => {
  ctx.db.log.insert({ seq: 0n, line: `tick ${arg.label} ${ctx.connectionId === null}` });
  if (arg.label === 'fail') throw new SenderError('tick refused');
  if (arg.label === 'stop') ctx.db.tick.scheduledId.delete(arg.scheduledId);
  if (arg.label === 'again')
    ctx.db.tick.scheduledId.update({
      ...arg,
      label: 'done',
      scheduledAt: ScheduleAt.time(ctx.timestamp.microsSinceUnixEpoch + 1000000n),
    });
});

export const empty = spacetimedb.reducer(() => {});
export const addNote = spacetimedb.reducer({ text: t.string() }, (ctx, { text }) => {
  if (text === '') throw new SenderError('empty text');
  const row = ctx.db.note.insert({ id: 0n, owner: ctx.sender, text });
  console.log(`note ${row.id}`);
});
export const dropNotes = spacetimedb.reducer(ctx => {
  for (const row of ctx.db.note.owner.filter(ctx.sender)) ctx.db.note.delete(row);
});
export const breakOut = spacetimedb.reducer(ctx => {
  for (const row of ctx.db.note.iter()) {
    console.log(`first ${row.text}`);
    break;
  }
});
export const seed = spacetimedb.reducer({ count: t.u32() }, (ctx, { count }) => {
  for (let id = 0; id < count; ++id)
    ctx.db.account.insert({ id, balance: 1000n, email: `user${id}@example.org` });
});
export const transfer = spacetimedb.reducer(
  { from: t.u32(), to: t.u32(), amount: t.i64() },
  (ctx, { from, to, amount }) => {
    const source = ctx.db.account.id.find(from);
    const target = ctx.db.account.id.find(to);
    if (!source || !target) throw new SenderError('no such account');
    source.balance -= amount;
    ctx.db.account.id.update(source);
    target.balance += amount;
    ctx.db.account.id.update(target);
  }
);
export const findAndUpdate = spacetimedb.reducer({ id: t.u32() }, (ctx, { id }) => {
  const row = ctx.db.account.id.find(id)!;
  row.balance += 1n;
  ctx.db.account.id.update(row);
});
export const seedWallets = spacetimedb.reducer({ count: t.u32() }, (ctx, { count }) => {
  for (let id = 0; id < count; ++id) ctx.db.wallet.insert({ id, balance: 1000n });
});
export const pay = spacetimedb.reducer(
  { from: t.u32(), to: t.u32(), amount: t.i64() },
  (ctx, { from, to, amount }) => {
    const wallets = ctx.db.wallet.id;
    const source = wallets.find(from);
    const target = wallets.find(to);
    if (!source || !target) throw new SenderError('no such wallet');
    source.balance -= amount;
    wallets.update(source);
    target.balance += amount;
    wallets.update(target);
  }
);
export const findWallet = spacetimedb.reducer({ id: t.u32() }, (ctx, { id }) => {
  ctx.db.wallet.id.find(id);
});
export const duplicateEmail = spacetimedb.reducer(ctx => {
  ctx.db.account.insert({ id: 1000, balance: 0n, email: 'same@example.org' });
  try {
    ctx.db.account.insert({ id: 1001, balance: 0n, email: 'same@example.org' });
  } catch (error) {
    console.warn(`refused: ${(error as Error).constructor.name}: ${(error as Error).message}`);
  }
});
export const updateMissing = spacetimedb.reducer(ctx => {
  ctx.db.account.id.update({ id: 424242, balance: 0n, email: 'nobody' });
});
export const bigRows = spacetimedb.reducer({ size: t.u32() }, (ctx, { size }) => {
  ctx.db.big.insert({ id: size, data: new Array(size).fill(7) });
  let total = 0;
  let rows = 0;
  for (const row of ctx.db.big.iter()) {
    total += row.data.length;
    ++rows;
  }
  console.log(`big ${rows} ${total} ${ctx.db.big.count()}`);
});
export const crash = spacetimedb.reducer(() => {
  throw new TypeError('boom');
});
export const counter = spacetimedb.reducer(() => {
  console.log(`counter ${++callCount}`);
});
export const insertThenCrash = spacetimedb.reducer(ctx => {
  ctx.db.log.insert({ seq: 0n, line: 'never seen' });
  throw new Error('after insert');
});
export const schedule = spacetimedb.reducer(
  { label: t.string(), at: t.i64(), interval: t.bool() },
  (ctx, { label, at, interval }) => {
    const scheduledAt = interval ? ScheduleAt.interval(at) : ScheduleAt.time(at);
    ctx.db.tick.insert({ scheduledId: 0n, scheduledAt, label });
  }
);
export const whoami = spacetimedb.reducer(ctx => {
  console.info(`${ctx.sender.toHexString()} ${ctx.identity.toHexString()}`);
  console.error('an error');
  console.debug('a detail');
  console.trace('a trace');
  console.time('span');
  console.timeEnd('span');
});
