// Bundles the test modules with esbuild, as chapter 07 of the specification says a CLI does.
// A module is built once per run and held in memory; `npm` picks the version of the library.
import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('./modules/', import.meta.url));
const built = new Map();

/** The text of the bundle of modules/NAME.ts. `target` esnext is what the official CLI makes. */
export function bundle(name, { npm = 'spacetimedb', target = 'esnext' } = {}) {
  const key = `${name} ${npm} ${target}`;
  if (!built.has(key)) built.set(key, run(name, npm, target));
  return built.get(key);
}

async function run(name, npm, target) {
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
    define: { 'process.env.NODE_ENV': '"production"' },
    absWorkingDir: FOLDER, // Where aliases are looked up, whatever folder the tests start in.
    alias: npm === 'spacetimedb' ? {} : { spacetimedb: npm },
    sourcemap: 'inline',
    logLevel: 'silent',
  });
  return result.outputFiles[0].text;
}

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
