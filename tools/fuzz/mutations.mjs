// What is done to good input: edits of its bytes, and of the values in it. Each is an arbitrary of fast-check, so that a fault is shrunk.
import fc from 'fast-check';

/** Stands in JSON for a text that JSON.stringify cannot write. */
const RAW = 'solopo-fuzz-raw:';
const RAW_TEXTS = {
  deepList: `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  deepObject: `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  infinite: '1e999',
  minusInfinite: '-1e999',
  minusZero: '-0',
  digits: '9'.repeat(400),
  notANumber: 'NaN',
  nothing: '',
  loneSurrogate: '"\\ud800"',
  twice: '{"a":1,"a":2}',
};

const TEXTS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'x\udfffy',
  '\uFEFF',
  '\u2028',
  '🙂',
  '\x1b[2J',
  '../../../etc/passwd',
  '/etc/passwd',
  'C:\\x',
  '%2e%2e%2f',
  '%00',
  "'; drop table runs; --",
  '{{ 7 * 7 }}',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'null',
  'NaN',
  'a'.repeat(300),
  'é'.repeat(70_000),
];
const NUMBERS = [
  0,
  -1,
  1,
  0.5,
  -0.5,
  7,
  255,
  2 ** 16,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  1e21,
  -1e21,
  1e-320,
  1e308,
  -1e308,
];

export const hostileText = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: 'binary', maxLength: 30 }));
export const hostileNumber = fc.oneof(
  fc.constantFrom(...NUMBERS),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);

/** JSON's values, none of which was asked for. */
export const hostileValue = fc.oneof(
  { weight: 3, arbitrary: hostileText },
  { weight: 3, arbitrary: hostileNumber },
  { weight: 2, arbitrary: fc.constantFrom(null, true, false, [], {}, [[]], [null], { '': {} }) },
  { weight: 1, arbitrary: fc.constantFrom(...Object.keys(RAW_TEXTS)).map((name) => RAW + name) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2, stringUnit: 'binary' }) },
);

const EDITS = ['replace', 'remove', 'add', 'rename', 'repeat', 'wrap', 'swap'];

/** Edits of a JSON value. A place is found from the root on: at each depth a member by its number, so that what is near the root is hit most. */
export const valueEdits = fc.array(
  fc.record({
    place: fc.array(fc.nat(1000), { minLength: 1, maxLength: 7 }),
    kind: fc.constantFrom(...EDITS),
    key: hostileText,
    value: hostileValue,
  }),
  { minLength: 1, maxLength: 4 },
);

/** A copy, edited. */
export function editValue(value, edits) {
  let root = structuredClone(value);
  // A value that stood in two places would be edited in both, or come to stand within itself.
  for (const edit of edits)
    root = structuredClone(editAt(root, edit.place, { ...edit, value: structuredClone(edit.value) }));
  return root;
}

function editAt(value, [step, ...rest], edit) {
  const keys = isTree(value) ? Object.keys(value) : [];
  if (keys.length === 0) return changed(value, edit);
  const key = keys[step % keys.length];
  if (rest.length > 0 && isTree(value[key])) {
    set(value, key, editAt(value[key], rest, edit));
    return value;
  }
  return editMember(value, key, edit);
}

function editMember(tree, key, edit) {
  switch (edit.kind) {
    case 'remove':
      if (Array.isArray(tree)) tree.splice(Number(key), 1);
      else delete tree[key];
      return tree;
    case 'add':
      if (Array.isArray(tree)) tree.push(edit.value);
      else set(tree, edit.key, edit.value);
      return tree;
    case 'rename':
      if (Array.isArray(tree)) return tree.reverse();
      set(tree, edit.key, tree[key]);
      delete tree[key];
      return tree;
    case 'repeat':
      if (Array.isArray(tree)) for (let i = 0; i < 50; i++) tree.push(tree[key]);
      else set(tree, key, Array(3).fill(tree[key]));
      return tree;
    case 'swap': {
      const other = Object.keys(tree).at(-1);
      const kept = tree[key];
      set(tree, key, tree[other]);
      set(tree, other, kept);
      return tree;
    }
    default:
      set(tree, key, changed(tree[key], edit));
      return tree;
  }
}

const changed = (value, edit) => (edit.kind === 'wrap' ? [value] : edit.value);
const isTree = (value) => typeof value === 'object' && value !== null;
/** Also a member called __proto__ is one. */
const set = (tree, key, value) =>
  Object.defineProperty(tree, key, { value, enumerable: true, configurable: true, writable: true });

/** The JSON of an edited value, with what JSON.stringify would not write. */
export function jsonOf(value) {
  const text = JSON.stringify(value);
  if (text === undefined) return 'null';
  return text.replace(new RegExp(`"${RAW}(\\w+)"`, 'g'), (_, name) => RAW_TEXTS[name] ?? '0');
}

const BYTES = [0, 1, 9, 10, 13, 0x22, 0x2c, 0x7b, 0x7f, 0x80, 0xc0, 0xe2, 0xed, 0xf8, 0xff];

/** Edits of bytes; a place is a share of the length, or near its beginning, where headers are. */
export const byteEdits = fc.array(
  fc.record({
    place: fc.oneof(
      fc.nat(64).map((at) => ({ at })),
      fc.nat(4096).map((at) => ({ at })),
      fc.double({ min: 0, max: 1, noNaN: true }).map((share) => ({ share })),
    ),
    kind: fc.constantFrom('set', 'set', 'insert', 'remove', 'cut', 'repeat', 'integer', 'integer'),
    byte: fc.oneof(fc.constantFrom(...BYTES), fc.nat(255)),
    count: fc.oneof(fc.nat(16), fc.nat(600)),
    integer: fc.oneof(
      fc.constantFrom(0n, 1n, 2n, 255n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 40n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: 0n, max: 2000n }),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

export function editBytes(bytes, edits) {
  let edited = Buffer.from(bytes);
  for (const { place, kind, byte, count, integer } of edits) {
    const at = Math.min('at' in place ? place.at : Math.floor(place.share * edited.length), edited.length);
    const [before, behind] = [edited.subarray(0, at), edited.subarray(at)];
    switch (kind) {
      case 'set':
        if (behind.length > 0) edited = Buffer.concat([before, Buffer.of(byte), behind.subarray(1)]);
        break;
      case 'insert':
        edited = Buffer.concat([before, Buffer.alloc(count, byte), behind]);
        break;
      case 'remove':
        edited = Buffer.concat([before, behind.subarray(count)]);
        break;
      case 'cut':
        edited = Buffer.from(before);
        break;
      case 'repeat':
        edited = Buffer.concat([before, behind.subarray(0, count), behind]);
        break;
      case 'integer':
        if (behind.length >= 8) {
          edited = Buffer.from(edited);
          edited.writeBigUInt64LE(integer, at);
        }
    }
  }
  return edited;
}
