// Every type at its extremes, through reducer arguments, tables, subscriptions and SQL.
import { ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp, Uuid } from 'spacetimedb';
import { Writer } from './bsatn.mjs';
import { assert, exact, test } from './harness.mjs';

const bits = n => (1n << BigInt(n)) - 1n;
const double = hex => Buffer.from(hex, 'hex').readDoubleBE();
const single = hex => Buffer.from(hex, 'hex').readFloatBE();
const unsigned = {
  u8: 255,
  u16: 65535,
  u32: 4294967295,
  u64: bits(64),
  u128: bits(128),
  u256: bits(256),
};
const most = {
  i8: 127,
  i16: 32767,
  i32: 2147483647,
  i64: bits(63),
  i128: bits(127),
  i256: bits(255),
};
const least = {
  i8: -128,
  i16: -32768,
  i32: -2147483648,
  i64: -bits(63) - 1n,
  i128: -bits(127) - 1n,
  i256: -bits(255) - 1n,
};
const zero = {
  u8: 0,
  u16: 0,
  u32: 0,
  u64: 0n,
  u128: 0n,
  u256: 0n,
  i8: 0,
  i16: 0,
  i32: 0,
  i64: 0n,
  i128: 0n,
  i256: 0n,
};
const TEXT = 'a\u0000b \u00e9 e\u0301 \u{1f600} \u4e2d\uffff "quoted" \'single\' \\ \n\r\t end';

const SCALARS = [
  { ...zero, f32: 0, f64: 0, yes: false, text: '', bytes: new Uint8Array() },
  {
    ...unsigned,
    ...most,
    f32: single('7f7fffff'),
    f64: Number.MAX_VALUE,
    yes: true,
    text: TEXT,
    bytes: Uint8Array.from({ length: 256 }, (_, i) => i),
  },
  {
    ...unsigned,
    ...least,
    f32: single('00000001'),
    f64: Number.MIN_VALUE,
    yes: false,
    text: '\u{10ffff}',
    bytes: new Uint8Array([0]),
  },
  {
    ...zero,
    i8: -1,
    i16: -1,
    i32: -1,
    i64: -1n,
    i128: -1n,
    i256: -1n,
    f32: -Infinity,
    f64: Infinity,
    yes: true,
    text: 'x'.repeat(100_000),
    bytes: new Uint8Array(100_000).fill(7),
  },
  {
    ...zero,
    u64: 1n << 63n,
    u128: 1n << 127n,
    u256: 1n << 255n,
    f32: -0,
    f64: -0,
    yes: true,
    text: ' ',
    bytes: new Uint8Array([255, 0, 255]),
  },
  {
    ...zero,
    u64: 9007199254740993n,
    i64: -9007199254740993n,
    f32: single('00800000'),
    f64: double('3ff0000000000001'),
    yes: true,
    text: 'last',
    bytes: new Uint8Array(1),
  },
];

test('scalars at their extremes come back bit for bit', async t => {
  const db = await t.publish('types');
  const [writer, reader] = [await db.connect(), await db.connect()];
  await writer.subscribe('SELECT * FROM scalar');
  await reader.subscribe('SELECT * FROM scalar');
  for (const [id, row] of SCALARS.entries()) await writer.reducers.addScalar({ id, ...row });
  const late = await db.connect();
  await late.subscribe('SELECT * FROM scalar');
  for (const client of [writer, late]) {
    for (const [id, row] of SCALARS.entries()) {
      assert.deepEqual(exact(client.db.scalar.id.find(id)), exact({ id, ...row }), `row ${id}`);
    }
  }
  assert.equal(reader.rows('scalar').length, SCALARS.length);
});

test('NaN keeps its payload from the frame of the call to the frame of the update', async t => {
  const db = await t.publish('types');
  const client = await db.raw();
  client.subscribe(0, 'SELECT * FROM scalar');
  await client.take('SubscribeApplied');
  const args = new Writer().u32(1);
  for (const size of [1, 2, 4, 8, 16, 32, 1, 2, 4, 8, 16, 32]) args.raw(Buffer.alloc(size, 0xa5));
  args.raw(Buffer.from('0100a07f', 'hex')).raw(Buffer.from('010000000000f47f', 'hex'));
  args.u8(1).string('nan').bytes([1, 2, 3]);
  const bytes = args.end();
  const result = await client.answer(client.call('add_scalar', bytes));
  assert.equal(result.outcome, 'Ok', result.error);
  // The module reads the row as JavaScript values: doubles keep any NaN that is quiet or not, but
  // a float widened to a double may become quiet, so only the quiet bit of f32 is left out.
  const row = Buffer.from(result.sets[0].tables[0].rows[0].inserts[0]);
  const at = 4 + 126;
  row[at + 2] |= 0x40;
  const expected = Buffer.from(bytes);
  expected[at + 2] |= 0x40;
  row[at + 4 + 6] |= 0x08;
  expected[at + 4 + 6] |= 0x08;
  assert.equal(row.toString('hex'), expected.toString('hex'));
});

const SPECIALS = [
  {
    identity: new Identity(0n),
    connection: new ConnectionId(0n),
    moment: new Timestamp(0n),
    duration: new TimeDuration(0n),
    schedule: ScheduleAt.interval(0n),
    uuid: Uuid.NIL,
  },
  {
    identity: new Identity(bits(256)),
    connection: new ConnectionId(bits(128)),
    moment: new Timestamp(bits(63)),
    duration: new TimeDuration(bits(63)),
    schedule: ScheduleAt.time(bits(63)),
    uuid: Uuid.MAX,
  },
  {
    identity: new Identity(1n),
    connection: new ConnectionId(1n),
    moment: new Timestamp(-bits(63) - 1n),
    duration: new TimeDuration(-bits(63) - 1n),
    schedule: ScheduleAt.interval(-1n),
    uuid: new Uuid(0x0123456789abcdef0123456789abcdefn),
  },
];

