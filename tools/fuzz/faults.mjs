/** The product's own, which say what to do. Everything else that is thrown is a fault. */
const TYPED = ['SolopoError', 'ModelError', 'TextModelError', 'UsageError', 'RunFileError'];
const MAX_MESSAGE = 20_000;

/** What is wrong with what was thrown, or null. */
export function faultOf(error) {
  if (!(error instanceof Error)) return { name: 'thrown', message: String(error).slice(0, 300), place: '' };
  const message = error.message ?? '';
  const typed = TYPED.includes(error.name);
  const unforeseen = error.name === 'SolopoError' && error.code === 'internal';
  if (typed && !unforeseen && message.length > 0 && message.length <= MAX_MESSAGE) return null;
  const why = typed && message.length > MAX_MESSAGE ? `a message of ${message.length} characters: ` : '';
  return { name: error.name, message: why + message.slice(0, 300), place: placeOf(error.stack ?? '') };
}

/** The first lines of the stack that are the product's. */
function placeOf(stack) {
  const lines = stack.split('\n').filter((line) => /\/(libs|apps)\//.test(line) && !line.includes('node_modules'));
  return lines
    .slice(0, 2)
    .map((line) =>
      line
        .trim()
        .replace(/^at /, '')
        .replace(/file:\/\/\S*?\/(libs|apps)\//, '$1/'),
    )
    .join(' < ');
}

/** Faults of one signature are one. */
export function signatureOf({ name, message, place }) {
  return `${name} ${place || message.replace(/[0-9]+/g, '0').slice(0, 80)}`;
}

/** What was promised and not kept, found from outside: `name` says which promise. */
export class Violation extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
    // Where it was found says nothing of the product.
    this.stack = '';
  }
}
