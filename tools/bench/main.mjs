// npm run bench -- NAME [--quick] [--threads N] [--device cpu|webgpu] [--peers | --no-peers] [--model FOLDER] [--json FILE]
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, availableParallelism, cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { answers } from './answers.mjs';
import { arms } from './arms.mjs';
import { block } from './block.mjs';
import { coldstart } from './coldstart.mjs';
import { compose } from './compose.mjs';
import { frozen } from './frozen.mjs';
import { growth } from './growth.mjs';
import { load } from './load.mjs';
import { memory } from './memory.mjs';
import { modelsAdd } from './models-add.mjs';
import { hasPeer } from './peers.mjs';
import { ranks } from './ranks.mjs';
import { sample } from './sample.mjs';
import { score } from './score.mjs';
import { step } from './step.mjs';
import { torch } from './torch.mjs';

const BENCHES = {
  block,
  step,
  memory,
  arms,
  sample,
  answers,
  score,
  frozen,
  growth,
  compose,
  load,
  coldstart,
  'models-add': modelsAdd,
  ranks,
  torch,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    quick: { type: 'boolean', default: false },
    device: { type: 'string', default: 'cpu' },
    threads: { type: 'string', default: String(availableParallelism()) },
    // By default those that are installed: PyTorch's environment is some 6 GB.
    peers: { type: 'boolean' },
    // A model folder for `answers`; otherwise it makes one.
    model: { type: 'string' },
    json: { type: 'string' },
  },
});
const [name = 'all'] = positionals;
const chosen = name === 'all' ? Object.keys(BENCHES) : [name];
const unknown = chosen.find((each) => !(each in BENCHES));
if (unknown) {
  console.error(`there is no bench "${unknown}"; choose ${Object.keys(BENCHES).join(', ')} or all`);
  process.exit(2);
}

const require = createRequire(import.meta.url);
const threads = Number(values.threads);
const { quick, device, model, peers: asked } = values;
const peers = hasPeer('torch', asked);
const reports = [];
for (const bench of chosen) {
  const figures = await BENCHES[bench]({ quick, threads, peers, device, model, asked });
  for (const { name: figure, value, unit, goal, reached } of figures) {
    const verdict = goal === null ? '' : `  goal ${goal}: ${reached ? 'reached' : 'NOT REACHED'}`;
    console.log(`${bench}  ${figure.padEnd(72)} ${String(value ?? '').padStart(9)} ${unit}${verdict}`);
  }
  reports.push({
    bench,
    hardware: {
      cpu: cpus()[0].model.trim(),
      cores: cpus().length,
      threads,
      device,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      arch: arch(),
    },
    versions: { node: process.version, onnxruntime: require('onnxruntime-node/package.json').version },
    figures,
  });
  // After each bench: an interrupted run leaves what it has.
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify(chosen.length === 1 ? reports[0] : reports, null, 2)}\n`);
}
