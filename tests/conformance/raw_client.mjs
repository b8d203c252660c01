// A WebSocket client without mercy: it sends any bytes, stops reading at will, and reports what it
// sees, close codes and dropped sockets included. One object per connection.
import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { decodeAll, encode } from './bsatn.mjs';
import { PATIENCE } from './server_process.mjs';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export class RawClient {
  /** Opens a socket and upgrades. With a refusal, `status`, `headers` and `body` tell of it. */
  static async open(url, database, options = {}) {
    const client = new RawClient();
    await client.#open(new URL(url), database, options);
    return client;
  }

  constructor() {
    this.messages = [];
    this.frames = [];
    this.closed = null; // {code, reason} after a close frame, {code: 1006} after a mere end.
    this.requests = 0;
    this.waiters = new Set();
    this.buffer = Buffer.alloc(0);
    this.parts = []; // What came after `buffer`, joined when it completes a frame: once per byte.
    this.bytesKept = 0;
    this.bytesNeeded = 0;
    this.fragments = [];
    this.pings = 0;
  }

  async #open(
    url,
    database,
    {
      token,
      protocols = ['v3.bsatn.spacetimedb'],
      compression = 'None',
      query = {},
      headers = {},
      path,
    } = {},
  ) {
    const text = new URLSearchParams({ compression, ...query });
    const key = randomBytes(16).toString('base64');
    const target = path ?? `/v1/database/${database}/subscribe?${text}`;
    const lines = {
      Host: url.host,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
      'Sec-WebSocket-Protocol': protocols.join(', '),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...headers,
    };
    this.socket = connect(Number(url.port), url.hostname);
    this.socket.setNoDelay(true);
    const head = Object.entries(lines)
      .filter(([, v]) => v !== null)
      .map(([k, v]) => `${k}: ${v}\r\n`);
    this.socket.write(`GET ${target} HTTP/1.1\r\n${head.join('')}\r\n`);
    await this.#readHead();
    if (this.status !== 101) return;
    const accept = createHash('sha1')
      .update(key + GUID)
      .digest('base64');
    if (this.headers['sec-websocket-accept'] !== accept) throw new Error('wrong accept key');
    this.protocol = this.headers['sec-websocket-protocol'];
    this.#take();
  }

  #readHead() {
    return new Promise((resolve, reject) => {
      const ended = () => {
        if (this.status === undefined) reject(new Error('closed before an answer'));
        this.#finish({ code: 1006, reason: '' });
        resolve();
      };
      this.socket.on('error', () => {});
      this.socket.on('close', ended);
      this.socket.on('data', part => {
        if (this.status === 101) return this.#add(part);
        this.buffer = Buffer.concat([this.buffer, part]);
        const end = this.buffer.indexOf('\r\n\r\n');
        if (this.status === undefined && end >= 0) this.#parseHead(end);
        if (this.status === 101) return resolve();
        const length = Number(this.headers?.['content-length'] ?? 0);
        if (this.status !== undefined && this.buffer.length >= length) {
          this.body = this.buffer.toString();
          resolve();
        }
      });
    });
  }

  #parseHead(end) {
    const [first, ...rest] = this.buffer.subarray(0, end).toString().split('\r\n');
    this.status = Number(first.split(' ')[1]);
    this.headers = Object.fromEntries(
      rest.map(line => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    this.buffer = this.buffer.subarray(end + 4);
  }

  #add(part) {
    this.parts.push(part);
    this.bytesKept += part.length;
    if (this.buffer.length + this.bytesKept < this.bytesNeeded) return;
    this.buffer = Buffer.concat([this.buffer, ...this.parts.splice(0)]);
    this.bytesKept = 0;
    this.#take();
  }

  /** Takes whole frames out of the buffer. */
  #take() {
    let at = 0;
    for (;;) {
      const frame = parseFrame(this.buffer, at);
      this.bytesNeeded = frame.end - at;
      if (!frame.payload) break;
      at = frame.end;
      this.#frame(frame);
    }
    if (at > 0) this.buffer = this.buffer.subarray(at);
  }

  #frame({ opcode, fin, payload, rsv, masked }) {
    if (rsv || masked) throw new Error('a frame with RSV bits or a mask from the server');
    if (opcode === 8) {
      const code = payload.length >= 2 ? payload.readUInt16BE() : 1005;
      this.#finish({
        code,
        reason: payload.subarray(2).toString(),
        reasonBytes: payload.length - 2,
      });
      this.send(payload, 8);
      return;
    }
    if (opcode === 9) {
      this.pings++;
      if (!this.ignorePings) this.send(payload, 10);
      return;
    }
    if (opcode === 10) return this.#wake();
    this.fragments.push(payload);
    if (!fin) return;
    const whole = Buffer.concat(this.fragments);
    this.fragments = [];
    this.#message(whole);
  }

  #message(whole) {
    const inflate = [bytes => bytes, brotliDecompressSync, gunzipSync][whole[0]];
    if (!inflate) throw new Error(`unknown compression tag ${whole[0]}`);
    const body = inflate(whole.subarray(1));
    this.frames.push({ tag: whole[0], wireBytes: whole.length, bytes: body.length });
    for (const message of decodeAll(body)) {
      if (this.onMessage) this.onMessage(message);
      else this.messages.push(message);
    }
    this.#wake();
  }

  #finish(how) {
    this.closed ??= how;
    this.#wake();
  }

  #wake() {
    for (const waiter of [...this.waiters]) waiter();
  }

  /** Sends one frame, masked as a client must, unless the options say to break that. */
  send(payload, opcode = 2, { fin = true, mask = true, rsv = 0 } = {}) {
    if (this.socket.destroyed) return;
    const length = payload.length;
    const head = [(fin ? 128 : 0) | (rsv << 4) | opcode];
    const bit = mask ? 128 : 0;
    if (length < 126) head.push(bit | length);
    else if (length < 65536) head.push(bit | 126, length >> 8, length & 255);
    else head.push(bit | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map(shift => (length >>> shift) & 255));
    // A mask of zeros is legal and leaves the payload as it is: no copy for the load tests.
    this.socket.cork();
    this.socket.write(Buffer.from(mask ? [...head, 0, 0, 0, 0] : head));
    this.socket.write(payload);
    this.socket.uncork();
  }

  call(reducer, args = []) {
    this.send(encode.callReducer(++this.requests, reducer, args));
    return this.requests;
  }
  subscribe(set, ...queries) {
    this.send(encode.subscribe(++this.requests, set, queries));
    return this.requests;
  }

  /** The first message that fits, now or later, taken out of the list. */
  async take(fits, ms = 10_000) {
    const test = typeof fits === 'string' ? message => message.kind === fits : fits;
    let found = null;
    await this.until(
      () => {
        const at = this.messages.findIndex(test);
        if (at >= 0) [found] = this.messages.splice(at, 1);
        return found !== null || this.closed !== null;
      },
      ms,
      () => `no message ${fits}; have ${this.messages.map(m => m.kind)}`,
    );
    if (!found) throw new Error(`closed ${JSON.stringify(this.closed)} instead of ${fits}`);
    return found;
  }

  answer(request, ms) {
    return this.take(message => message.request === request, ms);
  }

  async whenClosed(ms = 10_000) {
    await this.until(
      () => this.closed !== null,
      ms,
      () => 'still open',
    );
    return this.closed;
  }

  until(condition, ms, complaint) {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.delete(waiter);
        reject(new Error(`after ${ms} ms: ${complaint()}`));
      }, ms * PATIENCE);
      const waiter = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.waiters.delete(waiter);
        resolve();
      };
      this.waiters.add(waiter);
    });
  }

  pause() {
    this.socket.pause();
  }
  resume() {
    this.socket.resume();
  }
  close() {
    this.socket.destroy();
  }
}

/** The frame at `at`; of one that is not whole yet, only the end that is known so far. */
function parseFrame(buffer, at) {
  let begin = at + 2;
  if (buffer.length < begin) return { end: begin };
  let length = buffer[at + 1] & 127;
  if (length >= 126) {
    const isLong = length === 127;
    begin += isLong ? 8 : 2;
    if (buffer.length < begin) return { end: begin };
    length = isLong ? Number(buffer.readBigUInt64BE(at + 2)) : buffer.readUInt16BE(at + 2);
  }
  const end = begin + length;
  if (buffer.length < end) return { end };
  return {
    opcode: buffer[at] & 15,
    fin: (buffer[at] & 128) !== 0,
    rsv: buffer[at] & 112,
    masked: (buffer[at + 1] & 128) !== 0,
    payload: buffer.subarray(begin, end),
    end,
  };
}
