// Prints how far this engine is from the committed numbers of the Python tools: the tables of docs/parity.md.
//   node tools/parity/figures.mjs
import { Runtime } from '@solopo/lm';
import { familyDifferences } from '../../libs/lm/dist/testing/family-differences.fixture.js';
import { caseDifferences, curveDifferences } from '../../libs/lm/dist/testing/pair-differences.fixture.js';
import { REFERENCE_MODELS } from '../../libs/lm/dist/testing/reference-models.fixture.js';
import { CURVES, PAIR_CASES } from '../../libs/lm/dist/testing/reference-pairs.fixture.js';

const runtime = new Runtime({ threads: 1 });
const row = (cells) => console.log(`| ${cells.join(' | ')} |`);
const short = (x) => x.toExponential(1);

row([
  'model',
  'log-probability',
  'summed',
  'logit',
  'sampled',
  'gradient of every weight',
  'with adapter',
  'gradient of every A, B',
]);
row(Array(8).fill('---'));
for (const name of Object.keys(REFERENCE_MODELS)) {
  const d = await familyDifferences(runtime, name);
  row([
    name,
    ...[d.logps, d.sums, d.logits, d.sampledLogp, d.gradients, d.adaptedLogps, d.adaptedGradients].map(short),
  ]);
}

const REWARDS = ['rewards/chosen', 'rewards/rejected', 'rewards/margins'];
const worst = (metrics, names) => short(Math.max(0, ...names.map((name) => metrics[name] ?? 0)));
console.log();
row(['arm and objective', 'loss', 'rewards', 'gradient of every weight', 'loss, adapter', 'gradient of every A, B']);
row(Array(6).fill('---'));
for (const name of Object.keys(PAIR_CASES)) {
  const full = await caseDifferences(runtime, name, 'full');
  const lora = await caseDifferences(runtime, name, 'lora');
  row([
    name,
    worst(full.metrics, ['loss']),
    worst(full.metrics, REWARDS),
    short(full.gradients),
    worst(lora.metrics, ['loss']),
    short(lora.gradients),
  ]);
}

console.log();
row(['ten steps', 'loss', 'rewards', 'gradient norm, relative', 'norm of a weight at the end, relative']);
row(Array(5).fill('---'));
for (const name of Object.keys(CURVES)) {
  const { metrics, weights } = await curveDifferences(runtime, name);
  row([name, worst(metrics, ['loss']), worst(metrics, REWARDS), worst(metrics, ['grad_norm']), short(weights)]);
}
await runtime.close();
