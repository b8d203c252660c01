// Evaluated in every isolate after the prelude: bounds for the built-ins of V8 10.2 that walk or
// make a whole list without ever looking at a stop request. Beyond the bound some of them end the
// process ("invalid size error": a list of 2^27 elements), the others keep the thread for minutes
// or for ever, where neither watchdog nor heap limit reaches them. Here they throw a RangeError.
//
// Callbacks are interruptible, so built-ins that call one per element need no bound unless they
// skip holes. Syntax (spread, for-in) cannot be bounded here; see runtime/README.md.
(function (natives) {
  'use strict';
  const kElementsMax = 2 ** 25;  // 256 MiB of elements; eight times less than V8's own end.
  const kTextMax = 2 ** 26;      // Characters of a text that is taken apart.
  const kNestingMax = 2 ** 18;   // Lists and objects within each other in a JSON text.
  const { apply, getPrototypeOf } = Reflect;
  const { defineProperty } = Object;
  const { isView } = ArrayBuffer;
  const { isStringObject } = natives;
  const typedLength =
    Object.getOwnPropertyDescriptor(getPrototypeOf(Uint8Array.prototype), 'length').get;
  const typedTag = Object.getOwnPropertyDescriptor(
    getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;

  // Puts a function in the place of a built-in; name, length and attributes stay.
  function replace(target, name, method) {
    const original = target[name];
    defineProperty(method, 'name', { value: original.name, configurable: true });
    defineProperty(method, 'length', { value: original.length, configurable: true });
    defineProperty(target, name,
      { value: method, writable: true, enumerable: false, configurable: true });
  }
  function guard(target, name, check) {
    const original = target[name];
    replace(target, name, {
      method(...args) {
        check(this, args);
        return apply(original, this, args);
      },
    }.method);
  }
  function guardAll(target, names, check) {
    for (let i = 0; i < names.length; ++i) guard(target, names[i], check);
  }

  function checkList(list) {
    if (list === null || list === undefined) return;  // The built-in has the words for it.
    if (list.length > kElementsMax) throw new RangeError('Invalid array length');
  }
  function boundedText(value) {
    if (value === null || value === undefined) return value;
    const text = typeof value === 'string' ? value : `${value}`;  // As the built-in would.
    if (text.length > kTextMax) throw new RangeError('Invalid string length');
    return text;
  }
  // The end of the JSON string that begins before `at`, or of a text that is no JSON.
  function endOfString(text, at) {
    while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    return at;
  }
  // The parser keeps a record for each level and looks at no stop request: ten million take it a
  // minute. A text that is no JSON may pass, as the parser finds that out itself.
  function checkNesting(text) {
    let depth = 0;
    for (let at = 0; at < text.length; ++at) {
      const char = text[at];
      if (char === '"') at = endOfString(text, at + 1);
      else if (char === '[' || char === '{') ++depth;
      else if (char === ']' || char === '}') --depth;
      if (depth > kNestingMax) throw new RangeError('JSON is nested too deeply');
    }
  }
  // Elements that are own keys without being properties anybody wrote.
  function elementCount(value) {
    if (typeof value === 'string') return value.length;
    if (typeof value !== 'object' || value === null) return 0;
    if (isView(value)) return apply(typedTag, value, []) ? apply(typedLength, value, []) : 0;
    return isStringObject(value) ? value.length : 0;
  }
  function checkKeys(value) {
    if (elementCount(value) > kElementsMax) throw new RangeError('Invalid array length');
  }

  guardAll(Array.prototype,
    ['copyWithin', 'every', 'fill', 'filter', 'flat', 'flatMap', 'forEach', 'includes', 'indexOf',
      'lastIndexOf', 'map', 'reduce', 'reduceRight', 'reverse', 'shift', 'slice', 'some', 'sort',
      'splice', 'toLocaleString', 'unshift'],
    checkList);
  guard(Array, 'from', (self, args) => checkList(args[0]));
  // At least two characters for each element.
  const parse = JSON.parse;
  replace(JSON, 'parse', {
    method(value, ...rest) {
      const text = boundedText(value);
      if (typeof text === 'string' && text.length > kNestingMax) checkNesting(text);
      return apply(parse, JSON, [text, ...rest]);
    },
  }.method);
  for (const name of ['replaceAll', 'split']) {
    const original = String.prototype[name];
    replace(String.prototype, name, {
      method(...args) { return apply(original, boundedText(this), args); },
    }.method);
  }
  // String.prototype's match() and replace() end here.
  for (const name of [Symbol.match, Symbol.replace, Symbol.split]) {
    const original = RegExp.prototype[name];
    replace(RegExp.prototype, name, {
      method(text, ...rest) { return apply(original, this, [boundedText(text), ...rest]); },
    }.method);
  }
  guardAll(Object,
    ['entries', 'freeze', 'getOwnPropertyDescriptors', 'getOwnPropertyNames', 'isFrozen',
      'isSealed', 'keys', 'preventExtensions', 'seal', 'values'],
    (self, args) => checkKeys(args[0]));
  guard(Object, 'assign', (self, args) => {
    for (let i = 1; i < args.length; ++i) checkKeys(args[i]);
  });
  guard(Reflect, 'ownKeys', (self, args) => checkKeys(args[0]));
})
