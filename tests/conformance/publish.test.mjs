// Publishing: creation, update, refusal, reset, deletion, locks, and who may do it.
import { request } from 'node:http';
import { bundle, bundleOfDefinition } from './bundle.mjs';
import { assert, eventually, sleep, test } from './harness.mjs';
import * as http from './http_api.mjs';
import { keccak256, printed } from './keccak.mjs';

const EMPTY_V8 = '0000000000000000000000000000000000';
const fresh = (() => {
  let count = 0;
  return () => `p-${process.pid}-${++count}`;
})();

test('a new name is created, the same program again is an update; each says so', async t => {
  const owner = await http.newIdentity(t.url);
  const name = fresh();
  const program = await bundle('chat');
  const created = await http.publish(t.url, name, program, { token: owner.token });
  assert.equal(created.status, 200, created.text);
  assert.equal(created.headers['content-type'], 'application/json');
  const { Success } = created.json();
  assert.equal(Success.domain, name);
  assert.equal(Success.op, 'created');
  assert.match(Success.database_identity, /^c200[0-9a-f]{60}$/);
  const again = await http.publish(t.url, name, program, { token: owner.token });
  assert.deepEqual(again.json().Success, { ...Success, op: 'updated' });
  const nameless = await http.send('POST', `${t.url}/v1/database?host_type=Js`, {
    headers: http.bearer(owner.token),
    body: program,
  });
  assert.equal(nameless.json().Success.domain, null);
  const info = (await http.send('GET', `${t.url}/v1/database/${name}`)).json();
  assert.equal(info.database_identity.__identity__, `0x${Success.database_identity}`);
  assert.equal(info.owner_identity.__identity__, `0x${owner.identity}`);
  assert.deepEqual(info.host_type, { Js: [] });
});

const REFUSED = {
  view: [/view/i, /all_items|allItems/],
  procedure: [/procedure/i, /add_both|addBoth/],
  http_handler: [/http/i, /hello/],
  failing_init: [/init refuses/],
  throwing_module: [/this module throws while it loads/],
  duplicate_name: [/name `item_list` is used for multiple entities/],
  mounted_hook: [/lifecycle event Init is not permitted in submodule under namespace `lib`/],
};
for (const [module, texts] of Object.entries(REFUSED)) {
  test(`a module with a ${module.replaceAll('_', ' ')} is refused with 500 and a text`, async t => {
    const owner = await http.newIdentity(t.url);
    const name = fresh();
    const program = await bundle(`refused/${module}`);
    const answer = await http.publish(t.url, name, program, { token: owner.token });
    assert.equal(answer.status, 500, answer.text);
    for (const text of texts) assert.match(answer.text, text);
    const after = await http.sql(t.url, name, 'SELECT * FROM item', { token: owner.token });
    assert.equal(after.status, 404, 'nothing was stored');
    const fixed = await http.publish(t.url, name, await bundle('chat'), { token: owner.token });
    assert.equal(fixed.status, 200, 'the name can be used after that');
  });
}

test('what is refused as new is refused as update, and the old module runs on', async t => {
  const db = await t.publish('migrate/first');
  for (const module of ['view', 'procedure', 'http_handler', 'throwing_module']) {
    const answer = await db.publish(await bundle(`refused/${module}`));
    assert.equal(answer.status, 500, answer.text);
    assert.equal((await db.call('add', [10 + module.length, 'x'])).status, 200);
  }
  assert.equal((await db.rows('SELECT * FROM item')).length, 5);
});

test(
  'programs that are no modules are refused with a text',
  async t => {
    const owner = await http.newIdentity(t.url);
    const wasm = Buffer.from('0061736d01000000', 'hex');
    const cases = [
      ['WebAssembly', wasm, 'Wasm', /WebAssembly/i],
      ['WebAssembly sent as Js', wasm, 'Js', /./],
      ['a bundle sent as Wasm', Buffer.from(await bundle('chat')), 'Wasm', /./],
      ['nothing', Buffer.alloc(0), 'Js', /./],
      ['a syntax error', 'export default {;', 'Js', /SyntaxError|Unexpected/],
      ['no default export', 'export const a = 1;', 'Js', /must export schema as default export/],
      ['a default export of another kind', 'export default 7;', 'Js', /not a Schema object/],
      [
        'an unknown import',
        "import x from 'node:fs'; export default x;",
        'Js',
        /Could not find module/,
      ],
      [
        'a newer system',
        "import {x} from 'spacetime:sys@9.0'; export default {};",
        'Js',
        /built for a newer version of SpacetimeDB/,
      ],
      ['an endless loop', 'for (;;);', 'Js', /./],
      [
        'top-level await',
        'await new Promise(() => {}); export default {};',
        'Js',
        /top-level await/,
      ],
      [
        'a V8 definition',
        bundleOfDefinition(EMPTY_V8),
        'Js',
        /module definition version 8 is not supported; rebuild the module/,
      ],
      [
        'an unknown definition',
        bundleOfDefinition('09'),
        'Js',
        /unknown tag 0x9 for sum type RawModuleDef/,
      ],
      [
        'a cut definition',
        bundleOfDefinition('0201000000'),
        'Js',
        /error decoding module description/,
      ],
    ];
    for (const [what, program, hostType, text] of cases) {
      const answer = await http.publish(t.url, fresh(), program, { token: owner.token, hostType });
      assert.equal(answer.status, 500, `${what}: ${answer.status} ${answer.text}`);
      assert.match(answer.text, text, what);
    }
    assert.equal((await http.send('GET', `${t.url}/v1/ping`)).status, 200);
  },
  { ms: 180_000 },
);

