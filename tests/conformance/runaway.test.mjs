// Scripts that ask for more than a module may have: each call gets an error, and the server, the
// database and its neighbour go on (chapter 03, sections 3.9 and 3.11).
import {Writer} from './bsatn.mjs';
import {bundleOfDefinition, SAY_DEFINITION} from './bundle.mjs';
import {assert, test} from './harness.mjs';

// `say` runs its argument and answers with what came of it.
const PROGRAM = bundleOfDefinition(
    SAY_DEFINITION,
    `const text = new TextDecoder().decode(new Uint8Array(args.buffer, args.byteOffset + 4,
    args.byteLength - 4));
  let answer;
  try { answer = String((0, eval)(text)); } catch (e) { answer = e.name + ': ' + e.message; }
  throw new UserError(answer.slice(0, 100));`,
);

const MEMORY = /^The instance encountered a fatal error\.$/;  // Ended as at the heap limit.
const BUDGET = /^reducer ran out of energy$/;
const LENGTH = /^RangeError: Invalid (array|string) length/;

// Name -> [script, what the caller must be told].
const GREEDY = {
  'a list that grows by push': ['const a = []; for (;;) a.push(0)', MEMORY],
  'a list that grows by assignment': ['const a = []; for (let i = 0; ; i++) a[i] = 0.5', MEMORY],
  'a list that is spread into itself': [
    'let a = new Array(2 ** 24).fill(0); for (;;) a = [...a, ...a]',
    MEMORY,
  ],
  'a list that is joined to itself': [
    'let a = new Array(2 ** 24).fill(0); for (;;) a = a.concat(a)',
    /^RangeError: Invalid array length|^The instance/,
  ],
  'a list made full': ['new Array(2 ** 27).fill(0)', LENGTH],
  'a list made by its length': ['Array.from({ length: 2 ** 32 - 1 })', LENGTH],
  'a list parsed': ['JSON.parse("[" + "0,".repeat(2 ** 27 + 10) + "0]").length', LENGTH],
  'a text that doubles': ['let s = "x"; for (;;) s = s.repeat(2)', LENGTH],
  'array buffers': ['const a = []; for (;;) a.push(new ArrayBuffer(2 ** 27))', /^RangeError: /],
  'memories of WebAssembly': [
    'const a = []; for (;;) a.push(new WebAssembly.Memory({ initial: 2000 }))',
    /./,
  ],
  'a huge power': ['2n ** (2n ** 31n)', /^RangeError: Maximum BigInt size exceeded/],
  'endless recursion through a conversion': [
    'const o = { toString() { return String(o) + 1; } }; String(o)',
    /^RangeError: Maximum call stack size exceeded/,
  ],
  'endless recursion through a comparator': [
    'const f = () => [3, 2].sort(f)[0]; f()',
    /^RangeError: Maximum call stack size exceeded/,
  ],
  'a function of a million parentheses': [
    'new Function("return " + "(".repeat(1e6) + ")".repeat(1e6))',
    /^(RangeError|SyntaxError): /,
  ],
};
const ENDLESS = {
  'a regular expression that backtracks': ['/^(a+)+$/.test("a".repeat(40) + "b")', BUDGET],
  'a comparator that never returns': ['[3, 2, 1].sort(() => { for (;;); })', BUDGET],
  'numbers that square themselves': ['let a = 3n; for (;;) a *= a', /./],
  'a map that grows': ['const m = new Map(); for (let i = 0; ; i++) m.set(i, i)', /./],
};

async function survives(t, cases, flags) {
  const server = await t.startServer({flags});
  const db = await t.publish('by hand', {url: server.url, program: PROGRAM});
  const neighbour = await t.publish('by hand', {url: server.url, program: PROGRAM});
  for (const [name, [script, told]] of Object.entries(cases)) {
    const client = await db.raw();
    const call = client.call('say', new Writer().string(script).end());
    const meanwhile = await neighbour.call('say', ['1 + 1']);
    assert.deepEqual([meanwhile.status, meanwhile.text], [530, '2'], `beside ${name}`);
    const answer = await client.answer(call, 60_000);
    const text = answer.error ?? answer.outcome;
    assert.match(text, told, `${name}: ${text}`);
    const after = await db.call('say', ['2 + 2']);
    assert.deepEqual([after.status, after.text], [530, '4'], `behind ${name}`);
    client.close();
  }
  assert.ok(server.alive);
  assert.equal((await server.stop('SIGTERM')).code, 0, server.errors.slice(-3).join('\n'));
}

test(
    'scripts that take without end are ended, and nothing else',
    t => survives(t, GREEDY, ['--set', 'limits.call-budget=2m']),  // They take seconds of work.
    {ms: 180_000},
);
test(
    'scripts that run without end are ended by their budget, and nothing else',
    t => survives(t, ENDLESS, ['--set', 'limits.call-budget=1s']),
    {ms: 120_000},
);
