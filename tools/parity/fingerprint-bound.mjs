// How far apart the log-probabilities of the same rows are when another engine computes them, or the same one in another
// layout: threads, what shares a batch, whether both responses share their prompt.   node tools/parity/fingerprint-bound.mjs
import { promptMessages, renderDocument, RETRIEVAL_PROMPT, retrievalExamples } from '@solopo/corpus';
import { initialise, LanguageModel, parseModelConfig, Runtime, scoreTrees, sumOf } from '@solopo/lm';
import { TextModel } from '@solopo/text';

const BUNDLED = 'data/models/retrieval-144k';
/** As the score stage's, by default: padded tokens a batch. */
const BATCH_TOKENS = 8192;

/** Contexts of 2 to 33 documents, so that a batch pads; a right and a wrong response to each. */
async function retrievalTrees() {
  const text = await TextModel.fromFolder(BUNDLED);
  return Array.from({ length: 64 }, (_, i) => {
    const [{ question, answers, documents }] = [
      ...retrievalExamples({ seed: 100 + i, count: 1, documents: 2 + ((i * 7) % 32) }),
    ];
    const joined = documents
      .map((document) => renderDocument(document, RETRIEVAL_PROMPT))
      .join(RETRIEVAL_PROMPT.separator);
    const messages = promptMessages(question, joined, RETRIEVAL_PROMPT);
    const other = documents.find(({ relevant }) => !relevant);
    const wrong = / is (\w+ \w+) \./.exec(other.text)[1];
    return {
      prompt: text.promptTokens(messages),
      branches: [answers[0], wrong].map((response) => text.responseTokens(messages, response)),
    };
  });
}

/** Lengths of 30 to 430 tokens, two responses of 3 to 60. */
function randomTrees(vocabulary) {
  const tokens = (length, seed) =>
    Int32Array.from({ length }, (_, i) => (i * i * 7 + 3 * i + 11 * seed + 5) % vocabulary);
  return Array.from({ length: 48 }, (_, i) => ({
    prompt: tokens(30 + ((i * 131) % 401), i),
    branches: [tokens(3 + ((i * 17) % 58), i + 1), tokens(3 + ((i * 29) % 58), i + 2)],
  }));
}

function randomModel(hidden, layers) {
  const config = parseModelConfig({
    model_type: 'qwen2',
    vocab_size: 499,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: hidden / 16,
    num_key_value_heads: hidden / 32,
    intermediate_size: 3 * hidden,
    rope_theta: 10_000,
    max_position_embeddings: 1024,
    tie_word_embeddings: true,
  });
  const weights = initialise(config, { seed: 7, embeddingStd: 0.5, residualScale: 1 });
  return (runtime) => new LanguageModel(config, weights, runtime);
}

const MODELS = [
  ['bundled', (runtime) => LanguageModel.fromFolder(BUNDLED, runtime), await retrievalTrees()],
  ['random, d 64', randomModel(64, 3), randomTrees(499)],
  ['random, d 512', randomModel(512, 4), randomTrees(499)],
];
const WAYS = [
  ['again', {}],
  ['2 threads', { threads: 2 }],
  ['batches of 1,024 tokens', { batchTokens: 1024 }],
  ['alone', { batchTokens: 1 }],
  ['alone, responses apart', { batchTokens: 1, apart: true }],
  ['alone, 2 threads', { batchTokens: 1, threads: 2 }],
];

async function rowsOf(open, trees, { threads = 1, batchTokens = BATCH_TOKENS, apart = false }) {
  const runtime = new Runtime({ threads });
  const asked = apart
    ? trees.flatMap(({ prompt, branches }) => branches.map((branch) => ({ prompt, branches: [branch] })))
    : trees;
  const rows = (await scoreTrees(open(runtime), asked, { batchTokens })).flat();
  await runtime.close();
  return rows;
}

const worst = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

console.log(new Runtime({ threads: 1 }).fingerprint);
console.log(`against 1 thread in batches of ${BATCH_TOKENS} tokens; differences in nats`);
for (const [name, open, trees] of MODELS) {
  const expected = await rowsOf(open, trees, {});
  const size = worst(expected.map(sumOf)).toFixed(1);
  console.log(`\n${name}: ${expected.length} rows, greatest |sum| ${size}`);
  for (const [way, how] of WAYS) {
    const rows = await rowsOf(open, trees, how);
    const isEqual = (row, i) => row.every((value, t) => Object.is(value, expected[i][t]));
    const token = worst(rows.flatMap((row, i) => [...row].map((value, t) => value - expected[i][t])));
    const sum = worst(rows.map((row, i) => sumOf(row) - sumOf(expected[i])));
    const equal = rows.filter(isEqual).length;
    console.log(
      `  ${way.padEnd(26)} bit-equal rows ${String(equal).padStart(3)} of ${rows.length}, a token ${token.toExponential(1)}, a sum ${sum.toExponential(1)}`,
    );
  }
}
