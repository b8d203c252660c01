// A chat as the public TypeScript guide teaches it: users with an optional name who are online or
// not, messages with their time, and helpers that check what clients send.
import { schema, SenderError, t, table } from 'spacetimedb/server';

const user = table(
  { name: 'user', public: true },
  {
    identity: t.identity().primaryKey(),
    name: t.string().optional(),
    online: t.bool(),
  },
);

const message = table(
  { name: 'message', public: true },
  {
    sender: t.identity(),
    sent: t.timestamp(),
    text: t.string(),
  },
);

const spacetimedb = schema({ user, message });
export default spacetimedb;

/** Written with what ESNext has, so that a bundle for it needs an engine that knows it. */
class Rules {
  static readonly #longest = 1_000;
  static empty: ReadonlySet<string>;
  static {
    this.empty = new Set(['Names must not be empty', 'Messages must not be empty']);
  }
  #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  static is(value: object): value is Rules {
    return #text in value;
  }

  notEmpty(what: 'Names' | 'Messages') {
    const complaint = `${what} must not be empty`;
    if (!this.#text.trim() && Rules.empty.has(complaint)) throw new SenderError(complaint);
    if (this.#text.length > Rules.#longest) throw new SenderError(`${what} must not be that long`);
    return this.#text;
  }
}

export const set_name = spacetimedb.reducer({ name: t.string() }, (ctx, { name }) => {
  const checked = new Rules(name).notEmpty('Names');
  const known = ctx.db.user.identity.find(ctx.sender);
  if (!known) throw new SenderError('Cannot set the name of an unknown user');
  console.info(`User ${ctx.sender} sets name to ${checked}`);
  ctx.db.user.identity.update({ ...known, name: checked });
});

export const send_message = spacetimedb.reducer({ text: t.string() }, (ctx, { text }) => {
  const rules = new Rules(text);
  if (!Rules.is(rules)) throw new Error('a private member went missing');
  rules.notEmpty('Messages');
  console.info(`User ${ctx.sender}: ${text}`);
  ctx.db.message.insert({ sender: ctx.sender, text, sent: ctx.timestamp });
});

export const init = spacetimedb.init(_ctx => {});

export const onConnect = spacetimedb.clientConnected(ctx => {
  const known = ctx.db.user.identity.find(ctx.sender);
  if (known) ctx.db.user.identity.update({ ...known, online: true });
  else ctx.db.user.insert({ identity: ctx.sender, name: undefined, online: true });
});

export const onDisconnect = spacetimedb.clientDisconnected(ctx => {
  const known = ctx.db.user.identity.find(ctx.sender);
  if (known) ctx.db.user.identity.update({ ...known, online: false });
  else console.warn(`Disconnect of an unknown user ${ctx.sender}`);
});