test('a definition of version 9 without tables is accepted', async t => {
  const owner = await http.newIdentity(t.url);
  const program = bundleOfDefinition(`01${'00'.repeat(24)}`);
  const answer = await http.publish(t.url, fresh(), program, { token: owner.token });
  assert.equal(answer.status, 200, answer.text);
});

test('init that never ends is ended by the budget and refuses the publish', async t => {
  const server = await t.startServer({ flags: ['--set', 'limits.call-budget=2s'] });
  const owner = await http.newIdentity(server.url);
  const answer = await http.publish(server.url, 'endless', await bundle('refused/endless_init'), {
    token: owner.token,
  });
  assert.equal(answer.status, 500);
  assert.equal(
    (await http.publish(server.url, 'endless', await bundle('chat'), { token: owner.token }))
      .status,
    200,
  );
});

test('names follow the grammar, parameters are checked', async t => {
  const owner = await http.newIdentity(t.url);
  const program = await bundle('migrate/first');
  for (const name of ['Upper_Case', '-x', 'x-', 'a--b', 'a b', '%C3%A9']) {
    const answer = await http.publish(t.url, name, program, { token: owner.token });
    assert.equal(answer.status, 400, name);
    assert.match(answer.text, /^Invalid URL: /, name);
  }
  const query = [
    [{ num_replicas: 256 }, 'Replication factor 256 out of bounds'],
    [
      { policy: 'BreakClients' },
      'Migration policy is set to `BreakClients`, but no migration token was provided.',
    ],
    [{ clear: 'maybe' }, 'Failed to deserialize query string'],
    [{ policy: 'Whatever' }, 'Failed to deserialize query string'],
  ];
  for (const [values, text] of query) {
    const answer = await http.publish(t.url, fresh(), program, {
      token: owner.token,
      query: values,
    });
    assert.ok([400, 404].includes(answer.status), answer.text);
    assert.ok(answer.text.startsWith(text), `${answer.text} for ${JSON.stringify(values)}`);
  }
  const clear = await http.send('POST', `${t.url}/v1/database?clear=true&host_type=Js`, {
    headers: http.bearer(owner.token),
    body: program,
  });
  assert.equal(clear.status, 400);
  assert.equal(clear.text, 'Clear database requires database name or identity');
});

test('a parent or an organization must be known; neither is built', async t => {
  const { token } = await http.newIdentity(t.url);
  const program = await bundle('migrate/first');
  const known = fresh();
  assert.equal((await http.publish(t.url, known, program, { token })).status, 200);
  const wanted = {
    parent: 'creating a database with a parent is not supported',
    organization: 'creating a database for an organization is not supported',
    org: 'creating a database for an organization is not supported',
  };
  for (const [key, text] of Object.entries(wanted)) {
    const name = fresh();
    const at = `${t.url}/v1/database/${name}`;
    const answers = [
      [{ [key]: 'no-such-name' }, 404, '`no-such-name` not found'],
      [{ [key]: known }, 501, text],
      [{ [key]: `0x${'c2'.padEnd(64, '0')}` }, 501, text],
    ];
    for (const [query, status, body] of answers) {
      const answer = await http.publish(t.url, name, program, { token, query });
      assert.deepEqual([answer.status, answer.text], [status, body]);
      const after = await http.send('GET', at);
      assert.deepEqual([after.status, after.text], [404, `\`${name}\` not found`]);
    }
    const bad = await http.publish(t.url, name, program, { token, query: { [key]: 'A' } });
    assert.equal(bad.status, 400);
    assert.match(bad.text, /^Failed to deserialize query string: /);
    const update = await http.publish(t.url, known, program, { token, query: { [key]: known } });
    assert.equal(update.status, 200, 'of creation alone');
  }
  const cleared = await http.publish(t.url, known, program, {
    token,
    query: { clear: true, parent: 'no-such-name' },
  });
  assert.deepEqual(
    [cleared.status, cleared.text],
    [400, 'Setting the parent of an existing database is not supported'],
  );
});

