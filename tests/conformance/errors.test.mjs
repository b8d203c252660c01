// The ways a reducer call can end, as each kind of caller sees them; nothing half-done is left.
import { Writer } from './bsatn.mjs';
import { assert, eventually, rejected, test } from './harness.mjs';
import * as http from './http_api.mjs';

const FATAL = 'The instance encountered a fatal error.';
const LONG = 'refused: \u00e9\u{1f600} '.repeat(1000);

test('SenderError reaches the caller with its text and undoes everything', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM counter');
  for (const text of ['no', '', LONG]) {
    const error = await rejected(client.reducers.failBySender({ text }));
    assert.equal(error.message, text);
    const answer = await db.call('fail_by_sender', [text]);
    assert.equal(answer.status, 530);
    assert.equal(answer.text, text);
  }
  assert.deepEqual(
    client.rows('counter').map(row => row.id),
    [0],
  );
  assert.deepEqual(await db.rows('SELECT id FROM counter'), [[0]]);
});

test('a panic gives the generic text, and its own to the log alone', async t => {
  const db = await t.publish('chat');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM counter');
  const error = await rejected(client.reducers.failByPanic({ text: 'secret detail' }));
  assert.ok(String(error.message).includes(FATAL), error.message);
  const answer = await db.call('fail_by_panic', ['secret detail']);
  assert.equal(answer.status, 530);
  assert.equal(answer.text, FATAL);
  assert.deepEqual(await db.rows('SELECT id FROM counter'), [[0]]);
  const panics = (await db.logs()).filter(({ level }) => level === 'Panic');
  assert.equal(panics.length, 2);
  assert.match(panics[0].message, /secret detail/);
  assert.equal(panics[0].function, 'fail_by_panic');
  assert.ok(Array.isArray(panics[0].trace) && panics[0].trace.length > 0, 'a trace');
  await client.reducers.setCounter({ id: 5, value: 1n });
  assert.equal(client.rows('counter').length, 2, 'the module goes on');
});

test('stack traces are mapped back to the TypeScript source', async t => {
  const db = await t.publish('chat');
  await db.call('fail_by_panic', ['where']);
  const panic = (await db.logs()).find(({ level }) => level === 'Panic');
  assert.match(JSON.stringify(panic), /chat\.ts:\d+/);
});

test('a unique violation that nobody catches undoes the call; a caught one does not', async t => {
  const db = await t.publish('chat');
  assert.equal((await db.call('fail_by_unique')).status, 530);
  assert.deepEqual(await db.rows('SELECT id FROM counter WHERE id = 997'), []);
  assert.equal((await db.call('catch_unique')).status, 200);
  const kept = (await db.rows('SELECT id, value FROM counter WHERE id > 900')).sort();
  assert.deepEqual(kept, [
    [995, 3],
    [996, 1],
  ]);
});

test('endless recursion is a panic like any other', async t => {
  const db = await t.publish('chat');
  assert.equal((await db.call('fail_by_recursion')).status, 530);
  assert.equal((await db.call('set_counter', [1, 1])).status, 200);
});

test(
  'a runaway call is ended by its budget, others wait and go on',
  async t => {
    const server = await t.startServer({ flags: ['--set', 'limits.call-budget=2s'] });
    const db = await t.publish('chat', { url: server.url });
    const client = await db.raw();
    const endless = client.call('run_forever');
    const next = client.call('set_counter', new Writer().u32(1).u64(2).end());
    const result = await client.answer(endless, 20_000);
    assert.equal(result.outcome, 'InternalError');
    assert.equal((await client.answer(next)).outcome, 'Ok');
    assert.deepEqual(await db.rows('SELECT value FROM counter WHERE id = 1'), [[2]]);
  },
  { ms: 90_000 },
);

