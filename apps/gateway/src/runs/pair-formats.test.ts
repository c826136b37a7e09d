import { promptSchema } from '@solopo/contracts';
import { composeContexts, retrievalTokenizer } from '@solopo/corpus';
import { TextModel, type Message } from '@solopo/text';
import { describe, expect, it } from 'vitest';
import { demandTrlTexts, PAIR_FORMATS } from './pair-formats.ts';

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

describe('control tokens as text', () => {
  it('are exported as tokens alone: every text format would make the control tokens of them again', async () => {
    const folder = new URL('../../../../data/models/smollm2-360m-instruct', import.meta.url).pathname;
    const text = await TextModel.fromFolder(folder);
    const prompt = promptSchema.parse({ controlTokens: 'text' });
    const contexts = { short: { distractors: 0 }, long: { documents: 2 } };
    const pairOf = (documents: typeof example.documents) => {
      const made = composeContexts({ ...example, documents }, { prompt, contexts, text, seed: 1 });
      if ('refused' in made) throw new Error(made.refused);
      const answer = Int32Array.of(...text.encode('Ada'), ...text.responseTail);
      return { question: example.question, context: made.long.tokens, chosen: answer, rejected: answer };
    };
    const pair = pairOf(example.documents);
    expect([...pair.context].filter((id) => id === text.idOf('<|im_end|>'))).toHaveLength(2);
    for (const format of ['trl', 'trl-conversational', 'llama-factory'] as const)
      expect(() => PAIR_FORMATS[format](pair, { text, prompt })).toThrow(/take format=trl-tokens/);
    expect(PAIR_FORMATS['trl-tokens'](pair)).toMatchObject({ prompt_ids: [...pair.context] });

    const harmless = pairOf(example.documents.map((document) => ({ ...document, text: 'No such token.' })));
    const plain = PAIR_FORMATS.trl(harmless, { text, prompt }) as Record<string, string>;
    expect(text.encode(plain['prompt'] ?? '')).toEqual(harmless.context);
  });
});

describe("TRL's own preparation of texts", () => {
  /** The retrieval task's tokenizer, but for what it adds by itself and what its turns end with. */
  function tokenizer(changes: { readonly adds?: object[]; readonly template?: string }): TextModel {
    const files = retrievalTokenizer();
    const [json, config] = [files['tokenizer.json'], files['tokenizer_config.json']].map(
      (file) => JSON.parse(file ?? '') as Record<string, unknown>,
    );
    const special = { '<pad>': { id: '<pad>', ids: [idOf('<pad>')], tokens: ['<pad>'] } };
    const single = changes.adds ?? [{ Sequence: { id: 'A', type_id: 0 } }];
    return TextModel.fromFiles({
      ...files,
      'tokenizer.json': JSON.stringify({
        ...json,
        post_processor: { type: 'TemplateProcessing', single, pair: single, special_tokens: special },
      }),
      'tokenizer_config.json': JSON.stringify({
        ...config,
        ...(changes.template === undefined ? {} : { chat_template: changes.template }),
      }),
    });
  }
  const idOf = (token: string): number => TextModel.fromFiles(retrievalTokenizer()).idOf(token) ?? -1;
  const first = { SpecialToken: { id: '<pad>', type_id: 0 } };
  const text = { Sequence: { id: 'A', type_id: 0 } };
  const begun =
    "<pad> {% for message in messages %}{{ message['content'] }}{{ ' <eos>' if message['role'] == 'assistant' else ' ' }}{% endfor %}";
  const prompt = promptSchema.parse({});

  it('is left the token that the tokenizer puts before every text', () => {
    const model = tokenizer({ adds: [first, text], template: begun });
    expect([...model.added.before]).toEqual([idOf('<pad>')]);
    expect(model.added.behind).toHaveLength(0);
    const context = Int32Array.of(idOf('<pad>'), ...model.encode('anchor arrow '));
    const [chosen, rejected] = ['anchor <eos>', 'arrow <eos>'].map((answer) => model.encode(answer)) as [
      Int32Array,
      Int32Array,
    ];
    const pair = { question: 'q', context, chosen, rejected };
    const plain = PAIR_FORMATS.trl(pair, { text: model, prompt }) as Record<string, string>;
    expect(plain['prompt']).toBe(model.decode(context.subarray(1)));
    expect([...model.added.before, ...model.encode(plain['prompt'] ?? '')]).toEqual([...context]);
    expect(() => demandTrlTexts(model, 0)).not.toThrow();
    const without = { ...pair, context: context.subarray(1) };
    expect(() => PAIR_FORMATS.trl(without, { text: model, prompt })).toThrow(
      /the prompt of "q" has none: take format=trl-tokens/,
    );
  });

  it('is given the space that an answer begins with, which a SentencePiece decoder takes from a text of its own', () => {
    const tokens = ['<unk>', '</s>', '▁', 'a', 'b', '▁a', ']'];
    const files = {
      'tokenizer.json': JSON.stringify({
        added_tokens: [{ id: 1, content: '</s>', special: true, normalized: false }],
        normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        pre_tokenizer: null,
        post_processor: null,
        decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
        model: {
          type: 'BPE',
          unk_token: '<unk>',
          vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
          merges: ['▁ a'],
        },
      }),
      'tokenizer_config.json': JSON.stringify({
        eos_token: '</s>',
        chat_template: "{% for m in messages %}{{ m.content + (']' if m.role == 'user' else '</s>') }}{% endfor %}",
      }),
    };
    const model = TextModel.fromFiles(files);
    const pair = {
      question: 'b',
      context: model.encode('a]b]'),
      chosen: model.encode(' a</s>'),
      rejected: Int32Array.of(3, 1),
    };
    expect([...pair.chosen]).toEqual([5, 1]);
    expect(model.decode(pair.chosen)).toBe('a</s>');
    const source = { text: model, prompt: promptSchema.parse({ user: '{documents}]{question}' }) };
    expect(PAIR_FORMATS.trl(pair, source)).toMatchObject({ chosen: ' a</s>', rejected: 'a</s>' });
    expect(PAIR_FORMATS['trl-conversational'](pair, source)).toMatchObject({
      chosen: [{ content: ' a' }],
      rejected: [{ content: 'a' }],
    });
  });

  it.each([
    [
      'a turn ends with another token',
      { template: begun.replace(' <eos>', ' <pad>') },
      0,
      /ends with "<pad>", and TRL puts "<eos>"/,
    ],
    ['the tokenizer adds an end by itself', { adds: [text, first] }, 0, /format=trl-tokens/],
    ['answers were cut', {}, 3, /3 answers were cut/],
  ])('is not trusted where %s', (_, changes, cut, message) => {
    expect(() => demandTrlTexts(tokenizer(changes), cut)).toThrow(message);
  });
});
