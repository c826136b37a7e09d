import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ChatTemplate } from '../chat-template.ts';
import type { Message } from '../chat-template.ts';
import { NotRendered } from './faults.ts';
import { open, render } from './render.ts';

interface Rendering {
  readonly name: string;
  readonly template: string;
  readonly chat: string;
  /** What transformers renders; absent where it raises. */
  readonly text?: string;
}

/** Recorded by tools/parity/templates.py, which has the templates. */
const { texts, chats, cases } = JSON.parse(
  readFileSync(new URL('../fixtures/chat-templates.json', import.meta.url), 'utf8'),
) as {
  readonly texts: Readonly<Record<string, string>>;
  readonly chats: Readonly<Record<string, readonly Message[]>>;
  readonly cases: readonly Rendering[];
};

/** What Jinja renders and we refuse. */
const REFUSED = [
  '"<b>"|escape + "<i>"',
  '"<b>x</b>"|striptags',
  '"a b c"|wordwrap(3)',
  '"abc".encode()',
  '"abc".upper',
  '"x"|urlize',
  '1.5[::2]',
  '2**0.5',
  '[1, 2]|map("string")',
  '[1, 2]|pprint',
  '[3]|random',
  'autoescape',
  'block',
  'lipsum(n=1)',
  'messages|map(attribute="role")',
  'self',
  'strftime_now("%Q")',
  '{"a": 1}|xmlattr',
  '{"items": 1}.items',
];

/** In this process: to open a machine for each takes as long as all other tests here. */
function rendered({ template, chat }: Rendering): { readonly text: string } | { readonly error: unknown } {
  const variables = { ...texts, messages: chats[chat], add_generation_prompt: chat !== 'answered', tools: null };
  try {
    open(JSON.stringify(template));
    return { text: JSON.parse(render(JSON.stringify({ ...variables, documents: null }), 1e6)) as string };
  } catch (error) {
    return { error };
  }
}

const isExpression = ({ name, template }: Rendering): boolean => template === `{{ ${name} }}`;

describe('a chat template', () => {
  const outcomes = cases.map((rendering) => ({ ...rendering, own: rendered(rendering) }));
  const isRefused = ({ own }: (typeof outcomes)[number]): boolean => 'error' in own && own.error instanceof NotRendered;

  it('renders as in transformers, raises where it does there, or is refused by name', () => {
    const different = outcomes.filter((outcome) => {
      const own = 'text' in outcome.own ? outcome.own.text : undefined;
      return !isRefused(outcome) && own !== outcome.text;
    });
    expect(different).toEqual([]);
    expect(cases.filter(({ text }) => text !== undefined).length).toBeGreaterThan(700);
    expect(cases.filter(({ text }) => text === undefined).length).toBeGreaterThan(80);
  });

  it('is refused for these alone', () => {
    const refused = outcomes.filter((outcome) => isRefused(outcome) && outcome.text !== undefined);
    expect([...new Set(refused.map(({ name }) => name))].sort()).toEqual(REFUSED);
  });

  it('renders in its machine what it renders here', () => {
    const whole = outcomes.filter(
      (outcome) =>
        outcome.text !== undefined && !isRefused(outcome) && outcome.chat === 'question' && isExpression(outcome),
    );
    const template = whole.map((rendering) => rendering.template).join('\x1e');
    const made = ChatTemplate.of({ 'chat_template.jinja': template }, {}, texts);
    expect(made.render(chats['question'] ?? [], true).split('\x1e')).toEqual(whole.map(({ text }) => text));
    expect(whole.length).toBeGreaterThan(400);
  });
});
