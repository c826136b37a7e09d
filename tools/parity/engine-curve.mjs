// Ten steps of the embedded engine on the bundled model, which the torch engine is held to.
//   node tools/parity/engine-curve.mjs > engines/torch/tests/fixtures/engine-curves.json
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  promptMessages,
  renderDocument,
  RETRIEVAL_PROMPT,
  retrievalExamples,
  retrievalTokenizer,
} from '@solopo/corpus';
import { TaskRunner } from '@solopo/engine';
import { readSafetensors } from '@solopo/lm';
import { TextModel } from '@solopo/text';

const STEPS = 10;
const PAIRS_A_STEP = 3;

const text = TextModel.fromFiles(retrievalTokenizer());
const folder = fileURLToPath(new URL('../../data/models/retrieval-144k', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'engine-curve-'));
const runner = new TaskRunner({ threads: 1 });
const silent = () => undefined;
const sum = (values) => values.reduce((total, value) => total + value, 0);

function pairOf({ question, answers, documents }) {
  const promptOf = (shown) => {
    const rendered = shown.map((document) => renderDocument(document, RETRIEVAL_PROMPT));
    return promptMessages(question, rendered.join(RETRIEVAL_PROMPT.separator), RETRIEVAL_PROMPT);
  };
  const other = documents.find(({ relevant }) => !relevant);
  const short = promptOf(documents.filter((document) => document.relevant || document === other));
  return {
    short: text.promptTokens(short),
    long: text.promptTokens(promptOf(documents)),
    chosen: text.responseTokens(short, answers[0]),
    // Wrong: the code of a document that is not asked for.
    rejected: text.responseTokens(short, / is (\w+ \w+) \./.exec(other.text)[1]),
  };
}

async function withReference(pairs) {
  const trees = pairs.flatMap(({ short, long, chosen, rejected }) =>
    [short, long].map((prompt) => ({ prompt, branches: [chosen, rejected] })),
  );
  const { logps } = await runner.run('score', { model: { folder }, trees, batchTokens: 4096 }, silent);
  return pairs.map((pair, i) => {
    const [[shortChosen, shortRejected], [longChosen, longRejected]] = logps.slice(2 * i, 2 * i + 2);
    const rows = { shortChosen, shortRejected, longChosen, longRejected };
    return { ...pair, reference: Object.fromEntries(Object.entries(rows).map(([row, of]) => [row, sum(of)])) };
  });
}

const alignment = {
  alpha: 1.5,
  reference: 'shared',
  distance: 'absolute',
  sides: 'two',
  detach: 'short',
  deadZone: 1e-5,
  fraction: 1,
};
const common = {
  optimizer: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.01 },
  schedule: { learningRate: 2e-3, schedule: 'cosine', warmupRatio: 0.1, finalLearningRateRatio: 0.1 },
  clipNorm: 1,
  microBatchTokens: 600,
  steps: STEPS,
};
const dpo = { kind: 'dpo', beta: 0.5, loss: 'sigmoid', labelSmoothing: 0 };
const orpo = { kind: 'orpo', beta: 0.4, nllWeight: 1, nll: 'all' };
const ADAPTER = {
  options: {
    rank: 4,
    alpha: 8,
    targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
    rsLora: false,
  },
  seed: 7,
};
const CURVES = {
  'dpo, solo': { adapter: ADAPTER, options: { ...common, arm: 'solo', objective: dpo, alignment } },
  'dpo, solo-both, the last 14 tokens of the long prompt': {
    adapter: ADAPTER,
    options: { ...common, arm: 'solo-both', objective: dpo, alignment: { ...alignment, backward: { tail: 14 } } },
  },
  distil: { adapter: ADAPTER, options: { ...common, arm: 'distil', objective: { kind: 'distil' }, alignment } },
  'orpo, solo-both, in one pass, all parameters': {
    options: {
      ...common,
      arm: 'solo-both',
      objective: orpo,
      alignment: { ...alignment, detach: 'none', sides: 'one' },
      // Gradients that are all rounding, as of keys' biases, are no steps at this epsilon.
      optimizer: { ...common.optimizer, epsilon: 1e-5 },
      schedule: { ...common.schedule, learningRate: 3e-4 },
    },
  },
};

const examples = [...retrievalExamples({ seed: 43, count: STEPS * PAIRS_A_STEP, documents: 6 })];
const pairs = await withReference(examples.map(pairOf));
const batches = Array.from({ length: STEPS }, (_, step) =>
  Array.from({ length: PAIRS_A_STEP }, (_pair, i) => step * PAIRS_A_STEP + i),
);
const curves = {};
for (const [name, { adapter, options }] of Object.entries(CURVES)) {
  const files = { weights: join(out, 'weights'), optimizerState: join(out, 'state') };
  const model = { folder, ...(adapter ? { adapter } : {}) };
  const { steps } = await runner.run('trainSlice', { model, fromStep: 0, options, pairs, batches, out: files }, silent);
  const norms = [...readSafetensors(files.weights).tensors].map(([tensor, { data }]) => [
    tensor,
    Math.sqrt(sum(data.map((x) => x * x))),
  ]);
  curves[name] = {
    model: adapter ? { adapter } : {},
    options,
    steps: steps.map(({ metrics, policyTokens }) => ({ metrics, policyTokens })),
    weights: Object.fromEntries(norms),
  };
}
await runner.runtime.close();
rmSync(out, { recursive: true });

const compact = (_key, value) => {
  if (ArrayBuffer.isView(value)) return [...value];
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(9)) : value;
};
console.log(JSON.stringify({ batches, pairs, curves }, compact));
