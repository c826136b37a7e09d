// Prints how far this engine is from the committed numbers of the Python tools: the tables of docs/parity.md.
//   node tools/parity/figures.mjs
import { Runtime } from '@solopo/lm';
import { familyDifferences } from '../../libs/lm/dist/testing/family-differences.fixture.js';
import { REFERENCE_MODELS } from '../../libs/lm/dist/testing/reference-models.fixture.js';

const runtime = new Runtime({ threads: 1 });
const row = (cells) => console.log(`| ${cells.join(' | ')} |`);
const short = (x) => x.toExponential(1);

row([
  'model',
  'log-probability',
  'summed',
  'logit',
  'gradient of every weight',
  'with adapter',
  'gradient of every A, B',
]);
row(Array(7).fill('---'));
for (const name of Object.keys(REFERENCE_MODELS)) {
  const d = await familyDifferences(runtime, name);
  row([name, ...[d.logps, d.sums, d.logits, d.gradients, d.adaptedLogps, d.adaptedGradients].map(short)]);
}
await runtime.close();
