// Scheduled tables of both kinds, and scheduled reducers that fail in both ways.
import { ScheduleAt, schema, SenderError, t, table } from 'spacetimedb/server';

const oneShot = table(
  { public: true, scheduled: (): any => fireOnce },
  { id: t.u64().primaryKey().autoInc(), at: t.scheduleAt(), tag: t.string() },
);
const repeat = table(
  { public: true, scheduled: (): any => fireAgain },
  { id: t.u64().primaryKey().autoInc(), at: t.scheduleAt(), tag: t.string() },
);
const failing = table(
  { public: true, scheduled: (): any => fireAndFail },
  { id: t.u64().primaryKey().autoInc(), at: t.scheduleAt(), how: t.string() },
);
const fired = table(
  { public: true },
  {
    id: t.u64().primaryKey().autoInc(),
    tag: t.string(),
    moment: t.timestamp(),
    sender: t.identity(),
    token: t.bool(),
    connected: t.bool(),
  },
);

const spacetimedb = schema({ oneShot, repeat, failing, fired });
export default spacetimedb;

const note = (ctx: any, tag: string) => {
  ctx.db.fired.insert({
    id: 0n,
    tag,
    moment: ctx.timestamp,
    sender: ctx.sender,
    token: ctx.senderAuth.hasJWT,
    connected: ctx.connectionId !== null,
  });
};

export const fireOnce = spacetimedb.reducer({ row: oneShot.rowType }, (ctx, { row }) => {
  note(ctx, row.tag);
});
export const fireAgain = spacetimedb.reducer({ row: repeat.rowType }, (ctx, { row }) => {
  note(ctx, row.tag);
  if (row.tag === 'stops itself') ctx.db.repeat.id.delete(row.id);
});
export const fireAndFail = spacetimedb.reducer({ row: failing.rowType }, (ctx, { row }) => {
  note(ctx, 'must be rolled back');
  if (row.how === 'sender') throw new SenderError('scheduled refusal');
  if (row.how === 'forever') for (;;);
  throw new Error('scheduled panic');
});

export const after = spacetimedb.reducer(
  { micros: t.i64(), tag: t.string() },
  (ctx, { micros, tag }) => {
    const at = ScheduleAt.time(ctx.timestamp.microsSinceUnixEpoch + micros);
    ctx.db.oneShot.insert({ id: 0n, at, tag });
  },
);
export const every = spacetimedb.reducer(
  { micros: t.i64(), tag: t.string() },
  (ctx, { micros, tag }) => {
    ctx.db.repeat.insert({ id: 0n, at: ScheduleAt.interval(micros), tag });
  },
);
export const failEvery = spacetimedb.reducer(
  { micros: t.i64(), how: t.string() },
  (ctx, { micros, how }) => {
    ctx.db.failing.insert({ id: 0n, at: ScheduleAt.interval(micros), how });
  },
);
export const failOnce = spacetimedb.reducer({ how: t.string() }, (ctx, { how }) => {
  const at = ScheduleAt.time(ctx.timestamp.microsSinceUnixEpoch);
  ctx.db.failing.insert({ id: 0n, at, how });
});
export const cancel = spacetimedb.reducer({ tag: t.string() }, (ctx, { tag }) => {
  for (const row of ctx.db.oneShot.iter()) if (row.tag === tag) ctx.db.oneShot.id.delete(row.id);
  for (const row of ctx.db.repeat.iter()) if (row.tag === tag) ctx.db.repeat.id.delete(row.id);
});
export const armAndFail = spacetimedb.reducer({ tag: t.string() }, (ctx, { tag }) => {
  const at = ScheduleAt.time(ctx.timestamp.microsSinceUnixEpoch);
  ctx.db.oneShot.insert({ id: 0n, at, tag });
  throw new SenderError('armed nothing');
});
export const tooFar = spacetimedb.reducer(ctx => {
  const at = ScheduleAt.time(ctx.timestamp.microsSinceUnixEpoch + 68_719_486_736_000n);
  ctx.db.oneShot.insert({ id: 0n, at, tag: 'too far' });
});
