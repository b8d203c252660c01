// What the command line of the process tests may say.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { faults } from './faults.mjs';

const usage = `Usage: node run.mjs [OPTION]...

Three real nodes over the real transport and disk, in network namespaces, under faults. Needs root,
iproute2, nftables and openssl, and a built kv_node.

  --only FAULT     only this fault; may be repeated
  --rounds N       inject each fault as often
  --long           as often as the specification says (hours), and the faults that take long
  --seed N         the choices of an earlier run
  --strict         hold the bounds for the time without an acknowledged write that are meant for
                   machines of their own
  --patience N     make every bound of time N times as wide; WORLDLINE_PATIENCE does the same
  --rate N         writes per second, all clients together (150)
  --kv-node PATH   this program instead of build/release/kv_node
  --json FILE      write what was measured
  --markdown FILE  write it as tables
  --verbose        tell of every round
  --help           say this

Faults: ${faults.map(one => one.name).join(' ')}`;

const known = {
  'kv-node': { type: 'string' },
  only: { type: 'string', multiple: true },
  rounds: { type: 'string' },
  long: { type: 'boolean', default: false },
  seed: { type: 'string' },
  strict: { type: 'boolean', default: false },
  patience: { type: 'string', default: process.env.WORLDLINE_PATIENCE ?? '1' },
  rate: { type: 'string', default: '150' },
  json: { type: 'string' },
  markdown: { type: 'string' },
  verbose: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

class UsageError extends Error {}

function number(values, name, least) {
  if (values[name] === undefined) return undefined;
  const value = Number(values[name]);
  if (values[name].trim() !== '' && value >= least) return value;
  throw new UsageError(`--${name} is a number of at least ${least}, not '${values[name]}'`);
}

function read() {
  let values;
  try {
    values = parseArgs({ options: known }).values;
  } catch (error) {
    throw new UsageError(error.message);
  }
  const strange = (values.only ?? []).filter(name => !faults.some(one => one.name === name));
  if (strange.length) throw new UsageError(`there is no fault ${strange.join(', ')}`);
  const node = fileURLToPath(new URL('../../build/release/kv_node', import.meta.url));
  const binary = values['kv-node'] ?? node;
  return {
    ...values,
    binary,
    beside: name => join(dirname(binary), name),
    rounds: number(values, 'rounds', 1),
    patience: number(values, 'patience', 1),
    rate: number(values, 'rate', 1),
    seed: number(values, 'seed', 0) ?? (Math.random() * 2 ** 31) | 0,
  };
}

/** The options; ends the process after --help and after a mistake. */
export function readOptions() {
  try {
    const options = read();
    if (!options.help) return options;
    console.log(usage);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}
