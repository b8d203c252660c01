// Just enough BSATN for the frames of protocol v2 and v3 (chapter 02, sections 6 and 7).

export class Writer {
  constructor() {
    this.parts = [];
  }
  raw(bytes) {
    this.parts.push(Buffer.from(bytes));
    return this;
  }
  u8(value) {
    return this.raw([value]);
  }
  u16(value) {
    return this.raw([value & 255, value >> 8]);
  }
  u32(value) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    return this.raw(bytes);
  }
  u64(value) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
    return this.raw(bytes);
  }
  bytes(value) {
    return this.u32(value.length).raw(value);
  }
  string(value) {
    return this.bytes(Buffer.from(value));
  }
  end() {
    return Buffer.concat(this.parts);
  }
}

export class Reader {
  constructor(bytes) {
    this.data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }
  get left() {
    return this.data.length - this.at;
  }
  raw(length) {
    if (this.left < length) throw new Error(`needs ${length} bytes, has ${this.left}`);
    this.at += length;
    return this.data.subarray(this.at - length, this.at);
  }
  u8() {
    return this.raw(1)[0];
  }
  u16() {
    return this.raw(2).readUInt16LE();
  }
  u32() {
    return this.raw(4).readUInt32LE();
  }
  u64() {
    return this.raw(8).readBigUInt64LE();
  }
  i64() {
    return this.raw(8).readBigInt64LE();
  }
  bytes() {
    return this.raw(this.u32());
  }
  string() {
    return this.bytes().toString();
  }
  array(item) {
    return Array.from({ length: this.u32() }, item);
  }
}

export const encode = {
  subscribe: (request, set, queries) => {
    const out = new Writer().u8(0).u32(request).u32(set).u32(queries.length);
    for (const query of queries) out.string(query);
    return out.end();
  },
  unsubscribe: (request, set, flags = 1) =>
    new Writer().u8(1).u32(request).u32(set).u8(flags).end(),
  oneOffQuery: (request, query) => new Writer().u8(2).u32(request).string(query).end(),
  callReducer: (request, name, args = [], flags = 0) =>
    new Writer().u8(3).u32(request).u8(flags).string(name).bytes(args).end(),
  callProcedure: (request, name, args = []) =>
    new Writer().u8(4).u32(request).u8(0).string(name).bytes(args).end(),
};

/** All messages of one frame body (after its tag byte, inflated). */
export function decodeAll(body) {
  const reader = new Reader(body);
  const messages = [];
  while (reader.left > 0) messages.push(decodeOne(reader));
  return messages;
}

function decodeOne(reader) {
  const tag = reader.u8();
  switch (tag) {
    case 0:
      return {
        kind: 'InitialConnection',
        identity: hex(reader.raw(32)),
        connection: hex(reader.raw(16)),
        token: reader.string(),
      };
    case 1:
      return {
        kind: 'SubscribeApplied',
        request: reader.u32(),
        set: reader.u32(),
        tables: queryRows(reader),
      };
    case 2:
      return {
        kind: 'UnsubscribeApplied',
        request: reader.u32(),
        set: reader.u32(),
        tables: reader.u8() === 0 ? queryRows(reader) : null,
      };
    case 3:
      return {
        kind: 'SubscriptionError',
        request: reader.u8() === 0 ? reader.u32() : null,
        set: reader.u32(),
        error: reader.string(),
      };
    case 4:
      return { kind: 'TransactionUpdate', sets: querySets(reader) };
    case 5: {
      const request = reader.u32();
      return reader.u8() === 0
        ? { kind: 'OneOffQueryResult', request, tables: queryRows(reader) }
        : { kind: 'OneOffQueryResult', request, error: reader.string() };
    }
    case 6:
      return {
        kind: 'ReducerResult',
        request: reader.u32(),
        timestamp: reader.i64(),
        ...outcome(reader),
      };
    case 7:
      return procedureResult(reader);
    default:
      throw new Error(`unknown server message ${tag}`);
  }
}

function outcome(reader) {
  const tag = reader.u8();
  if (tag === 0) return { outcome: 'Ok', value: reader.bytes(), sets: querySets(reader) };
  if (tag === 1) return { outcome: 'OkEmpty', sets: [] };
  if (tag === 2) return { outcome: 'Err', error: new Reader(reader.bytes()).string() };
  return { outcome: 'InternalError', error: reader.string() };
}

function procedureResult(reader) {
  const tag = reader.u8();
  const result = tag === 0 ? { value: reader.bytes() } : { error: reader.string() };
  return {
    kind: 'ProcedureResult',
    ...result,
    timestamp: reader.i64(),
    duration: reader.i64(),
    request: reader.u32(),
  };
}

const querySets = reader =>
  reader.array(() => ({
    set: reader.u32(),
    tables: reader.array(() => ({
      table: reader.string(),
      rows: reader.array(() => tableRows(reader)),
    })),
  }));

function tableRows(reader) {
  if (reader.u8() === 0) return { inserts: rowList(reader), deletes: rowList(reader) };
  return { events: rowList(reader) };
}

const queryRows = reader => reader.array(() => ({ table: reader.string(), rows: rowList(reader) }));

/** The rows as separate buffers; throws when the hint and the data disagree. */
function rowList(reader) {
  if (reader.u8() === 0) {
    const size = reader.u16();
    const data = reader.bytes();
    if (size === 0 || data.length % size)
      throw new Error(`rows of ${size} in ${data.length} bytes`);
    return Array.from({ length: data.length / size }, (_, i) =>
      data.subarray(i * size, (i + 1) * size),
    );
  }
  const offsets = reader.array(() => Number(reader.u64()));
  const data = reader.bytes();
  return offsets.map((begin, i) => {
    const end = offsets[i + 1] ?? data.length;
    if (begin > end || end > data.length) throw new Error(`row ${i} from ${begin} to ${end}`);
    return data.subarray(begin, end);
  });
}

const hex = bytes => Buffer.from(bytes).reverse().toString('hex');
