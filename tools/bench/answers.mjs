// Answers on the processor, all sides in turn: this engine by the format of its weights, its batches of fixed prompts over float32
// weights (as answers were made before), and llama.cpp and vLLM where they are installed.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readModelConfig } from '@solopo/lm/model-folder';
import { figure, gib, notMeasured } from './figure.mjs';
import { tokens, writeModel } from './model.mjs';
import { hasPeer, peerProgram } from './peers.mjs';
import { Side } from './side.mjs';

const SHAPE = 'smollm2-135m';
const OWN = ['int8', 'int4', 'float32'];
const FIXED = 'float32 in fixed batches';

/** What the seconds of `int8` are compared with, and the goals. */
const cases = ({ quick }) => [
  {
    what: '32 answers of 32 tokens to a prompt of 500',
    ...{ prompts: 1, promptTokens: 500, samples: 32, newTokens: 32, temperature: 0.85, rounds: quick ? 3 : 7 },
    sides: [...OWN, FIXED, 'vllm'],
    goals: { [FIXED]: 2.5, vllm: 5 },
  },
  {
    what: 'one answer of 32 tokens to a prompt of 500',
    ...{ prompts: 1, promptTokens: 500, samples: 1, newTokens: 32, temperature: 0.85, rounds: quick ? 5 : 15 },
    sides: [...OWN, FIXED, 'llama', 'vllm'],
    goals: { [FIXED]: 3.5, llama: 1.2 },
  },
  {
    what: `${quick ? 8 : 64} questions of 2,000 tokens, 32 tokens of answer each, greedy`,
    ...{
      prompts: quick ? 8 : 64,
      promptTokens: 2000,
      samples: 1,
      newTokens: 32,
      temperature: 0,
      // Each is as many questions as make a mean.
      rounds: 1,
    },
    sides: ['int8', FIXED],
    goals: { [FIXED]: 3 },
  },
];

const PEERS = {
  llama: { label: 'llama.cpp, Q8_0', without: 'tools/peers/llama is not installed; --peers installs it (some 200 MB)' },
  vllm: {
    label: 'vLLM, bfloat16',
    without: 'tools/peers/vllm is not installed; tools/peers/vllm/setup does it (7 GB)',
  },
};

export async function answers({ quick, threads, model, asked }) {
  const made = model ? null : mkdtempSync(join(tmpdir(), 'solopo-bench-'));
  try {
    if (made) writeModel(made, SHAPE);
    const folder = model ?? made;
    const figures = [];
    for (const each of cases({ quick })) figures.push(...(await compare(each, { folder, threads, asked })));
    return figures;
  } finally {
    if (made) rmSync(made, { recursive: true });
  }
}

async function compare({ what, sides: names, goals, rounds, ...size }, { folder, threads, asked }) {
  const config = readModelConfig(folder);
  const sides = new Map();
  const missing = [];
  try {
    for (const name of names) {
      if (name in PEERS && !hasPeer(name, asked)) missing.push(name);
      else {
        sides.set(name, sideOf(name, { ...size, folder, threads }));
        // One after the other: each reads the whole model.
        await sides.get(name).ready();
      }
    }
    for (let round = -1; round < rounds; round++) {
      const warmUp = round < 0;
      // Prompts of a round's own: nothing that is kept of the last round's serves it.
      const prompts = Array.from({ length: warmUp ? 1 : size.prompts }, (_, i) => [
        ...tokens(config, size.promptTokens, (round + 1) * size.prompts + i),
      ]);
      for (const side of sides.values()) await side.round({ prompts }, { warmUp });
    }
    for (const side of sides.values()) await side.close();
  } finally {
    for (const side of sides.values()) side.kill();
  }
  const own = sides.get('int8');
  const figures = [];
  for (const [name, side] of sides) {
    const label = `${what}: ${PEERS[name]?.label ?? name}`;
    figures.push(
      figure(label, side.best, 's'),
      figure(`${label}, median`, side.median, 's'),
      figure(`${label}, peak memory`, gib(side.peakBytes), 'GiB'),
    );
    if (side === own) continue;
    const goal = goals[name] === undefined ? {} : { atLeast: goals[name] };
    figures.push(
      figure(`${label}: times that int8 is faster`, side.best / own.best, 'x', goal),
      figure(`${label}: times that int8 is faster, medians`, side.median / own.median, 'x'),
    );
  }
  return [
    ...figures,
    ...missing.map((name) => notMeasured(`${what}: ${PEERS[name].label}`, `not measured, ${PEERS[name].without}`)),
  ];
}

function sideOf(name, options) {
  if (name in PEERS) return new Side(peerProgram(name), [JSON.stringify(options)]);
  const own = name === FIXED ? { weights: 'float32', fixed: true } : { weights: name };
  const program = fileURLToPath(new URL('answering.mjs', import.meta.url));
  return new Side(process.execPath, [program, JSON.stringify({ ...options, ...own })]);
}
