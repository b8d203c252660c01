// Keccak-256 (the original padding, which node:crypto lacks), for program hashes and tokens.
// Source: the Keccak reference, section 1.2; checked by keccak256('') in publish.test.mjs.

const MASK = (1n << 64n) - 1n;
const turn = (lane, by) => (by === 0n ? lane : ((lane << by) | (lane >> (64n - by))) & MASK);

/** The round constants, from the reference's shift register. */
function constants() {
  const found = [];
  let register = 1;
  for (let round = 0; round < 24; round++) {
    let value = 0n;
    for (let bit = 0; bit < 7; bit++) {
      if (register & 1) value |= 1n << BigInt((1 << bit) - 1);
      register = register & 128 ? ((register << 1) ^ 0x171) & 255 : register << 1;
    }
    found.push(value);
  }
  return found;
}
const CONSTANTS = constants();

function permute(a) {
  for (const constant of CONSTANTS) {
    const c = [0, 1, 2, 3, 4].map(x => a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20]);
    for (let i = 0; i < 25; i++) a[i] ^= c[(i + 4) % 5] ^ turn(c[(i + 1) % 5], 1n);
    let [x, y, lane] = [1, 0, a[1]];
    for (let t = 0; t < 24; t++) {
      [x, y] = [y, (2 * x + 3 * y) % 5];
      const by = BigInt((((t + 1) * (t + 2)) / 2) % 64);
      [lane, a[x + 5 * y]] = [a[x + 5 * y], turn(lane, by)];
    }
    for (let row = 0; row < 25; row += 5) {
      const b = a.slice(row, row + 5);
      for (let i = 0; i < 5; i++) a[row + i] = b[i] ^ (~b[(i + 1) % 5] & MASK & b[(i + 2) % 5]);
    }
    a[0] ^= constant;
  }
}

export function keccak256(data) {
  const input = Buffer.from(data);
  const RATE = 136;
  const padded = Buffer.alloc((Math.floor(input.length / RATE) + 1) * RATE);
  input.copy(padded);
  padded[input.length] ^= 1;
  padded[padded.length - 1] ^= 128;
  const state = new Array(25).fill(0n);
  for (let block = 0; block < padded.length; block += RATE) {
    for (let i = 0; i < RATE / 8; i++) state[i] ^= padded.readBigUInt64LE(block + 8 * i);
    permute(state);
  }
  const out = Buffer.alloc(32);
  for (let i = 0; i < 4; i++) out.writeBigUInt64LE(state[i], 8 * i);
  return out;
}

/** A hash as the API prints it: read as a little-endian integer, hex without leading zeros. */
export const printed = hash =>
  `0x${BigInt(`0x${Buffer.from(hash).reverse().toString('hex')}`).toString(16)}`;
