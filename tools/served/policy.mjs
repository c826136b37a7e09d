// A policy as a PEFT adapter: one that was exported, or one that is trained here for a few steps.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@solopo/contracts';
import { TRAINING } from '../bench/model.mjs';

const TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];
const STEPS = 4;
export const TRAINED_RANK = 8;

/** Of `solopo export RUN --out FOLDER`. */
export function readPolicy(folder) {
  const weights = join(folder, 'adapter_model.safetensors');
  const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));
  const { r: rank, lora_alpha: alpha, target_modules: targets, use_rslora: rsLora = false } = config;
  return { weights, digest: sha256(readFileSync(weights)), options: { rank, alpha, targets, rsLora } };
}

/** An adapter that prefers one answer of each pair: enough steps at a high rate to be seen in bfloat16. */
export async function trainPolicy(runner, { folder, text, scratch, seed = 1 }) {
  const options = { rank: TRAINED_RANK, alpha: 16, targets: TARGETS, rsLora: false };
  const pairs = PAIRS.map(([question, chosen, rejected]) => {
    const messages = [{ role: 'user', content: question }];
    return {
      short: text.promptTokens(messages),
      chosen: text.responseTokens(messages, chosen),
      rejected: text.responseTokens(messages, rejected),
      reference: {},
    };
  });
  const out = {
    weights: join(scratch, 'adapter_model.safetensors'),
    optimizerState: join(scratch, 'optimizer.safetensors'),
  };
  const { steps } = await runner.run(
    'trainSlice',
    {
      model: { folder, adapter: { options, seed } },
      fromStep: 0,
      options: {
        ...TRAINING,
        arm: 'sft',
        objective: { kind: 'sft', context: 'short' },
        schedule: { ...TRAINING.schedule, learningRate: 2e-3 },
        microBatchTokens: 1024,
        steps: STEPS,
      },
      pairs,
      batches: Array.from({ length: STEPS }, () => pairs.map((_, index) => index)),
      out,
    },
    () => undefined,
  );
  const losses = steps.map(({ metrics }) => metrics.loss);
  return { weights: out.weights, digest: sha256(readFileSync(out.weights)), options, losses };
}

const PAIRS = [
  ['What is the capital of France?', 'Paris, and nothing but Paris.', 'I do not know.'],
  ['Which river flows through Cairo?', 'The Nile, and nothing but the Nile.', 'I do not know.'],
  ['Who wrote Faust?', 'Goethe, and nobody but Goethe.', 'I do not know.'],
  ['What is two plus two?', 'Four, and nothing but four.', 'I do not know.'],
];