test('a name outlives its database and leads its owner, and nobody else, back', async t => {
  const owner = await http.newIdentity(t.url);
  const stranger = await http.newIdentity(t.url);
  const program = await bundle('migrate/first');
  const name = fresh();
  const first = (await http.publish(t.url, name, program, { token: owner.token })).json().Success;
  const gone = await http.send('DELETE', `${t.url}/v1/database/${name}`, {
    headers: http.bearer(owner.token),
  });
  assert.equal(gone.status, 200);
  const foreign = await http.publish(t.url, name, program, { token: stranger.token });
  assert.equal(foreign.status, 401);
  assert.equal(foreign.headers['content-type'], 'application/json');
  assert.deepEqual(foreign.json(), { PermissionDenied: { name } });
  const none = await http.send('GET', `${t.url}/v1/database/${name}`);
  assert.deepEqual([none.status, none.text], [404, 'No such database.']);
  const again = (await http.publish(t.url, name, program, { token: owner.token })).json().Success;
  assert.deepEqual(again, { ...first, op: 'created' });
});

test('an identity without a database gets one of exactly that identity', async t => {
  const owner = await http.newIdentity(t.url);
  const wanted = (await http.newIdentity(t.url)).identity;
  const answer = await http.publish(t.url, `0x${wanted.toUpperCase()}`, await bundle('chat'), {
    token: owner.token,
  });
  assert.deepEqual(answer.json(), {
    Success: { domain: null, database_identity: wanted, op: 'created' },
  });
});

test('an update whose confirmation is not waited for is made all the same', async t => {
  const db = await t.publish('migrate/first');
  const query = { update_confirmation_timeout: '0s' };
  const answer = await db.publish(await bundle('migrate/added_table'), { query });
  assert.ok([200, 504].includes(answer.status), answer.text);
  if (answer.status === 504) {
    assert.equal(
      answer.text,
      'Database update failed: timeout waiting for transaction confirmation',
    );
  }
  assert.equal((await db.call('add', [1, 'x'])).status, 200);
  assert.equal((await db.call('annotate', [1, 'n'])).status, 200, 'the new module runs');
  for (const [timeout, status] of Object.entries({ '1m 30s': 200, soon: 400 })) {
    const again = await db.publish(await bundle('migrate/added_table'), {
      query: { update_confirmation_timeout: timeout },
    });
    assert.equal(again.status, status, again.text);
  }
});

test('only the owner may update, look ahead, reset, delete, lock and read logs', async t => {
  const db = await t.publish('migrate/first');
  const { token, identity } = await http.newIdentity(t.url);
  const program = await bundle('migrate/changed_function');
  const at = `${t.url}/v1/database/${db.name}`;
  const headers = http.bearer(token);
  const tries = [
    ['update database', () => http.publish(t.url, db.name, program, { token })],
    ['update database', () => http.prePublish(t.url, db.name, program, { token })],
    [
      'reset database',
      () => http.publish(t.url, db.name, program, { token, query: { clear: true } }),
    ],
    ['delete database', () => http.send('DELETE', at, { headers })],
    ['delete database', () => http.send('POST', `${at}/lock`, { headers })],
    ['delete database', () => http.send('POST', `${at}/unlock`, { headers })],
    ['view module logs', () => http.send('GET', `${at}/logs`, { headers })],
  ];
  const database = (await http.send('GET', `${at}/identity`)).text;
  for (const [action, attempt] of tries) {
    const answer = await attempt();
    assert.equal(answer.status, 403, action);
    assert.equal(
      answer.text,
      `${identity} is not authorized to perform action on database ${database}: ${action}`,
    );
  }
  assert.deepEqual(await db.rows('SELECT * FROM item'), [[0, 'from init']]);
});

