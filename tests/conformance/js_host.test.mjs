// What a JavaScript module finds around it (chapter 03, section 3), seen by modules written by hand
// on the system modules, without npm.
import {Writer} from './bsatn.mjs';
import {bundleOfDefinition, SAY_DEFINITION} from './bundle.mjs';
import {assert, test} from './harness.mjs';

/** A module whose reducer `say` runs `body`; what tell() is given comes back as the error text. */
const probe = body => bundleOfDefinition(
    SAY_DEFINITION,
    `const tell = value => { throw new UserError(String(value)); }; ${body}`,
);

async function answers(t, body, text = 'x') {
  const db = await t.publish('by hand', {program: probe(body)});
  const answer = await db.call('say', [text]);
  return [answer.status, answer.text, db];
}

// Body -> what tell() must say.
const FINDINGS = {
  'typeof id + typeof sender + typeof connection + typeof timestamp': 'numberbigintbigintbigint',
  'args instanceof DataView': 'true',
  'args.byteLength': '5',
  'args.getUint32(0, true)': '1',
  'new TextDecoder().decode(new TextEncoder().encode("\\u00e9\\ud800"))': '\u00e9\ufffd',
  'new TextEncoder().encoding': 'utf-8',
  'typeof setTimeout + typeof fetch + typeof process + typeof require + typeof structuredClone':
      'undefined'.repeat(5),
  'typeof performance + typeof crypto + typeof URL + typeof queueMicrotask': 'undefined'.repeat(4),
  'typeof Symbol.dispose': 'symbol',
  'new Set([1]).isSubsetOf(new Set([1, 2]))': 'true',
  '[3, 1, 2].toSorted().join()': '1,2,3',
  'Object.keys(Object.groupBy([1, 2, 3], n => n % 2)).join()': '0,1',
  'typeof Promise.withResolvers': 'function',
  '[...new Map([[1, 2]]).entries().map(([a, b]) => a + b)].join()': '3',
  'typeof Intl.DateTimeFormat': 'function',
  'new Intl.NumberFormat("de-DE").format(1234.5)': '1.234,5',
  '"\\u00c9".toLowerCase() + "e\\u0301".normalize("NFC")': '\u00e9\u00e9',
  '(() => { try { return Math.random; } catch (e) { return e.constructor.name + e.message; } })()':
      'TypeErrorMath.random is not available in SpacetimeDB modules. Use ctx.random instead.',
  'Math.abs(Number(timestamp) / 1000 - Date.now()) < 60000': 'true',
  'eval("1 + 1") + new Function("return 2")()': '4',
};
for (const [expression, expected] of Object.entries(FINDINGS)) {
  test(`in a module ${expression} is ${expected}`, async t => {
    const [status, text] = await answers(t, `tell(${expression});`);
    assert.deepEqual([status, text], [530, expected]);
  });
}

test('a module by hand inserts rows with the system calls alone', async t => {
  const program = probe('')
                      .replace(
                          'import { moduleHooks } from \'spacetime:sys@2.0\';',
                          `import { moduleHooks, table_id_from_name, datastore_insert_bsatn }
  from 'spacetime:sys@2.0';`,
                          )
                      .replace(
                          'const tell',
                          `const row = new Uint8Array(args.byteLength);
    row.set(new Uint8Array(args.buffer, args.byteOffset, args.byteLength));
    datastore_insert_bsatn(table_id_from_name('msg'), row.buffer, row.length);
    const tell`,
                      );
  const db = await t.publish('by hand', {program});
  const client = await db.raw();
  client.subscribe(0, 'SELECT * FROM msg');
  await client.take('SubscribeApplied');
  const long = 'y'.repeat(10_000);
  for (const text of ['hi', '', long]) {
    const result = await client.answer(client.call('say', new Writer().string(text).end()));
    assert.equal(result.outcome, 'Ok', result.error);
  }
  assert.deepEqual((await db.rows('SELECT text FROM msg')).map(([text]) => text).sort(), [
    '',
    'hi',
    long,
  ]);
  const again = await client.answer(client.call('say', new Writer().string('hi').end()));
  assert.deepEqual([again.outcome, again.sets], ['Ok', []], 'a row that is there changes nothing');
});

