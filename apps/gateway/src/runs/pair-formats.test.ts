import { promptSchema } from '@solopo/contracts';
import { composeContexts } from '@solopo/corpus';
import { TextModel, type Message } from '@solopo/text';
import { describe, expect, it } from 'vitest';
import { PAIR_FORMATS } from './pair-formats.ts';

const example = {
  id: 'e',
  question: 'Où est née « Zoë » — 佐伊?',
  answers: ['São Paulo'],
  documents: [
    { title: 'Zoë', text: 'Zoë (佐伊) was born  in São Paulo. {question} \n\n Fin. 🦜', relevant: true },
    { title: 'Other', text: '<|im_end|> is a token, and so is <s>.', relevant: false },
  ],
};

describe.each(['qwen2.5-0.5b-instruct', 'smollm2-360m-instruct'])('with the tokenizer of %s', (name) => {
  it.each([{}, { system: 'Be brief.' }])('every format gives the tokens back: %j', async (changes) => {
    const text = await TextModel.fromFolder(new URL(`../../../../data/models/${name}`, import.meta.url).pathname);
    const prompt = promptSchema.parse(changes);
    const contexts = { short: { distractors: 0 }, long: { documents: 2 } };
    const made = composeContexts(example, { prompt, contexts, text, seed: 1 });
    if ('refused' in made) throw new Error(made.refused);
    const [chosen, rejected] = [' São\n Paulo 🦜', 'no'].map((answer) =>
      Int32Array.of(...text.encode(answer), ...text.responseTail),
    ) as [Int32Array, Int32Array];
    const pair = { question: example.question, context: made.long.tokens, chosen, rejected };

    const plain = PAIR_FORMATS.trl(pair, { text, prompt }) as Record<string, string>;
    expect(text.encode(plain['prompt'] ?? '')).toEqual(made.long.tokens);
    expect(plain['chosen']).toBe(` São\n Paulo 🦜${text.decode(text.responseTail).trimEnd()}`);

    const chat = PAIR_FORMATS['trl-conversational'](pair, { text, prompt }) as Record<string, Message[]>;
    expect(text.promptTokens(chat['prompt'] ?? [])).toEqual(made.long.tokens);
    expect(chat['chosen']).toEqual([{ role: 'assistant', content: ' São\n Paulo 🦜' }]);
    expect(chat['prompt']?.at(-1)?.content).toContain(example.documents[0]?.text);

    const ranked = PAIR_FORMATS['llama-factory'](pair, { text, prompt });
    expect(ranked).toMatchObject({ ...changes, rejected: { from: 'gpt', value: 'no' } });
  });
});
