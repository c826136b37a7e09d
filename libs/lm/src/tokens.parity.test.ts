import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TEXT_FILES, TextModel, type Message } from '@solopo/text';
import { describe, expect, test } from 'vitest';
import { packTrees } from './index.ts';

/**
 * Token ids and response masks by TRL 1.16's own preparation of conversations, and its collator; made by
 * tools/parity/tokens.py. Of Qwen3 only the template is at hand, so it stands on Qwen2.5's tokenizer.
 */
interface Fixture {
  readonly conversations: readonly { messages: Message[]; chosen: string; rejected: string }[];
  readonly templates: Readonly<
    Record<string, { folder: string; template: string | null; expected: { chosen: Row; rejected: Row }[] }>
  >;
}
interface Row {
  readonly ids: readonly number[];
  /** The mask is 0 before, 1 from here on. */
  readonly responseFrom: number;
}

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const read = (relative: string): string => readFileSync(path(relative), 'utf8');
const { conversations, templates } = JSON.parse(read('fixtures/tokens.json')) as Fixture;

describe.each(Object.entries(templates))('%s', (_, { folder, template, expected }) => {
  const data = '../../../data';
  const there = TEXT_FILES.filter((file) => existsSync(path(`${data}/${folder}/${file}`)));
  const text = TextModel.fromFiles({
    ...Object.fromEntries(there.map((file) => [file, read(`${data}/${folder}/${file}`)])),
    ...(template === null ? {} : { 'chat_template.jinja': read(`${data}/${template}`) }),
  });

  test.each(conversations.map((conversation, i) => [i, conversation] as const))(
    'conversation %i has the ids and the response masks of TRL',
    (i, { messages, chosen, rejected }) => {
      const prompt = text.promptTokens(messages);
      for (const [answer, { ids, responseFrom }] of [
        [chosen, expected[i]!.chosen],
        [rejected, expected[i]!.rejected],
      ] as const) {
        const batch = packTrees([{ prompt, branches: [text.responseTokens(messages, answer)] }]);
        expect([...batch.tokens]).toEqual(ids);
        // A target is predicted one place before its own.
        const scored = batch.targets.map(({ index }) => index + 1);
        expect(scored).toEqual(ids.flatMap((_id, place) => (place >= responseFrom ? [place] : [])));
        batch.targets.forEach(({ index, token }) => expect(token).toBe(ids[index + 1]));
      }
    },
  );
});
