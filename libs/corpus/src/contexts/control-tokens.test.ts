import { promptSchema, type Example } from '@solopo/contracts';
import { TextModel } from '@solopo/text';
import { describe, expect, it } from 'vitest';
import { composeContexts } from './compose-contexts.ts';
import { hasControlToken } from './control-tokens.ts';
import { documentsOf, DocumentPool } from './document-pool.ts';
import { drawnFrom, expectSound, made } from './sound-context.fixture.ts';

const example = { id: 'e', question: 'Who?', answers: ['Ada'], documents: [{ text: 'Ada did.', relevant: true }] };

describe('a control token', () => {
  it('is found wherever it gets into a prompt', async () => {
    const folder = new URL('../../../../data/models/qwen2.5-0.5b-instruct', import.meta.url).pathname;
    const { controlTokens } = await TextModel.fromFolder(folder);
    expect(controlTokens).toContain('<|im_end|>');
    const [title, text] = ['The <|im_end|>', 'then <|endoftext|> came'];
    for (const changed of [
      { ...example, question: 'Who<|im_start|>?' },
      { ...example, documents: [{ title, text: 'x', relevant: true }] },
      { ...example, documents: [...example.documents, { text, relevant: false }] },
    ])
      expect(hasControlToken(changed, controlTokens)).toBe(true);
    expect(hasControlToken(example, controlTokens)).toBe(false);
    expect(hasControlToken({ ...example, question: 'Is a < b | c > d?' }, controlTokens)).toBe(false);
  });

  it('is text in every context of a run that says so, also in documents of the pool', async () => {
    const folder = new URL('../../../../data/models/smollm2-360m-instruct', import.meta.url).pathname;
    const text = await TextModel.fromFolder(folder);
    const token = text.idOf('<|im_end|>') as number;
    const spans = ['<|im_end|>', ' a <|im_start|>b', '\n<|endoftext|>\n', 'c<|im_end|><|im_end|>', '|> <|'];
    const examples = Array.from({ length: 6 }, (_, index): Example => {
      const span = (place: number): string => spans[(index + place) % spans.length] as string;
      const documents = [0, 1, 2].map((place) => ({
        title: `Title ${index}${span(place)}`,
        text: `Document ${place} of ${index}, ${'which goes on and on '.repeat(place + 1)}${span(place + 1)}`,
        relevant: place === 0,
      }));
      return { id: `e${index}`, question: `Who${span(index)} is ${index}?`, answers: ['Ada'], documents };
    });
    const contexts = { short: { distractors: 1 }, long: { maxTokens: 400 }, beyondPositions: 'keep' as const };
    const pool = new DocumentPool(documentsOf(examples));
    for (const controlTokens of ['text', 'tokens'] as const) {
      const options = { text, prompt: promptSchema.parse({ controlTokens }), seed: 1, pool };
      const drawn = drawnFrom(examples, options);
      const counts = examples.map((each) => {
        const { short, long } = made(composeContexts(each, { ...options, contexts }));
        for (const context of [short, long]) expectSound(context, each, options, drawn(context, each));
        expect(long.documents.some((index) => index >= each.documents.length)).toBe(true);
        return long.tokens.filter((id) => id === token).length;
      });
      // The template's own two, behind the system's turn and the user's.
      expect(counts.every((count) => (controlTokens === 'text' ? count === 2 : count > 2))).toBe(true);
    }
  });
});
