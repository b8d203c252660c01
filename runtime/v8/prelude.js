// Evaluated in every isolate before the module: the host's globals, and the built-ins that the
// official engine has and V8 10.2 lacks. Built-ins are defined only when absent and never
// enumerable. Intrinsics are captured first: a module may patch the originals later.
(function (natives) {
  'use strict';
  const { utf8Encode, utf8Decode } = natives;
  const { defineProperty, getPrototypeOf, prototype: ObjectProto } = Object;
  const { apply, ownKeys, construct } = Reflect;
  const uncurry = fn => (self, ...args) => apply(fn, self, args);
  const hasOwn = uncurry(ObjectProto.hasOwnProperty);
  const SymbolIterator = Symbol.iterator;
  const TypedArray = getPrototypeOf(Uint8Array);
  const arraySort = uncurry(Array.prototype.sort);
  const arrayPush = uncurry(Array.prototype.push);
  const arraySplice = uncurry(Array.prototype.splice);
  const typedSort = uncurry(TypedArray.prototype.sort);
  const typedLength = uncurry(Object.getOwnPropertyDescriptor(TypedArray.prototype, 'length').get);
  const typedTag = uncurry(
    Object.getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag).get);
  const typedConstructors = {
    Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    Float32Array, Float64Array, BigInt64Array, BigUint64Array,
  };
  const setHas = uncurry(Set.prototype.has);
  const setAdd = uncurry(Set.prototype.add);
  const setDelete = uncurry(Set.prototype.delete);
  const setSize = uncurry(Object.getOwnPropertyDescriptor(Set.prototype, 'size').get);
  const setValues = uncurry(Set.prototype.values);
  const setNext = uncurry(getPrototypeOf(new Set().values()).next);
  const mapGet = uncurry(Map.prototype.get);
  const mapHas = uncurry(Map.prototype.has);
  const mapSet = uncurry(Map.prototype.set);
  const charCodeAt = uncurry(String.prototype.charCodeAt);
  const stringSlice = uncurry(String.prototype.slice);
  const stringReplace = uncurry(String.prototype.replace);
  const { floor, trunc, min } = Math;

  function define(target, name, value) {
    if (hasOwn(target, name)) return;
    defineProperty(target, name,
      { value, writable: true, enumerable: false, configurable: true });
  }
  // Methods are given as an object literal, so they are no constructors and have their names.
  function defineAll(target, methods) {
    for (const name of ownKeys(methods)) define(target, name, methods[name]);
  }
  function constant(target, name, value) {
    if (hasOwn(target, name)) return;
    defineProperty(target, name,
      { value, writable: false, enumerable: false, configurable: false });
  }
  function needFunction(value) {
    if (typeof value !== 'function') throw new TypeError(`${String(value)} is not a function`);
    return value;
  }
  function needObject(value) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null)
      throw new TypeError(`${String(value)} is not an object`);
    return value;
  }
  function toInteger(value) {
    const number = trunc(+value);
    return number !== number ? 0 : number;
  }

  // ---- Host globals ----

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return utf8Encode(`${text}`); }
  }
  class TextDecoder {
    #fatal;
    constructor(label = 'utf-8', options = undefined) {
      if (label !== 'utf-8') throw new RangeError('The encoding label provided is invalid');
      if (options?.ignoreBOM) throw new TypeError('`ignoreBOM` is not supported');
      this.#fatal = Boolean(options?.fatal);
    }
    get encoding() { return 'utf-8'; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return false; }
    decode(input = undefined, options = undefined) {
      if (options?.stream) throw new TypeError('`stream` is not supported');
      return input === undefined ? '' : utf8Decode(input, this.#fatal);
    }
  }
  define(globalThis, 'TextEncoder', TextEncoder);
  define(globalThis, 'TextDecoder', TextDecoder);
  defineProperty(Math, 'random', {
    get() {
      throw new TypeError(
        'Math.random is not available in SpacetimeDB modules. Use ctx.random instead.');
    },
    set: undefined, enumerable: false, configurable: true,
  });

  // ---- Symbols and explicit resource management ----

  constant(Symbol, 'dispose', Symbol('Symbol.dispose'));
  constant(Symbol, 'asyncDispose', Symbol('Symbol.asyncDispose'));
  const { dispose, asyncDispose } = Symbol;

  class SuppressedError extends Error {
    constructor(error, suppressed, message) {
      super(message);
      for (const [name, value] of [['error', error], ['suppressed', suppressed]])
        defineProperty(this, name,
          { value, writable: true, enumerable: false, configurable: true });
    }
  }
  define(SuppressedError.prototype, 'name', 'SuppressedError');
  define(globalThis, 'SuppressedError', SuppressedError);

  class DisposableStack {
    #stack = [];
    #disposed = false;
    #check() { if (this.#disposed) throw new ReferenceError('DisposableStack is disposed'); }
    get disposed() { return this.#disposed; }
    use(value) {
      this.#check();
      if (value === null || value === undefined) return value;
      const method = needFunction(needObject(value)[dispose]);
      arrayPush(this.#stack, () => apply(method, value, []));
      return value;
    }
    adopt(value, onDispose) {
      this.#check();
      needFunction(onDispose);
      arrayPush(this.#stack, () => onDispose(value));
      return value;
    }
    defer(onDispose) {
      this.#check();
      arrayPush(this.#stack, needFunction(onDispose));
    }
    move() {
      this.#check();
      const moved = new DisposableStack();
      moved.#stack = this.#stack;
      this.#stack = [];
      this.#disposed = true;
      return moved;
    }
    dispose() {
      if (this.#disposed) return;
      this.#disposed = true;
      const stack = this.#stack;
      this.#stack = [];
      let failed = false;
      let failure;
      for (let i = stack.length - 1; i >= 0; --i) {
        try {
          const run = stack[i];
          run();
        } catch (error) {
          failure = failed ? new SuppressedError(error, failure) : error;
          failed = true;
        }
      }
      if (failed) throw failure;
    }
    [dispose]() { this.dispose(); }
    get [Symbol.toStringTag]() { return 'DisposableStack'; }
  }
  define(globalThis, 'DisposableStack', DisposableStack);

  // ---- Set methods ----

  // The protocol of the set methods: size, has, keys of a set-like argument.
  function setRecord(other) {
    const size = toInteger(needObject(other).size);
    if (other.size === undefined || +other.size !== +other.size)
      throw new TypeError("The 'size' property must be a number");
    if (size < 0) throw new RangeError(`'${size}' is an invalid size`);
    const has = needFunction(other.has);
    const keys = needFunction(other.keys);
    return {
      size,
      has: value => Boolean(apply(has, other, [value])),
      // Calls visit(key) until it returns true.
      each(visit) {
        const iterator = needObject(apply(keys, other, []));
        const { next } = iterator;
        for (;;) {
          const step = needObject(apply(next, iterator, []));
          if (step.done) return;
          if (visit(step.value)) {
            iterator.return?.();
            return;
          }
        }
      },
    };
  }
  function eachOf(set, visit) {
    const iterator = setValues(set);
    for (let step = setNext(iterator); !step.done; step = setNext(iterator))
      if (visit(step.value)) return;
  }
  function copyOf(set) {
    const copy = new Set();
    eachOf(set, value => { setAdd(copy, value); });
    return copy;
  }
  defineAll(Set.prototype, {
    union(other) {
      setSize(this);
      const record = setRecord(other);
      const result = copyOf(this);
      record.each(value => { setAdd(result, value); });
      return result;
    },
    intersection(other) {
      const size = setSize(this);
      const record = setRecord(other);
      const result = new Set();
      if (size <= record.size)
        eachOf(this, value => { if (record.has(value)) setAdd(result, value); });
      else
        record.each(value => { if (setHas(this, value)) setAdd(result, value); });
      return result;
    },
    difference(other) {
      const size = setSize(this);
      const record = setRecord(other);
      const result = copyOf(this);
      if (size <= record.size)
        eachOf(this, value => { if (record.has(value)) setDelete(result, value); });
      else
        record.each(value => { setDelete(result, value); });
      return result;
    },
    symmetricDifference(other) {
      setSize(this);
      const record = setRecord(other);
      const result = copyOf(this);
      record.each(value => {
        if (setHas(this, value)) setDelete(result, value);
        else setAdd(result, value);
      });
      return result;
    },
    isSubsetOf(other) {
      const size = setSize(this);
      const record = setRecord(other);
      if (size > record.size) return false;
      let all = true;
      eachOf(this, value => !(all = record.has(value)));
      return all;
    },
    isSupersetOf(other) {
      const size = setSize(this);
      const record = setRecord(other);
      if (size < record.size) return false;
      let all = true;
      record.each(value => !(all = setHas(this, value)));
      return all;
    },
    isDisjointFrom(other) {
      const size = setSize(this);
      const record = setRecord(other);
      let disjoint = true;
      if (size <= record.size) eachOf(this, value => !(disjoint = !record.has(value)));
      else record.each(value => !(disjoint = !setHas(this, value)));
      return disjoint;
    },
  });

  // ---- Arrays that are copied instead of changed ----

  function lengthOf(array) {
    const length = toInteger(array.length);
    return length > 0 ? min(length, Number.MAX_SAFE_INTEGER) : 0;
  }
  function copyArray(array) {
    const source = Object(array);
    const length = lengthOf(source);
    const copy = new Array(length);
    for (let i = 0; i < length; ++i) copy[i] = source[i];
    return copy;
  }
  function indexIn(length, index) {
    const relative = toInteger(index);
    const actual = relative < 0 ? length + relative : relative;
    if (actual < 0 || actual >= length) throw new RangeError('Invalid index : ' + relative);
    return actual;
  }
  defineAll(Array.prototype, {
    toReversed() {
      const source = Object(this);
      const length = lengthOf(source);
      const copy = new Array(length);
      for (let i = 0; i < length; ++i) copy[i] = source[length - 1 - i];
      return copy;
    },
    toSorted(compare) {
      if (compare !== undefined) needFunction(compare);
      return arraySort(copyArray(this), compare);
    },
    toSpliced(...args) {
      const copy = copyArray(this);
      arraySplice(copy, ...args);
      return copy;
    },
    with(index, value) {
      const actual = indexIn(lengthOf(Object(this)), index);
      const copy = copyArray(this);
      copy[actual] = value;
      return copy;
    },
  });
  function copyTyped(array) {
    typedLength(array);
    return new typedConstructors[typedTag(array)](array);
  }
  defineAll(TypedArray.prototype, {
    toReversed() {
      const copy = copyTyped(this);
      const length = typedLength(copy);
      for (let i = 0; i < length; ++i) copy[i] = this[length - 1 - i];
      return copy;
    },
    toSorted(compare) {
      if (compare !== undefined) needFunction(compare);
      return typedSort(copyTyped(this), compare);
    },
    with(index, value) {
      const actual = indexIn(typedLength(this), index);
      const copy = copyTyped(this);
      copy[actual] = value;
      return copy;
    },
  });

  // ---- Grouping, promises, errors, strings ----

  function groupInto(items, callback, add) {
    needFunction(callback);
    let index = 0;
    for (const item of items) add(callback(item, index++), item);
  }
  defineAll(Object, {
    groupBy(items, callback) {
      const groups = Object.create(null);
      groupInto(items, callback, (key, item) => {
        const name = typeof key === 'symbol' ? key : `${key}`;
        if (hasOwn(groups, name)) arrayPush(groups[name], item);
        else groups[name] = [item];
      });
      return groups;
    },
  });
  defineAll(Map, {
    groupBy(items, callback) {
      const groups = new Map();
      groupInto(items, callback, (key, item) => {
        if (mapHas(groups, key)) arrayPush(mapGet(groups, key), item);
        else mapSet(groups, key, [item]);
      });
      return groups;
    },
  });
  defineAll(Map.prototype, {
    getOrInsert(key, value) {
      if (mapHas(this, key)) return mapGet(this, key);
      mapSet(this, key, value);
      return value;
    },
    getOrInsertComputed(key, callback) {
      needFunction(callback);
      if (mapHas(this, key)) return mapGet(this, key);
      const value = callback(key);
      mapSet(this, key, value);
      return value;
    },
  });
  defineAll(Promise, {
    withResolvers() {
      let resolve;
      let reject;
      const promise = new this((onResolve, onReject) => {
        resolve = onResolve;
        reject = onReject;
      });
      return { promise, resolve, reject };
    },
    try(callback, ...args) {
      return new this(resolve => resolve(callback(...args)));
    },
  });
  defineAll(Error, {
    isError(value) {
      return typeof value === 'object' && value !== null && natives.isError(value);
    },
  });
  // Index of the first lone surrogate from `start` on, or -1.
  function findLoneSurrogate(text, start) {
    const { length } = text;
    for (let i = start; i < length; ++i) {
      const unit = charCodeAt(text, i);
      if ((unit & 0xf800) !== 0xd800) continue;
      if (unit >= 0xdc00) return i;
      const next = i + 1 < length ? charCodeAt(text, i + 1) : 0;
      if ((next & 0xfc00) !== 0xdc00) return i;
      ++i;
    }
    return -1;
  }
  defineAll(String.prototype, {
    isWellFormed() { return findLoneSurrogate(`${this}`, 0) < 0; },
    toWellFormed() {
      const text = `${this}`;
      let result = '';
      let from = 0;
      for (let at = findLoneSurrogate(text, 0); at >= 0; at = findLoneSurrogate(text, from)) {
        result += stringSlice(text, from, at) + '\ufffd';
        from = at + 1;
      }
      return result + stringSlice(text, from);
    },
  });
  defineAll(RegExp, {
    escape(text) {
      if (typeof text !== 'string') throw new TypeError('RegExp.escape needs a string');
      const hex = c => '\\x' + (charCodeAt(c, 0) < 16 ? '0' : '') + charCodeAt(c, 0).toString(16);
      const head = stringReplace(text, /^[0-9a-zA-Z]/, hex);
      const body = stringReplace(head, head === text ? /[\^$\\.*+?()[\]{}|/]/g
        : /(?!^)[\^$\\.*+?()[\]{}|/]/g, '\\$&');
      const punctuators = stringReplace(body, /[,\-=<>#&!%:;@~'`" ]/g, hex);
      return stringReplace(punctuators, /[\t\n\v\f\r]/g,
        c => '\\' + 'tnvfr'[charCodeAt(c, 0) - 9]);
    },
  });

  // ---- Iterators ----

  const IteratorPrototype = getPrototypeOf(getPrototypeOf([][SymbolIterator]()));
  function Iterator() {
    if (new.target === undefined || new.target === Iterator)
      throw new TypeError('Abstract class Iterator not directly constructable');
  }
  if (!hasOwn(globalThis, 'Iterator')) {
    defineProperty(Iterator, 'prototype',
      { value: IteratorPrototype, writable: false, enumerable: false, configurable: false });
    define(globalThis, 'Iterator', Iterator);
    define(IteratorPrototype, 'constructor', Iterator);
    define(IteratorPrototype, Symbol.toStringTag, 'Iterator');
  }
  const done = () => ({ value: undefined, done: true });
  // What next() and return() of helpers and wrappers work on, unreachable for the module.
  const helperState = new WeakMap();
  const stateGet = uncurry(WeakMap.prototype.get);
  const stateSet = uncurry(WeakMap.prototype.set);
  function stateOf(object) {
    const state = stateGet(helperState, needObject(object));
    if (state === undefined) throw new TypeError('not an iterator helper');
    return state;
  }
  const HelperPrototype = Object.create(IteratorPrototype);
  defineAll(HelperPrototype, {
    next() {
      const state = stateOf(this);
      if (state.running) throw new TypeError('Iterator helper is already running');
      if (state.finished) return done();
      state.running = true;
      try {
        const step = state.step();
        if (step === undefined) state.finished = true;
        return step ?? done();
      } catch (error) {
        state.finished = true;
        throw error;
      } finally {
        state.running = false;
      }
    },
    return() {
      const state = stateOf(this);
      if (state.running) throw new TypeError('Iterator helper is already running');
      if (!state.finished) {
        state.finished = true;
        state.close();
      }
      return done();
    },
  });
  define(HelperPrototype, Symbol.toStringTag, 'Iterator Helper');
  // step() gives the next result object or undefined at the end.
  function helper(step, close) {
    const object = Object.create(HelperPrototype);
    stateSet(helperState, object, { step, close, running: false, finished: false });
    return object;
  }
  function direct(iterator) {
    const { next } = needObject(iterator);
    return { iterator, next: () => needObject(apply(next, iterator, [])) };
  }
  function close(iterator) {
    const method = iterator.return;
    if (method !== undefined && method !== null) apply(method, iterator, []);
  }
  // Runs `callback`; if it throws, the iterator is closed and its own failure hidden.
  function guarded(iterator, callback) {
    try {
      return callback();
    } catch (error) {
      try { close(iterator); } catch { /* the first failure wins */ }
      throw error;
    }
  }
  const result = value => ({ value, done: false });
  function openFlattenable(value, allowStrings) {
    if (!(allowStrings && typeof value === 'string')) needObject(value);
    const method = value[SymbolIterator];
    return direct(method === undefined || method === null ? value : apply(method, value, []));
  }
  function limit(iterator, count) {
    return guarded(iterator, () => {
      const number = +count;
      if (number !== number || toInteger(number) < 0)
        throw new RangeError(`${String(count)} must be positive`);
      return toInteger(number);
    });
  }
  function consume(self, callback, visit) {
    needObject(self);
    guarded(self, () => needFunction(callback));
    const source = direct(self);
    for (let index = 0; ; ++index) {
      const step = source.next();
      if (step.done) return;
      if (guarded(self, () => visit(step.value, index))) {
        close(self);
        return;
      }
    }
  }
  defineAll(IteratorPrototype, {
    map(mapper) {
      guarded(needObject(this), () => needFunction(mapper));
      const source = direct(this);
      let index = 0;
      return helper(() => {
        const step = source.next();
        if (step.done) return undefined;
        return result(guarded(this, () => mapper(step.value, index++)));
      }, () => close(this));
    },
    filter(predicate) {
      guarded(needObject(this), () => needFunction(predicate));
      const source = direct(this);
      let index = 0;
      return helper(() => {
        for (;;) {
          const step = source.next();
          if (step.done) return undefined;
          const { value } = step;
          if (guarded(this, () => predicate(value, index++))) return result(value);
        }
      }, () => close(this));
    },
    take(count) {
      let remaining = limit(needObject(this), count);
      const source = direct(this);
      return helper(() => {
        if (remaining === 0) {
          close(this);
          return undefined;
        }
        --remaining;
        const step = source.next();
        return step.done ? undefined : result(step.value);
      }, () => close(this));
    },
    drop(count) {
      let remaining = limit(needObject(this), count);
      const source = direct(this);
      return helper(() => {
        for (; remaining > 0; --remaining) if (source.next().done) return undefined;
        const step = source.next();
        return step.done ? undefined : result(step.value);
      }, () => close(this));
    },
    flatMap(mapper) {
      guarded(needObject(this), () => needFunction(mapper));
      const source = direct(this);
      let index = 0;
      let inner;
      return helper(() => {
        for (;;) {
          if (inner === undefined) {
            const step = source.next();
            if (step.done) return undefined;
            inner = guarded(this,
              () => openFlattenable(mapper(step.value, index++), false));
          }
          const step = guarded(this, () => inner.next());
          if (!step.done) return result(step.value);
          inner = undefined;
        }
      }, () => {
        try {
          if (inner !== undefined) close(inner.iterator);
        } finally {
          close(this);
        }
      });
    },
    reduce(reducer, ...initial) {
      guarded(needObject(this), () => needFunction(reducer));
      const source = direct(this);
      let accumulator = initial[0];
      let index = 0;
      if (initial.length === 0) {
        const first = source.next();
        if (first.done) throw new TypeError('Reduce of a done iterator with no initial value');
        accumulator = first.value;
        index = 1;
      }
      for (;; ++index) {
        const step = source.next();
        if (step.done) return accumulator;
        accumulator = guarded(this, () => reducer(accumulator, step.value, index));
      }
    },
    toArray() {
      const source = direct(needObject(this));
      const values = [];
      for (let step = source.next(); !step.done; step = source.next())
        arrayPush(values, step.value);
      return values;
    },
    forEach(callback) {
      consume(this, callback, (value, index) => {
        callback(value, index);
        return false;
      });
    },
    some(predicate) {
      let found = false;
      consume(this, predicate, (value, index) => (found = Boolean(predicate(value, index))));
      return found;
    },
    every(predicate) {
      let all = true;
      consume(this, predicate, (value, index) => !(all = Boolean(predicate(value, index))));
      return all;
    },
    find(predicate) {
      let match;
      consume(this, predicate, (value, index) => {
        if (!predicate(value, index)) return false;
        match = value;
        return true;
      });
      return match;
    },
    [dispose]() { close(this); },
  });
  defineAll(globalThis.Iterator, {
    from(value) {
      const source = openFlattenable(value, true);
      const { iterator } = source;
      for (let proto = iterator; proto !== null; proto = getPrototypeOf(proto))
        if (proto === IteratorPrototype) return iterator;
      return helper(() => {
        const step = source.next();
        return step.done ? undefined : step;
      }, () => close(iterator));
    },
    concat(...sources) {
      const methods = [];
      for (let i = 0; i < sources.length; ++i)
        arrayPush(methods, needFunction(needObject(sources[i])[SymbolIterator]));
      let at = 0;
      let inner;
      return helper(() => {
        for (;;) {
          if (inner === undefined) {
            if (at === sources.length) return undefined;
            inner = direct(apply(methods[at], sources[at], []));
            ++at;
          }
          const step = inner.next();
          if (!step.done) return result(step.value);
          inner = undefined;
        }
      }, () => { if (inner !== undefined) close(inner.iterator); });
    },
  });

  defineAll(Array, {
    async fromAsync(items, mapper = undefined, self = undefined) {
      if (mapper !== undefined) needFunction(mapper);
      const values = typeof this === 'function' ? construct(this, []) : [];
      let index = 0;
      const add = async item => {
        const value = mapper === undefined ? item : await apply(mapper, self, [item, index]);
        values[index++] = value;
      };
      if (items[Symbol.asyncIterator] != null || items[SymbolIterator] != null) {
        for await (const item of items) await add(item);
      } else {
        const source = Object(items);
        const length = lengthOf(source);
        for (let i = 0; i < length; ++i) await add(await source[i]);
      }
      values.length = index;
      return values;
    },
  });

  // ---- Bytes as text ----

  const kHex = '0123456789abcdef';
  const kBase64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const kBase64Url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  function needBytes(value) {
    if (typedTag(value) !== 'Uint8Array') throw new TypeError('not a Uint8Array');
    return value;
  }
  function needText(text) {
    if (typeof text !== 'string') throw new TypeError('expected a string');
    return text;
  }
  function base64Digits(options) {
    const alphabet = options?.alphabet ?? 'base64';
    if (alphabet === 'base64') return kBase64;
    if (alphabet === 'base64url') return kBase64Url;
    throw new TypeError('expected alphabet to be either "base64" or "base64url"');
  }
  defineAll(Uint8Array.prototype, {
    toHex() {
      const bytes = needBytes(this);
      let text = '';
      for (let i = 0; i < typedLength(bytes); ++i)
        text += kHex[bytes[i] >> 4] + kHex[bytes[i] & 15];
      return text;
    },
    toBase64(options = undefined) {
      const bytes = needBytes(this);
      const digits = base64Digits(options);
      const pad = options?.omitPadding ? '' : '=';
      const length = typedLength(bytes);
      let text = '';
      let i = 0;
      for (; i + 2 < length; i += 3) {
        const bits = (bytes[i] << 16) | (bytes[i + 1] << 8) | bytes[i + 2];
        text += digits[bits >> 18] + digits[(bits >> 12) & 63] + digits[(bits >> 6) & 63] +
          digits[bits & 63];
      }
      if (i + 1 === length) {
        text += digits[bytes[i] >> 2] + digits[(bytes[i] & 3) << 4] + pad + pad;
      } else if (i + 2 === length) {
        const bits = (bytes[i] << 8) | bytes[i + 1];
        text += digits[bits >> 10] + digits[(bits >> 4) & 63] + digits[(bits & 15) << 2] + pad;
      }
      return text;
    },
  });
  defineAll(Uint8Array, {
    fromHex(text) {
      needText(text);
      if (text.length % 2 !== 0) throw new SyntaxError('hex text of odd length');
      const bytes = new Uint8Array(text.length / 2);
      for (let i = 0; i < typedLength(bytes); ++i) {
        const pair = stringSlice(text, 2 * i, 2 * i + 2);
        const value = /^[0-9a-fA-F]{2}$/.test(pair) ? parseInt(pair, 16) : -1;
        if (value < 0) throw new SyntaxError('not a hex digit');
        bytes[i] = value;
      }
      return bytes;
    },
    fromBase64(text, options = undefined) {
      needText(text);
      const digits = base64Digits(options);
      const clean = stringReplace(text, /[\t\n\f\r ]+/g, '');
      const body = stringReplace(clean, /={1,2}$/, '');
      if (body.length % 4 === 1 || (body !== clean && clean.length % 4 !== 0))
        throw new SyntaxError('base64 text of wrong length');
      const bytes = new Uint8Array(floor((body.length * 3) / 4));
      let bits = 0;
      let count = 0;
      let at = 0;
      for (let i = 0; i < body.length; ++i) {
        const digit = digits.indexOf(body[i]);
        if (digit < 0) throw new SyntaxError('not a base64 digit');
        bits = ((bits << 6) | digit) & 0xffffff;
        count += 6;
        if (count >= 8) {
          count -= 8;
          bytes[at++] = (bits >> count) & 255;
        }
      }
      return bytes;
    },
  });
})