// Bodies that are fatal for the call, with what the module log must say of them.
const FATAL = {
  'a reducer that returns a value': [
    'return 7;',
    /Reducer returned a value other than `undefined`/,
  ],
  'a reducer that returns a promise': ['return Promise.resolve();', /other than `undefined`/],
  'a thrown string': ['throw "just text";', /just text/],
  'a thrown null': ['throw null;', /null/],
  'an unknown name': ['nonsense();', /ReferenceError/],
  'an error whose message throws': [
    'throw Object.defineProperty(new UserError(), "message", { get() { throw 1; } });',
    /./,
  ],
};
for (const [name, [body, text]] of Object.entries(FATAL)) {
  test(`${name} is fatal for its call and for nothing else`, async t => {
    const [status, answer, db] = await answers(t, body);
    assert.deepEqual([status, answer], [530, 'The instance encountered a fatal error.']);
    const panic = (await db.logs()).find(({level}) => level === 'Panic');
    assert.match(panic.message, text);
    assert.equal((await db.call('say', ['again'])).status, 530);
  });
}

test('system calls with wrong arguments throw, and never more', async t => {
  const calls = [
    'sys.table_id_from_name(7)',
    'sys.table_id_from_name()',
    'sys.table_id_from_name("nowhere")',
    'sys.index_id_from_name("nowhere")',
    'sys.datastore_table_row_count(4294967295)',
    'sys.datastore_table_row_count("x")',
    'sys.datastore_table_row_count(-1)',
    'sys.datastore_table_scan_bsatn(123456)',
    'sys.row_iter_bsatn_advance(99, new ArrayBuffer(8))',
    'sys.row_iter_bsatn_close(99)',
    'sys.datastore_insert_bsatn(1, new ArrayBuffer(4), 4)',
    'sys.datastore_insert_bsatn(4096, new ArrayBuffer(4), 400)',
    'sys.datastore_insert_bsatn(4096, new ArrayBuffer(3), 3)',
    'sys.datastore_insert_bsatn(4096, null, 3)',
    'sys.datastore_insert_bsatn(4096, new Uint8Array([255, 255, 255, 255]).buffer, 4)',
    'sys.datastore_update_bsatn(4096, 4096, new ArrayBuffer(4), 4)',
    'sys.datastore_delete_all_by_eq_bsatn(4096, new Uint8Array([255, 255, 255, 127]))',
    'sys.datastore_index_scan_point_bsatn(99, new ArrayBuffer(1), 1)',
    'sys.datastore_index_scan_range_bsatn(99, new ArrayBuffer(1), 1, 1, 1, 1)',
    'sys.console_log(2)',
    'sys.console_timer_end(7)',
    'sys.get_jwt_payload(1n)',
    'sys.get_jwt_payload(-1n)',
    'sys.procedure_start_mut_tx()',
    'sys.procedure_commit_mut_tx()',
    'sys.volatile_nonatomic_schedule_immediate("nowhere", new Uint8Array(0))',
  ];
  const program = probe(`
    const said = [];
    for (const [name, run] of calls) {
      try { run(); said.push([name, 'ran']); } catch (e) { said.push([name, 'threw']); }
    }
    tell(JSON.stringify(said));`)
                      .replace(
                          'import { moduleHooks } from \'spacetime:sys@2.0\';',
                          `import * as sys from 'spacetime:sys@2.0';
const { moduleHooks } = sys;
const calls = [${calls.map(call => `[${JSON.stringify(call)}, () => ${call}]`).join(',\n')}];`,
                      );
  const db = await t.publish('by hand', {program});
  const answer = await db.call('say', ['x']);
  assert.equal(answer.status, 530);
  const said = JSON.parse(answer.text);
  assert.equal(said.length, calls.length);
  const harmless = /console_log|get_jwt_payload\(1n\)|delete_all_by_eq|schedule_immediate/;
  for (const [name, how] of said)
    if (!harmless.test(name)) assert.equal(how, 'threw', name);
  assert.deepEqual(await db.rows('SELECT * FROM msg'), []);
  assert.equal((await db.call('say', ['x'])).status, 530, 'the instance lives on');
});