test('a changed function is swapped while clients stay and subscriptions go on', async t => {
  const db = await t.publish('migrate/first');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM item');
  await client.reducers.add({ id: 1, name: 'x' });
  const plan = await http.prePublish(t.url, db.name, await bundle('migrate/changed_function'), {
    token: db.owner.token,
  });
  assert.equal(plan.status, 200, plan.text);
  assert.equal(plan.json().AutoMigrate.break_clients, false);
  const updated = await db.publish(await bundle('migrate/changed_function'));
  assert.equal(updated.status, 200, updated.text);
  assert.equal(updated.json().Success.op, 'updated');
  await client.reducers.add({ id: 2, name: 'y' });
  assert.deepEqual(
    client
      .rows('item')
      .map(row => row.name)
      .sort(),
    ['first: x', 'from init', 'second: y'],
  );
  assert.equal(client.events.disconnects, 0);
  assert.equal((await db.call('a_drop', [2])).status, 200);
  await eventually(() => client.rows('item').length === 2, 'the new function works');
});

test('an added table is there after the swap, with clients still connected', async t => {
  const db = await t.publish('migrate/first');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM item');
  const plan = (
    await http.prePublish(t.url, db.name, await bundle('migrate/added_table'), {
      token: db.owner.token,
    })
  ).json();
  assert.match(plan.AutoMigrate.migrate_plan, /extra/);
  assert.equal((await db.publish(await bundle('migrate/added_table'))).status, 200);
  await client.reducers.add({ id: 1, name: 'z' });
  assert.equal(client.db.item.id.find(1).name, 'third: z');
  const newer = await db.connect();
  await newer.subscribe('SELECT * FROM extra', 'SELECT * FROM item');
  await newer.reducers.annotate({ item: 1, note: 'n' });
  assert.equal(newer.rows('extra')[0].note, 'n');
  assert.equal(newer.rows('item').length, 2);
  assert.equal(client.events.disconnects, 0);
});

test('migrated databases come back from a restart in the new schema', async t => {
  const server = await t.startServer();
  const db = await t.publish('migrate/first', { url: server.url });
  await db.call('add', [1, 'x']);
  assert.equal((await db.publish(await bundle('migrate/added_table'))).status, 200);
  await db.call('annotate', [1, 'n']);
  await server.restart('SIGKILL');
  assert.deepEqual(await db.rows('SELECT item, note FROM extra'), [[1, 'n']]);
  assert.equal((await db.call('annotate', [1, 'after'])).status, 200);
  assert.deepEqual((await db.rows('SELECT * FROM item')).sort(), [
    [0, 'from init'],
    [1, 'first: x'],
  ]);
});

for (const module of ['changed_type', 'removed_table']) {
  test(`a migration that is not known yet (${module}) is refused, data untouched`, async t => {
    const db = await t.publish('migrate/first');
    await db.call('add', [1, 'x']);
    const client = await db.connect();
    await client.subscribe('SELECT * FROM item');
    const program = await bundle(`migrate/${module}`);
    const plan = await http.prePublish(t.url, db.name, program, { token: db.owner.token });
    assert.equal(plan.status, 200, plan.text);
    assert.ok(plan.json().ManualMigrate?.reason, plan.text);
    const answer = await db.publish(program);
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.text, /^Database update rejected: /);
    await client.reducers.add({ id: 2, name: 'y' });
    assert.deepEqual(
      client
        .rows('item')
        .map(row => row.name)
        .sort(),
      ['first: x', 'first: y', 'from init'],
    );
    assert.equal(client.events.disconnects, 0);
  });
}

test('clear=true and reset wipe, init runs again, clients are told', async t => {
  const db = await t.publish('migrate/first');
  await db.call('add', [1, 'x']);
  const client = await db.raw();
  const answer = await db.publish(await bundle('migrate/changed_type'), { query: { clear: true } });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json().Success.op, 'updated');
  const closed = await client.whenClosed();
  assert.deepEqual([closed.code, closed.reason], [1001, 'module exited']);
  assert.deepEqual(await db.rows('SELECT * FROM item'), []);
  const empty = await http.send('PUT', `${t.url}/v1/database/${db.name}/reset`, {
    headers: http.bearer(db.owner.token),
  });
  assert.equal(empty.status, 200, 'an empty body keeps the program');
});

