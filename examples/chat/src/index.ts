// A chat: people, what they said, and a schedule that forgets old messages.
import { Range, ScheduleAt, schema, SenderError, t, table } from 'spacetimedb/server';
import { Timestamp } from 'spacetimedb';

const NAME_LENGTH_MAX = 40;
const TEXT_LENGTH_MAX = 2000;
const KEPT_MICROS = 24n * 3600n * 1_000_000n; // A message lives for a day.
const CLEANUP_EVERY_MICROS = 60n * 1_000_000n;

const user = table(
  { name: 'user', public: true },
  {
    identity: t.identity().primaryKey(),
    name: t.option(t.string()),
    online: t.bool(),
  }
);

const message = table(
  {
    name: 'message',
    public: true,
    indexes: [{ accessor: 'bySent', algorithm: 'btree', columns: ['sent'] }],
  },
  {
    id: t.u64().primaryKey().autoInc(),
    sender: t.identity(),
    sent: t.timestamp(),
    text: t.string(),
  }
);

// A row of this table is an appointment: its reducer runs when the time has come.
const cleanup = table(
  { name: 'cleanup', scheduled: (): any => forget_old_messages },
  {
    scheduledId: t.u64().primaryKey().autoInc(),
    scheduledAt: t.scheduleAt(),
  }
);

const spacetimedb = schema({ user, message, cleanup });
export default spacetimedb;

export const set_name = spacetimedb.reducer({ name: t.string() }, (ctx, { name }) => {
  const trimmed = name.trim();
  if (trimmed === '') throw new SenderError('a name must not be empty');
  if (trimmed.length > NAME_LENGTH_MAX) throw new SenderError('that name is too long');
  const known = ctx.db.user.identity.find(ctx.sender);
  if (!known) throw new SenderError('connect before you choose a name');
  ctx.db.user.identity.update({ ...known, name: trimmed });
});

export const send_message = spacetimedb.reducer({ text: t.string() }, (ctx, { text }) => {
  if (text.trim() === '') throw new SenderError('a message must not be empty');
  if (text.length > TEXT_LENGTH_MAX) throw new SenderError('that message is too long');
  ctx.db.message.insert({ id: 0n, sender: ctx.sender, sent: ctx.timestamp, text });
  console.info(`a message of ${text.length} characters`);
});

export const forget_old_messages = spacetimedb.reducer({ arg: cleanup.rowType }, ctx => {
  const oldest = new Timestamp(ctx.timestamp.microsSinceUnixEpoch - KEPT_MICROS);
  const forgotten = ctx.db.message.bySent.delete(
    new Range<Timestamp>({ tag: 'unbounded' }, { tag: 'excluded', value: oldest })
  );
  if (forgotten > 0) console.info(`forgot ${forgotten} old messages`);
});

// Runs once, when the database is created.
export const init = spacetimedb.init(ctx => {
  ctx.db.cleanup.insert({
    scheduledId: 0n,
    scheduledAt: ScheduleAt.interval(CLEANUP_EVERY_MICROS),
  });
});

export const on_connect = spacetimedb.clientConnected(ctx => {
  const known = ctx.db.user.identity.find(ctx.sender);
  if (known) ctx.db.user.identity.update({ ...known, online: true });
  else ctx.db.user.insert({ identity: ctx.sender, name: undefined, online: true });
});

export const on_disconnect = spacetimedb.clientDisconnected(ctx => {
  const known = ctx.db.user.identity.find(ctx.sender);
  if (known) ctx.db.user.identity.update({ ...known, online: false });
  else console.warn('somebody unknown left');
});
