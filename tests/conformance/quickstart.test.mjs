// A module and a client as the public TypeScript guide teaches them, from three kinds of bundle.
import { bundle } from './bundle.mjs';
import { assert, eventually, rejected, test } from './harness.mjs';

/** What the guide's client keeps: who is there, and the messages by their time. */
class ChatWindow {
  constructor(client) {
    this.client = client;
    this.notes = [];
    const { user, message } = client.db;
    user.onInsert((_ctx, row) => row.online && this.notes.push(`${this.nameOf(row)} connected`));
    user.onUpdate((_ctx, before, after) => {
      if (before.name !== after.name)
        this.notes.push(`${this.nameOf(before)} is now ${this.nameOf(after)}`);
      if (before.online !== after.online)
        this.notes.push(`${this.nameOf(after)} ${after.online ? 'connected' : 'disconnected'}`);
    });
    message.onInsert((ctx, row) => {
      if (ctx.event.tag !== 'SubscribeApplied') this.notes.push(this.line(row));
    });
  }

  nameOf(user) {
    return user.name ?? user.identity.toHexString().slice(0, 8);
  }
  line(message) {
    const sender = this.client.db.user.identity.find(message.sender);
    return `${sender ? this.nameOf(sender) : 'unknown'}: ${message.text}`;
  }
  lines() {
    return this.client
      .rows('message')
      .sort((a, b) => Number(a.sent.microsSinceUnixEpoch - b.sent.microsSinceUnixEpoch))
      .map(message => this.line(message));
  }
}

async function join(db, options) {
  const client = await db.connect(options);
  const window = new ChatWindow(client);
  await client.subscribe('SELECT * FROM user', 'SELECT * FROM message');
  return window;
}

const BUNDLES = {
  'esbuild for ESNext': { target: 'esnext' },
  'esbuild for ES2020': { target: 'es2020' },
  'the shape Rolldown gives it': { target: 'esnext', shape: 'rolldown' },
};
for (const [name, options] of Object.entries(BUNDLES)) {
  test(`the chat of the guide runs from a bundle of ${name}`, async t => {
    const db = await t.publish('quickstart', options);
    const ann = await join(db);
    await ann.client.reducers.setName({ name: 'Ann' });
    await ann.client.reducers.sendMessage({ text: 'is anybody here?' });
    const bob = await join(db);
    assert.deepEqual(bob.lines(), ['Ann: is anybody here?']);
    await bob.client.reducers.sendMessage({ text: 'yes' });
    await bob.client.reducers.setName({ name: 'Bob' });
    await eventually(() => ann.notes.at(-1)?.endsWith('is now Bob'), 'the new name');
    assert.deepEqual(ann.lines(), ['Ann: is anybody here?', 'Bob: yes']);

    for (const [call, text] of [
      [() => bob.client.reducers.setName({ name: ' ' }), 'Names must not be empty'],
      [() => bob.client.reducers.sendMessage({ text: '' }), 'Messages must not be empty'],
      [
        () => bob.client.reducers.sendMessage({ text: 'x'.repeat(1_001) }),
        'Messages must not be that long',
      ],
    ])
      assert.equal((await rejected(call())).message, text);
    assert.equal(bob.lines().length, 2, 'nothing of what was refused');

    bob.client.disconnect();
    await eventually(() => ann.notes.at(-1) === 'Bob disconnected', 'Bob gone');
    const again = await join(db, { token: bob.client.token });
    await eventually(() => ann.notes.at(-1) === 'Bob connected', 'Bob back');
    assert.deepEqual(again.lines(), ['Ann: is anybody here?', 'Bob: yes']);
    const short = again.client.identity.toHexString().slice(0, 8);
    const annShort = ann.client.identity.toHexString().slice(0, 8);
    assert.deepEqual(ann.notes, [
      `${annShort} connected`,
      `${annShort} is now Ann`,
      'Ann: is anybody here?',
      `${short} connected`,
      `${short}: yes`,
      `${short} is now Bob`,
      'Bob disconnected',
      'Bob connected',
    ]);
    const said = (await db.logs()).filter(({ level }) => level === 'Info');
    assert.match(said.at(-1).message, /^User [0-9a-f]{64} sets name to Bob$/);
  });
}

test('a bundle in the shape of Rolldown has what it is there for', async () => {
  const text = await bundle('quickstart', { target: 'esnext', shape: 'rolldown' });
  assert.match(text, /^\/\/#region quickstart\.ts$/m);
  assert.match(text, /^const quickstart_default = /m);
  assert.match(text, /^\/\/#endregion$/m);
  assert.match(text, /^ {2}static \{$/m);
  assert.match(text, /#text in /);
  assert.match(text, /^ *using /m);
  assert.match(text, /^export \{ quickstart_default as default, .* \};$/m);
});