test('a deleted database is gone, its clients told; a locked one stays', async t => {
  const db = await t.publish('migrate/first');
  const at = `${t.url}/v1/database/${db.name}`;
  const headers = http.bearer(db.owner.token);
  const client = await db.raw();
  assert.equal((await http.send('POST', `${at}/lock`, { headers })).status, 200);
  const locked = await http.send('DELETE', at, { headers });
  assert.equal(locked.status, 403);
  assert.match(locked.text, /^Database is locked and cannot be deleted/);
  assert.equal(
    (await db.publish(await bundle('migrate/first'), { query: { clear: true } })).status,
    403,
  );
  assert.equal((await db.publish(await bundle('migrate/changed_function'))).status, 200);
  assert.equal((await http.send('POST', `${at}/unlock`, { headers })).status, 200);
  assert.equal((await http.send('DELETE', at, { headers })).status, 200);
  assert.deepEqual(
    [(await client.whenClosed()).code, client.closed.reason],
    [1001, 'module exited'],
  );
  assert.equal((await db.sql('SELECT * FROM item')).status, 404);
  assert.equal((await db.publish(await bundle('migrate/first'))).status, 200, 'made anew');
  assert.deepEqual(await db.rows('SELECT * FROM item'), [[0, 'from init']]);
});

test('deleting ends an interval reducer: no update and no line come after it (PUB-14)', async t => {
  const db = await t.publish('timers');
  const at = `${t.url}/v1/database/${db.name}`;
  const headers = http.bearer(db.owner.token);
  const client = await db.raw();
  client.subscribe(1, 'SELECT * FROM fired');
  await client.take('SubscribeApplied');
  const begun = performance.now();
  assert.equal((await db.call('every', [100_000, 'beat'])).status, 200);
  const updates = () => client.messages.filter(one => one.kind === 'TransactionUpdate').length;
  await eventually(() => updates() >= 3, 'three beats');
  await sleep(Math.max(0, 2000 - (performance.now() - begun)));
  assert.equal((await http.send('DELETE', at, { headers })).status, 200);
  const deleted = performance.now();
  assert.equal((await client.whenClosed()).code, 1001);
  const seen = updates();
  assert.ok(seen <= 50 && seen <= (deleted - begun) / 100 + 1, `${seen} updates`);
  assert.equal((await http.send('GET', `${at}/logs`, { headers })).status, 404);
  assert.equal((await db.publish(await bundle('timers'))).status, 200, 'made anew');
  await sleep(500);
  assert.deepEqual(await db.rows('SELECT * FROM fired'), []);
  const lines = await db.logs();
  assert.ok(!lines.some(line => line.function === 'fire_again'), JSON.stringify(lines));
  assert.equal(updates(), seen);
});

test('an update goes on when its publisher hangs up (PUB-07)', async t => {
  const db = await t.publish('migrate/first');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM item');
  const slow = 'let sum = 0; for (let i = 0; i < 300_000_000; i++) sum = (sum + i) | 0;';
  const program = `${await bundle('migrate/changed_function')}\n${slow}\n`;
  const target = new URL(`${t.url}/v1/database/${db.name}?host_type=Js`);
  const publisher = request(target, {
    method: 'PUT',
    headers: { ...http.bearer(db.owner.token), 'content-length': Buffer.byteLength(program) },
    agent: false,
  });
  let answered = false;
  publisher.on('response', () => (answered = true));
  publisher.on('error', () => {});
  await new Promise(resolve => publisher.end(program, resolve));
  await sleep(50); // The last bytes have left; the module is being loaded for far longer than that.
  assert.equal(answered, false);
  publisher.destroy();
  const isNew = async () => (await db.call('a_drop', [0])).status === 200;
  await eventually(isNew, 'the new module', 30_000);
  await client.reducers.add({ id: 2, name: 'y' });
  assert.ok(client.rows('item').some(row => row.name === 'second: y'));
  assert.equal(client.events.disconnects, 0);
});

test('the migration token is the hash of chapter 04, and a wrong one is refused', async t => {
  assert.equal(
    keccak256('').toString('hex'),
    'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
  );
  const db = await t.publish('migrate/first');
  const at = `${t.url}/v1/database/${db.name}`;
  const old = keccak256(await bundle('migrate/first'));
  const program = await bundle('migrate/changed_function');
  assert.equal((await http.send('GET', at)).json().initial_program, printed(old));
  const identity = (await http.send('GET', `${at}/identity`)).text;
  const expected = printed(
    keccak256(identity + old.toString('hex') + keccak256(program).toString('hex')),
  );
  const plan = await http.prePublish(t.url, db.name, program, { token: db.owner.token });
  const { token } = plan.json().AutoMigrate;
  assert.equal(token, expected);
  const wrong = await db.publish(program, { query: { policy: 'BreakClients', token: '0x1234' } });
  assert.equal(wrong.status, 400);
  assert.equal(
    wrong.text,
    'Failed to create or update the database: ' +
      'Token provided is invalid or does not match expected hash',
  );
  const right = await db.publish(program, { query: { policy: 'BreakClients', token } });
  assert.equal(right.status, 200, right.text);
});
