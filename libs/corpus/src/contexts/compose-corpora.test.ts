import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { ContextsConfig, DatasetFormat, Example } from '@solopo/contracts';
import { promptSchema } from '@solopo/contracts';
import { TextModel } from '@solopo/text';
import { beforeAll, describe, expect, it } from 'vitest';
import { normalizeCase } from '../normalize.ts';
import { readExamples } from '../readers/read-examples.ts';
import type { ComposeOptions, ContextPair } from './compose-contexts.ts';
import { composeContexts } from './compose-contexts.ts';
import { documentsOf, DocumentPool } from './document-pool.ts';
import { pieceOf } from './pieces.ts';
import { drawnFrom, expectSound, made } from './sound-context.fixture.ts';

const DATA = join(import.meta.dirname, '../../../../data');
/** More than the ten paragraphs of most records: the pool fills the rest. */
const BUDGET = 2500;
const CONTEXTS: ContextsConfig = { short: { distractors: 1 }, long: { maxTokens: BUDGET } };

async function examplesOf(file: string, format: DatasetFormat): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const line of readExamples(createReadStream(join(DATA, file)), format)) {
    if ('example' in line) examples.push(line.example);
  }
  return examples.slice(0, 24);
}

describe.each([
  ['qwen2.5-0.5b-instruct', 'hotpotqa', 'hotpotqa/hotpot_dev_distractor_40.jsonl', '9a197bbac07f58be5d3cb8421d7e8f73'],
  ['smollm2-360m-instruct', 'hotpotqa', 'hotpotqa/hotpot_dev_distractor_40.jsonl', '5c039c4752c4b6f9f4a1215e567d97a2'],
  ['qwen2.5-0.5b-instruct', '2wiki', '2wikimultihopqa/2wiki_dev_last_40.jsonl', '1934828746805b1a4465792d97955318'],
  ['smollm2-360m-instruct', '2wiki', '2wikimultihopqa/2wiki_dev_last_40.jsonl', '81e96c7939024db4dcb8a67735f52dbd'],
] as const)('with the tokenizer of %s and %s records', (model, format, file, digest) => {
  let options: ComposeOptions;
  let examples: Example[];
  let composed: ContextPair[];

  beforeAll(async () => {
    const text = await TextModel.fromFolder(join(DATA, 'models', model));
    examples = await examplesOf(file, format);
    options = { prompt: promptSchema.parse({}), text, seed: 5, pool: new DocumentPool(documentsOf(examples)) };
    composed = examples.map((example) => made(composeContexts(example, { ...options, contexts: CONTEXTS })));
  });

  it('meets the budget within one document, never above, with the evidence whole and its place known', () => {
    const drawnOf = drawnFrom(examples, options);
    const sizes = examples.flatMap(({ documents }) =>
      documents.map((document) => pieceOf(document, options.prompt, options.text).stretch.tokens.length),
    );
    const gaps: number[] = [];
    let pooled = 0;
    for (const [place, example] of examples.entries()) {
      const { short, long } = composed[place]!;
      const drawn = drawnOf(long, example);
      expectSound(short, example, options, []);
      expectSound(long, example, options, drawn);
      expect(short.documents).toHaveLength(Math.min(long.evidence.length + 1, example.documents.length));
      expect(long.documents).toEqual(expect.arrayContaining([...short.documents]));
      expect(long.tokens.length).toBeLessThanOrEqual(BUDGET);
      gaps.push(BUDGET - long.tokens.length);
      for (const document of drawn.filter(Boolean)) {
        pooled += 1;
        const answers = example.answers.map(normalizeCase).filter((answer) => answer !== 'yes' && answer !== 'no');
        for (const answer of answers) expect(normalizeCase(`${document.title} ${document.text}`)).not.toContain(answer);
      }
    }
    expect(pooled).toBeGreaterThan(examples.length);
    expect(Math.max(...gaps)).toBeLessThan(Math.max(...sizes));
    expect(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length).toBeLessThan(50);
  });

  it('gives the contexts that it gave when each of them was encoded as a whole', () => {
    const contexts = composed.flatMap(({ short, long }) => [short, long]);
    const made = contexts.map(({ tokens, evidence, documents }) => [[...tokens], evidence, documents]);
    expect(createHash('sha256').update(JSON.stringify(made)).digest('hex').slice(0, 32)).toBe(digest);
  });

  it('puts the evidence anywhere', () => {
    const places = composed.flatMap(({ long }) =>
      long.evidence.map(({ start }) => Math.floor((4 * start) / long.tokens.length)),
    );
    for (const quarter of [0, 1, 2, 3]) {
      expect(places.filter((place) => place === quarter).length).toBeGreaterThan(places.length / 10);
    }
  });
});
