import { describe, expect, it } from 'vitest';
import { FAILURES, outcomeOf } from './parity/conformance/compare.mjs';
import { Expectations } from './parity/conformance/expectations.mjs';
import { LineServer } from './parity/conformance/line-server.mjs';
import { failed } from './parity/conformance/report.mjs';

const question = { name: 'question', messages: [], prompt: { text: 'Q' }, whole: { text: 'QA' } };
const rendered = (prompt: object, whole: object = { text: 'QA' }) => ({
  value: { conversations: [{ prompt, whole }] },
});

const tokens = (ids: number[]) => ({
  texts: ['a'],
  lists: [],
  ids: [ids],
  whole: [ids],
  decoded: [],
  decodedPlain: [],
});

describe('an outcome', () => {
  it.each([
    [
      'log-probabilities within the limit',
      'models',
      { logps: [[-1, -2]] },
      { value: { logps: [[-1, -2.00001]] } },
      'equal',
    ],
    ['log-probabilities beyond it', 'models', { logps: [[-1, -2]] }, { value: { logps: [[-1, -2.1]] } }, 'DIFFERENT'],
    ['log-probabilities that are missing', 'models', { logps: [[-1, -2]] }, { value: { logps: [[-1]] } }, 'DIFFERENT'],
    ['a process that ended', 'adapters', { logps: [[-1]] }, { died: 'SIGKILL' }, 'crashed'],
    ['an error that names nothing', 'tokenizers', {}, { crashed: 'TypeError: x' }, 'crashed'],
    [
      'other ids of which it warns',
      'tokenizers',
      tokens([1]),
      { value: { ...tokens([2]), warning: 'other ids' } },
      'told',
    ],
    ['other ids of which it does not', 'tokenizers', tokens([1]), { value: tokens([2]) }, 'DIFFERENT'],
    [
      'equal ids with a warning',
      'tokenizers',
      tokens([1]),
      { value: { ...tokens([1]), warning: 'other' } },
      'DIFFERENT',
    ],
    ['equal prompts', 'templates', { conversations: [question] }, rendered({ text: 'Q' }), 'equal'],
    ['another prompt', 'templates', { conversations: [question] }, rendered({ text: 'q' }), 'DIFFERENT'],
    [
      'another answer',
      'templates',
      { conversations: [question] },
      rendered({ text: 'Q' }, { text: 'QB' }),
      'DIFFERENT',
    ],
    [
      'a template that has to raise, and renders',
      'templates',
      { conversations: [{ ...question, prompt: { raised: 'TypeError' } }] },
      rendered({ text: 'Q' }),
      'DIFFERENT',
    ],
    [
      'a template that raises in both',
      'templates',
      { conversations: [{ ...question, prompt: { raised: 'TypeError' } }] },
      { refused: 'it fails' },
      'equal',
    ],
    ['faults of an export', 'exports', {}, { value: { difference: 0, faults: ['ids'] } }, 'DIFFERENT'],
  ])('of %s', (_, kind, expected, reply, outcome) => {
    expect(outcomeOf(kind, expected, reply).outcome).toBe(outcome);
  });

  it('of a refusal is a failure unless it is expected, with that message', () => {
    const expectations = new Expectations([
      { kind: 'models', names: ['phi3'], message: 'model_type', reason: 'a family that is not read' },
    ]);
    const apply = (name: string, message: string) =>
      expectations.apply({ kind: 'models', name }, outcomeOf('models', {}, { refused: message }));
    expect(failed([apply('phi3', 'model_type "phi3" is not supported')])).toBe(false);
    expect(failed([apply('phi3', 'config.json is missing')])).toBe(true);
    expect(failed([apply('llama', 'model_type is missing')])).toBe(true);
    expect(FAILURES.has(apply('llama', 'x').outcome)).toBe(true);
  });
});

describe('the process of a side', () => {
  it('that ends is named, and started again for the next item', async () => {
    const program =
      "process.stdin.on('data', (line) => {" +
      "  if (String(line).trim() === '\"end\"') { console.error('out of luck'); process.exit(3); }" +
      '  process.stdout.write(line);' +
      '});';
    const server = new LineServer([process.execPath, '-e', program]);
    const text = 'two\u2028lines\n';
    const replies = await Promise.all([server.ask({ a: 1 }), server.ask('end'), server.ask({ text })]);
    expect(replies).toEqual([{ a: 1 }, { died: 'exit code 3; its last words: out of luck' }, { text }]);
    await server.close();
    expect(await server.ask({})).toEqual({ died: 'closed' });
  });
});
