import type { Example } from '@solopo/contracts';
import { expect } from 'vitest';
import type { ComposedContext } from './assemble.ts';
import type { ComposeOptions, ContextRefusal, Refused } from './compose-contexts.ts';
import { promptMessages, quoted, quotedDocument, renderDocument } from './prompt.ts';

export function made<T extends object>(result: T | Refused): T {
  if ('refused' in result) throw new Error(`refused: ${result.refused}`);
  return result;
}

export function refusal(result: object): ContextRefusal | undefined {
  return (result as Partial<Refused>).refused;
}

/** Everything that holds for any context, checked against the prompt rendered from scratch. */
export function expectSound(
  context: ComposedContext,
  example: Example,
  options: ComposeOptions,
  drawn: Example['documents'],
): void {
  const { prompt, text } = options;
  const all = [...example.documents, ...drawn];
  const documents = context.documents.map((index) => all[index]!);
  expect(new Set(context.documents).size).toBe(context.documents.length);

  const rendered = documents.map((document) => renderDocument(quotedDocument(document, prompt, text), prompt));
  const question = quoted(example.question, prompt, text);
  const messages = promptMessages(question, rendered.join(prompt.separator), prompt);
  expect(context.tokens.join()).toBe(text.promptTokens(messages).join());

  const relevant = context.documents.filter((index) => example.documents[index]?.relevant);
  expect(relevant).toHaveLength(example.documents.filter((document) => document.relevant).length);
  expect(context.evidence.map(({ document }) => document)).toEqual(relevant);
  for (const { document, start, end } of context.evidence) {
    const decoded = text.decode(context.tokens.subarray(start, end));
    const wanted = renderDocument(example.documents[document]!, prompt).normalize('NFC');
    expect(decoded).toContain(wanted);
    // Tokens that reach over a border bring at most a little white space with them.
    expect(decoded.trim()).toBe(wanted.trim());
    expect(text.decode(context.tokens.subarray(start + 1, end))).not.toContain(wanted);
    expect(text.decode(context.tokens.subarray(start, end - 1))).not.toContain(wanted);
  }
}

/** The pool documents of a context, found by trying all: independent of how they were drawn. */
export function drawnFrom(
  examples: readonly Example[],
  { prompt, text }: ComposeOptions,
): (context: ComposedContext, example: Example) => Example['documents'] {
  const rendered = examples
    .flatMap(({ documents }) => documents)
    .map((document) => ({ document, text: renderDocument(document, prompt).normalize('NFC') }));

  return (context, example) => {
    const own = example.documents.length;
    if (context.documents.every((index) => index < own)) return [];
    const whole = text.decode(context.tokens);
    const owned = new Set(example.documents.map((document) => document.text));
    const found = new Map(
      rendered
        .filter((candidate) => !owned.has(candidate.document.text) && whole.includes(candidate.text))
        .map((candidate) => [whole.indexOf(candidate.text), candidate.document]),
    );
    const inOrder = [...found].sort(([a], [b]) => a - b).map(([, document]) => document);
    const drawn: Example['documents'] = [];
    for (const index of context.documents) if (index >= own) drawn[index - own] = inOrder.shift()!;
    expect(inOrder).toEqual([]);
    return drawn;
  };
}
