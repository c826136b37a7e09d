import type { Example } from '@solopo/contracts';

/** Whether a text of the example has a control token in it: written into a prompt, it is one, whoever wrote the text. */
export function hasControlToken({ question, documents }: Example, controlTokens: readonly string[]): boolean {
  const texts = [question, ...documents.flatMap(({ title = '', text }) => [title, text])];
  return controlTokens.some((token) => texts.some((text) => text.includes(token)));
}
