// Bundles the test modules with esbuild, as chapter 07 of the specification says a CLI does.
// A module is built once per run and held in memory; `npm` picks the version of the library.
import {build} from 'esbuild';
import {readFile} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';

const FOLDER = fileURLToPath(new URL('./modules/', import.meta.url));
const built = new Map();

/**
 * The text of the bundle of modules/NAME.ts. `target` esnext is what the official CLI makes;
 * `shape` rolldown is how its bundler writes it down.
 */
export function bundle(name, {npm = 'spacetimedb', target = 'esnext', shape} = {}) {
  const key = `${name} ${npm} ${target} ${shape}`;
  if (!built.has(key)) built.set(key, run(name, npm, target, shape));
  return built.get(key);
}

/**
 * Rolldown keeps `const`, `let` and `class` at the top level where esbuild writes `var`, frames
 * each source file as a region, begins with its own helpers and exports in one line.
 */
function asRolldown(text) {
  const map = text.lastIndexOf('//# sourceMappingURL=');
  const lines = text.slice(0, map).split('\n');
  const assigned = new Set(text.match(/(?<=^\s*)[\w$]+(?= (?:\?\?|\|\||&&)?= )/gm));
  const out = ['//#region \\0rolldown/runtime.js', 'var __defProp = Object.defineProperty;'];
  let exported = null;
  for (const line of lines) {
    const file = /^\/\/ (\S+\.[cm]?[jt]s)$/.exec(line);
    const variable = /^var ([\w$]+) = (class )?/.exec(line);
    if (line === 'export {')
      exported = [];
    else if (exported && line === '};') {
      out.push('//#endregion', `export { ${exported.join(' ')} };`);
      exported = null;
    } else if (exported)
      exported.push(line.trim());
    else if (file)
      out.push('//#endregion', `//#region ${file[1]}`);
    else if (line === 'var __defProp = Object.defineProperty;')
      continue;
    else if (variable && !/^__/.test(variable[1]) && !assigned.has(variable[1]))
      out.push(line.replace(/^var /, 'const '));
    else
      out.push(line);
  }
  return out.join('\n');
}

async function run(name, npm, target, shape) {
  const result = await build({
    entryPoints: [`${FOLDER}${name}.ts`],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    target,
    conditions: ['production', 'import', 'default'],
    mainFields: ['module', 'main'],
    external: ['spacetime:*'],
    define: {'process.env.NODE_ENV': '"production"'},
    absWorkingDir: FOLDER,  // Where aliases are looked up, whatever folder the tests start in.
    alias: npm === 'spacetimedb' ? {} : {spacetimedb: npm},
    sourcemap: 'inline',
    logLevel: 'silent',
  });
  const {text} = result.outputFiles[0];
  return shape === 'rolldown' ? asRolldown(text) : text;
}

/** Table msg(text) and reducer say(text): the 118 bytes of chapter 03, section 5. */
export const SAY_DEFINITION = [
  '0204000000',
  '00010000000201000000000400000074657874' +
      '04',
  '0101000000' +
      '00000000' +
      '030000004d7367' +
      '00000000' +
      '01',
  '0201000000' +
      '030000006d7367' +
      '00000000' +
      '00000000'.repeat(4) + '01' +
      '00' +
      '00000000' +
      '00',
  '0301000000' +
      '03000000736179' +
      '01000000' +
      '000400000074657874' +
      '04' +
      '01',
  '0200000000' +
      '04',
].join('');

/** A bundle written by hand on ABI 2.0 whose definition is exactly these bytes. */
export function bundleOfDefinition(hex, reducerBody = '') {
  return `import { moduleHooks } from 'spacetime:sys@2.0';
const definition = Uint8Array.from('${hex}'.match(/../g).map(byte => parseInt(byte, 16)));
class UserError extends Error {}
const none = () => { throw new RangeError('not defined'); };
const hooks = {
  __describe_module__: () => definition,
  __get_error_constructor__: code => class extends Error {},
  __sender_error_class__: UserError,
  __call_reducer__(id, sender, connection, timestamp, args) { ${reducerBody} },
  __call_view__: none, __call_view_anon__: none, __call_procedure__: none,
};
export default { [moduleHooks]() { return hooks; } };
`;
}

export const moduleText = name => readFile(`${FOLDER}${name}.ts`, 'utf8');