test(
  'a module that takes all its memory is replaced, its data stays',
  async t => {
    const server = await t.startServer({ flags: ['--set', 'v8-heap-policy.heap-limit-mb=128'] });
    const db = await t.publish('chat', { url: server.url });
    await db.call('set_counter', [1, 42]);
    const answer = await db.call('fail_by_memory');
    assert.ok([530, 402].includes(answer.status), `${answer.status} ${answer.text}`);
    assert.ok(server.alive, 'the server lives');
    assert.deepEqual(await db.rows('SELECT value FROM counter WHERE id = 1'), [[42]]);
    assert.equal((await db.call('set_counter', [2, 43])).status, 200);
  },
  { ms: 120_000 },
);

test('unknown, private and lifecycle reducers are told apart as chapter 02 says', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  const outcome = async name => {
    const { outcome, error } = await client.answer(client.call(name));
    return [outcome, error];
  };
  assert.deepEqual(await outcome('no_such'), ['InternalError', 'no such reducer']);
  const special = what => [
    'InternalError',
    `can't directly call special ${what} lifecycle reducer`,
  ];
  assert.deepEqual(await outcome('init'), special('Init'));
  assert.deepEqual(await outcome('on_connect'), special('OnConnect'));
  assert.deepEqual(await outcome('on_disconnect'), special('OnDisconnect'));
  const unknown = await db.call('no_such');
  assert.deepEqual([unknown.status, unknown.text], [404, 'No such procedure']);
  const direct = await db.call('init');
  assert.deepEqual(
    [direct.status, direct.text],
    [400, "can't directly call special Init lifecycle reducer"],
  );
  await eventually(
    async () =>
      (await db.logs()).some(
        line =>
          line.message.startsWith('External attempt to call nonexistent reducer "no_such"') &&
          line.function === 'no_such',
      ),
    'a log line',
  );
});

test('wrong arguments are refused before the module sees them', async t => {
  const db = await t.publish('chat');
  const client = await db.raw();
  for (const args of [[], [1, 0, 0], new Writer().u32(1).u32(9).raw([65]).end()]) {
    const { outcome, error } = await client.answer(client.call('say', args));
    assert.equal(outcome, 'InternalError');
    assert.match(error, /^invalid arguments for reducer say: /);
  }
  for (const args of [
    '[]',
    '[1]',
    '[1, 2]',
    '["x", "y"]',
    '[1, "x", 3]',
    '[-1, "x"]',
    '{}',
    '7',
    '[1,',
  ]) {
    const answer = await db.call('say', args);
    assert.equal(answer.status, 400, args);
    assert.match(answer.text, /^invalid arguments for reducer say: /, args);
  }
  const named = await db.call('say', '{"text": "by name", "room": 3}');
  assert.equal(named.status, 200, named.text);
  assert.deepEqual(await db.rows('SELECT text FROM message'), [['by name']]);
});

test('one answer per call, in order, whatever became of it', async t => {
  const client = await (await t.publish('chat')).raw();
  const say = new Writer().u32(1).string('x').end();
  const refuse = new Writer().string('no').end();
  const requests = [];
  for (let i = 0; i < 30; i++) {
    requests.push(
      client.call(['say', 'fail_by_sender', 'fail_by_panic'][i % 3], i % 3 ? refuse : say),
    );
  }
  const results = [];
  for (const request of requests) results.push((await client.answer(request)).outcome);
  assert.deepEqual(results.slice(0, 3), ['Ok', 'Err', 'InternalError']);
  assert.equal(results.filter(outcome => outcome === 'Ok').length, 10);
});

test('console lines become log records with level, place and function', async t => {
  const db = await t.publish('chat');
  await db.call('log', ['line one']);
  const lines = (await db.logs()).filter(({ message }) => message === 'line one');
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['Info', 'Warn', 'Error', 'Debug'],
  );
  for (const line of lines) {
    assert.equal(line.function, 'log');
    assert.ok(line.ts > 1_600_000_000_000_000);
    assert.ok(line.line_number > 0);
  }
  const stranger = await http.newIdentity(db.url);
  const refused = await http.send('GET', `${db.url}/v1/database/${db.name}/logs`, {
    headers: http.bearer(stranger.token),
  });
  assert.equal(refused.status, 403);
  assert.match(
    refused.text,
    /is not authorized to perform action on database .*: view module logs/,
  );
});
