// What an item's outcome is: the product's answer beside the right values.

/** In nats, a token; of responses, summed. The engine's own differences are below 1e-5. */
const LIMIT = 1e-4;

export const OUTCOMES = ['equal', 'refused', 'told', 'refused, not expected', 'DIFFERENT', 'crashed', 'not made'];
export const FAILURES = new Set(['refused, not expected', 'DIFFERENT', 'crashed', 'not made']);

/** @param reply of the product: `value`, `refused`, `crashed` or `died` */
export function outcomeOf(kind, expected, reply) {
  if (reply.refused !== undefined)
    return allRaise(kind, expected) ? equal() : { outcome: 'refused', message: reply.refused };
  if (reply.crashed !== undefined) return { outcome: 'crashed', message: reply.crashed, stack: reply.stack };
  if (reply.died !== undefined) return { outcome: 'crashed', message: `the process ended: ${reply.died}` };
  return COMPARISONS[kind](expected, reply.value);
}

const COMPARISONS = { models: logps, adapters: logps, tokenizers, templates, exports: exported };

function equal(difference = 0) {
  return { outcome: 'equal', difference };
}

function different(details, difference) {
  return { outcome: 'DIFFERENT', message: details[0], details, difference };
}

function logps(expected, { logps: rows }) {
  const difference = Math.max(
    ...expected.logps.flatMap((row, i) => row.map((value, t) => distance(value, rows[i]?.[t]))),
  );
  return difference <= LIMIT
    ? equal(difference)
    : different([`log-probabilities differ by ${difference.toPrecision(3)} nats`], difference);
}

function distance(a, b) {
  const between = Math.abs(a - b);
  return Number.isNaN(between) ? Infinity : between;
}

/** Where the file's ids are kept against AutoTokenizer's, `models check` has to say so, and only there. */
function tokenizers({ texts, lists, ...right }, { warning, ...value }) {
  const inputs = { ids: texts, whole: texts, decoded: lists, decodedPlain: lists };
  const details = [];
  let refused;
  for (const [what, items] of Object.entries(inputs)) {
    items.forEach((input, i) => {
      const mine = value[what][i];
      if (mine?.refused !== undefined) refused ??= mine.refused;
      else if (JSON.stringify(mine) !== JSON.stringify(right[what][i]))
        details.push(`${what} of ${shown(input)}: right ${shown(right[what][i])}, here ${shown(mine)}`);
    });
  }
  if (details.length > 0) return warning ? { outcome: 'told', message: warning, details } : different(details);
  if (warning) return different([`equal, though it warns: ${warning}`]);
  return refused === undefined ? equal() : { outcome: 'refused', message: refused };
}

/** A template that raises has to be refused, and the other way round; what is refused by name alone is no difference. */
function templates({ conversations }, value) {
  const details = [];
  let refused;
  conversations.forEach(({ name, prompt, whole }, i) => {
    const mine = value.conversations[i];
    compare(`prompt of ${name}`, prompt, mine.prompt);
    // An answer is rendered together with its prompt: where the two do not go together, the answer has tokens of its own.
    if (prompt.raised === undefined && whole.raised === undefined && whole.text.startsWith(prompt.text))
      compare(`answer of ${name}`, whole, mine.whole);
  });
  function compare(what, right, mine) {
    if (mine.refused !== undefined) {
      if (right.raised === undefined) refused ??= mine.refused;
    } else if (right.raised !== undefined)
      details.push(`${what}: transformers raises ${right.raised}, here ${shown(mine.text)}`);
    else if (right.text !== mine.text) details.push(`${what}: ${firstDifference(right.text, mine.text)}`);
  }
  if (details.length > 0) return different(details);
  return refused === undefined ? equal() : { outcome: 'refused', message: refused };
}

function allRaise(kind, expected) {
  return kind === 'templates' && expected.conversations.every(({ prompt }) => prompt.raised !== undefined);
}

function exported(_, { difference, faults }) {
  if (faults.length > 0) return different(faults, difference);
  return distance(difference, 0) <= LIMIT
    ? equal(difference)
    : different([`log-probabilities differ by ${difference.toPrecision(3)} nats`], difference);
}

function firstDifference(right, mine) {
  let at = 0;
  while (at < right.length && right[at] === mine[at]) at += 1;
  const from = Math.max(0, at - 20);
  return `at ${at}: right ${shown(right.slice(from, at + 60))}, here ${shown(mine.slice(from, at + 60))}`;
}

function shown(value) {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 160 ? `${text.slice(0, 160)}...` : text;
}
