// What the embedded engine says of the bundled model, which the torch engine is held to.
//   node tools/parity/engine-answers.mjs > engines/torch/tests/fixtures/engine-answers.json
import { fileURLToPath } from 'node:url';
import { TaskRunner } from '@solopo/engine';
import { initialiseLora, readModelConfig } from '@solopo/lm';

const folder = fileURLToPath(new URL('../../data/models/retrieval-144k', import.meta.url));
const runner = new TaskRunner({ threads: 1 });
const run = (task, input) => runner.run(task, { model: { folder }, ...input }, () => undefined);

const tokens = (length, salt) => Int32Array.from({ length }, (_, i) => (i * i * 7 + salt * 13 + i * 3) % 90);
const trees = [
  { prompt: tokens(40, 1), branches: [tokens(6, 2), tokens(9, 3)] },
  { prompt: tokens(150, 4), branches: [tokens(5, 5)] },
  { prompt: tokens(7, 6), branches: [tokens(3, 7), tokens(1, 8), tokens(4, 9)] },
];
const prompts = trees.map(({ prompt }, i) => ({ tokens: prompt, key: [0xfedcba98 + i, 7 * i] }));
const rows = trees.map(({ prompt, branches: [response] }) => ({ prompt, response, evidence: [{ start: 2, end: 5 }] }));
const drawn = { samplesPerPrompt: 4, temperature: 0.8, topP: 0.9, maxNewTokens: 24, eosIds: [1, 17], seed: 42 };
const lora = { rank: 4, alpha: 8, targets: ['q_proj', 'down_proj'], rsLora: false };
const batchTokens = 4096;

const { logps } = await run('score', { trees, batchTokens });
const answers = {
  trees,
  logps,
  measured: await run('measure', { trees, batchTokens, scorePrompt: true }),
  rows,
  inspected: await run('inspect', { rows }),
  prompts,
  drawn: { options: drawn, samples: (await run('sample', { prompts, options: drawn, batchTokens })).samples },
  greedy: (await run('sample', { prompts, options: { ...drawn, temperature: 0, samplesPerPrompt: 1 }, batchTokens }))
    .samples,
  adapter: {
    options: lora,
    seed: 3,
    matrices: Object.fromEntries(
      [...initialiseLora(readModelConfig(folder), lora, 3)].map(([name, { dims, data }]) => [
        name,
        { dims, first: data.slice(0, 8), last: data.slice(-8) },
      ]),
    ),
  },
};
process.stdout.write(
  `${JSON.stringify(answers, (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value))}\n`,
);
await runner.runtime.close();