test('identities, times and their like come back bit for bit', async t => {
  const db = await t.publish('types');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM special');
  for (const [id, row] of SPECIALS.entries()) await client.reducers.addSpecial({ id, ...row });
  for (const [id, row] of SPECIALS.entries()) {
    assert.deepEqual(exact(client.db.special.id.find(id)), exact({ id, ...row }), `row ${id}`);
  }
});

const unit = tag => ({ tag, value: {} });
const point = { x: 1.5, y: -2.25 };
const NESTED = [
  {
    shape: unit('Nothing'),
    colour: unit('Red'),
    maybe: undefined,
    outcome: { ok: 7 },
    words: [],
    matrix: [],
    shapes: [],
    empty: {},
    object: { a: undefined, b: [] },
  },
  {
    shape: { tag: 'Circle', value: { centre: point, radius: 3 } },
    colour: unit('Blue'),
    maybe: '',
    outcome: { ok: 4294967295 },
    words: ['', TEXT, 'x'.repeat(70_000)],
    matrix: [[], [1, -32768], [32767]],
    shapes: [
      { tag: 'Label', value: 'l' },
      { tag: 'Points', value: [point, point] },
      unit('Nothing'),
    ],
    empty: {},
    object: { a: point, b: [unit('Green'), unit('Red')] },
  },
];

test('sums, options, results and arrays of arrays keep their shape', async t => {
  const db = await t.publish('types');
  const client = await db.connect();
  await client.subscribe('SELECT * FROM nested');
  for (const [id, row] of NESTED.entries()) await client.reducers.addNested({ id, ...row });
  const plain = value => JSON.parse(JSON.stringify(value));
  for (const [id, row] of NESTED.entries()) {
    const found = plain(client.db.nested.id.find(id));
    const expected = plain({ id, ...row });
    for (const key of [
      'shape',
      'colour',
      'maybe',
      'outcome',
      'words',
      'matrix',
      'shapes',
      'object',
    ]) {
      assert.deepEqual(found[key], expected[key], `${key} of row ${id}`);
    }
  }
});

test('keys of every type are found by the bytes they were given', async t => {
  const db = await t.publish('types');
  const client = await db.connect();
  await client.subscribe(
    ...['U8', 'I64', 'U128', 'I256', 'Text', 'Bool', 'Identity', 'Colour'].map(
      name => `SELECT * FROM key${name}`,
    ),
  );
  const high = {
    u8: 255,
    i64: bits(63),
    u128: bits(128),
    i256: bits(255),
    text: TEXT,
    yes: true,
    identity: new Identity(bits(256)),
    colour: unit('Blue'),
    n: 1,
  };
  const low = {
    u8: 0,
    i64: -bits(63) - 1n,
    u128: 0n,
    i256: -bits(255) - 1n,
    text: '',
    yes: false,
    identity: new Identity(0n),
    colour: unit('Red'),
    n: 10,
  };
  await client.reducers.roundKeys(high);
  await client.reducers.roundKeys(low);
  for (const table of [
    'keyU8',
    'keyI64',
    'keyU128',
    'keyI256',
    'keyText',
    'keyBool',
    'keyIdentity',
    'keyColour',
  ]) {
    assert.deepEqual(
      client
        .rows(table)
        .map(row => row.n)
        .sort((a, b) => a - b),
      [2, 11],
      table,
    );
  }
  assert.deepEqual(await db.rows(`SELECT n FROM key_i_64 WHERE k = ${-bits(63) - 1n}`), [[11]]);
  assert.deepEqual(await db.rows(`SELECT n FROM key_u_128 WHERE k = ${bits(128)}`), [[2]]);
  await client.reducers.dropKeys({ text: TEXT, i64: bits(63) });
  assert.equal(client.rows('keyText').length, 1);
  assert.equal(client.rows('keyI64')[0].n, 11);
});

test('sequences count up, wrap where the type ends and skip zero as a value given', async t => {
  const db = await t.publish('types');
  assert.equal((await db.call('fill_sequences', [300])).status, 200);
  const keys = (await db.rows('SELECT * FROM sequence_u_8')).sort((a, b) => a[1] - b[1]);
  const expected = Array.from({ length: 300 }, (_, i) => (i < 255 ? i + 1 : i - 255));
  assert.deepEqual(
    keys.map(([k]) => k),
    expected,
  );
  const signed = (await db.rows('SELECT * FROM sequence_i_16')).sort((a, b) => a[1] - b[1]);
  assert.deepEqual(
    signed.map(([k]) => k),
    Array.from({ length: 300 }, (_, i) => i + 1),
  );
});

test('HTTP arguments and SQL rows carry the extremes as chapter 02 prints them', async t => {
  const db = await t.publish('types');
  const args = `[9, 255, 65535, 4294967295, 18446744073709551615,
    340282366920938463463374607431768211455, "0x${'f'.repeat(64)}", -128, -32768, -2147483648,
    -9223372036854775808, -170141183460469231731687303715884105728, "-0x8${'0'.repeat(63)}",
    1.5, -2.5, true, "text", "00ff"]`;
  const answer = await db.call('add_scalar', args);
  assert.equal(answer.status, 200, answer.text);
  const text = (await db.sql('SELECT * FROM scalar')).text.replace(/\s/g, '');
  for (const part of [
    '18446744073709551615',
    '340282366920938463463374607431768211455',
    `"0x${'f'.repeat(64)}"`,
    '-9223372036854775808',
    '-170141183460469231731687303715884105728',
    '"00ff"',
  ]) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
});
