// Tests are plain async functions in a list; each gets a Context that cleans up after itself.
import assert from 'node:assert/strict';
import * as sdk from 'spacetimedb';
import { bindings } from './bindings.mjs';
import { bundle } from './bundle.mjs';
import * as http from './http_api.mjs';
import { RawClient } from './raw_client.mjs';
import { PATIENCE, ServerProcess } from './server_process.mjs';

export { assert };
export const tests = [];
const TEST_MS_MAX = 60_000;
let databases = 0;

sdk.setGlobalLogLevel?.('error');
// The clients before 2.10 call it, and Node has it from 22 on only.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

/** Registers a test; its name is a sentence about behaviour. */
export function test(name, body, { ms = TEST_MS_MAX } = {}) {
  tests.push({ name, body, ms, file: test.file });
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Waits until the condition is truthy and gives its value. */
export async function eventually(condition, what = 'the condition', ms = 10_000) {
  const end = performance.now() + ms * PATIENCE;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`${what} did not come true in ${ms} ms`);
    await sleep(10);
  }
}

/** A database that was published by this test. */
class Database {
  constructor(context, url, name, owner) {
    Object.assign(this, { context, url, name, owner });
  }
  sql(statement, token = this.owner.token) {
    return http.sql(this.url, this.name, statement, { token });
  }
  rows(statement, token = this.owner.token) {
    return http.rows(this.url, this.name, statement, { token });
  }
  call(reducer, args = [], token = this.owner.token) {
    return http.call(this.url, this.name, reducer, args, { token });
  }
  logs() {
    return http.logs(this.url, this.name, this.owner.token);
  }
  publish(program, options = {}) {
    return http.publish(this.url, this.name, program, { token: this.owner.token, ...options });
  }
  raw(options) {
    return this.context.raw(this, options);
  }
  connect(options) {
    return this.context.connect(this, options);
  }
}

export class Context {
  constructor(shared) {
    this.shared = shared;
    this.binary = shared.binary;
    this.url = shared.server.url;
    this.cleanups = [];
  }

  /** A server process of this test's own. */
  async startServer(options) {
    const server = await ServerProcess.start(this.binary, options);
    this.cleanups.push(() => server.dispose());
    return server;
  }

  /** A new database that runs modules/NAME.ts. */
  async publish(module, { url = this.url, program, ...options } = {}) {
    const owner = await http.newIdentity(url);
    const name = `t-${process.pid}-${++databases}`;
    const answer = await http.publish(url, name, program ?? (await bundle(module, options)), {
      token: owner.token,
    });
    assert.equal(answer.status, 200, `publish ${module}: ${answer.status} ${answer.text}`);
    return new Database(this, url, name, owner);
  }

  async raw(database, options = {}) {
    const client = await RawClient.open(database.url, database.name, options);
    this.cleanups.push(() => client.close());
    if (client.status === 101 && options.greeting !== false) {
      client.hello = await client.take('InitialConnection');
    }
    return client;
  }

  /** A connection of the npm client; rejects with what onConnectError was given. */
  async connect(database, { token, compression, npm, light, confirmed, configure } = {}) {
    const library = npm ? await import(npm) : sdk;
    library.setGlobalLogLevel?.('error');
    const definition = await http.schema(database.url, database.name);
    const { DbConnection, names, queries } = bindings(library, definition);
    const events = { disconnects: 0 };
    const connected = new Promise((resolve, reject) => {
      const builder = DbConnection.builder()
        .withUri(database.url)
        [
          npm && /2-0/.test(npm) && !DbConnection.builder().withDatabaseName
            ? 'withModuleName'
            : 'withDatabaseName'
        ](database.name)
        .onConnect((connection, identity, issued) =>
          resolve({ connection, identity, token: issued }),
        )
        .onConnectError((_, error) => reject(error ?? new Error('connect error')))
        .onDisconnect((_, error) => {
          events.disconnects++;
          events.error = error;
          reject(error ?? new Error('disconnected before it was connected'));
        });
      if (token) builder.withToken(token);
      if (compression) builder.withCompression(compression);
      if (light !== undefined) builder.withLightMode(light);
      if (confirmed !== undefined) builder.withConfirmedReads(confirmed);
      configure?.(builder);
      const connection = builder.build();
      this.cleanups.push(() => connection.disconnect());
    });
    const client = new Client(await within(connected, 15_000, 'connect'), events, names, queries);
    return client;
  }

  async dispose() {
    for (const cleanup of this.cleanups.reverse()) {
      try {
        await cleanup();
      } catch {
        // What a test leaves behind must not hide how it ended.
      }
    }
  }
}

/** An npm connection with promises around its callbacks. */
export class Client {
  constructor({ connection, identity, token }, events, names, queries) {
    Object.assign(this, { connection, identity, token, events, names, queries });
    this.db = connection.db;
    this.reducers = connection.reducers;
  }

  subscribe(...subscribed) {
    return within(
      new Promise((resolve, reject) => {
        const handle = this.connection
          .subscriptionBuilder()
          .onApplied(() => resolve(handle))
          .onError(context => reject(context.event ?? new Error('subscription error')))
          .subscribe(subscribed);
      }),
      30_000,
      `subscribe ${subscribed}`,
    );
  }

  unsubscribe(handle) {
    return within(new Promise(resolve => handle.unsubscribeThen(resolve)), 15_000, 'unsubscribe');
  }

  rows(table) {
    return [...this.db[table].iter()];
  }

  disconnect() {
    this.connection.disconnect();
  }
}

export function within(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms * PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The error a promise is rejected with; fails if it is fulfilled. */
export async function rejected(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('was expected to be refused');
}

/** A value in a form that compares bit for bit: NaN payloads, zeros and bigints included. */
export function exact(value) {
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return `${value} ${bytes.toString('hex')}`;
  }
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(exact);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, exact(part)]));
  }
  return value;
}
