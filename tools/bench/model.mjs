// Models in the shape of published ones, with small random weights: what is timed does not depend on their values.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  initialiseLora,
  LanguageModel,
  modelParameters,
  packWeight,
  parseModelConfig,
  writeSafetensors,
} from '@solopo/lm';

const SHAPES = {
  'qwen2.5-0.5b': {
    model_type: 'qwen2',
    vocab_size: 151_936,
    hidden_size: 896,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    intermediate_size: 4864,
    rope_theta: 1e6,
    tie_word_embeddings: true,
  },
  'smollm2-135m': {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: 49_152,
    hidden_size: 576,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    head_dim: 64,
    intermediate_size: 1536,
    hidden_act: 'silu',
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 1e5,
    bos_token_id: 1,
    eos_token_id: 2,
    tie_word_embeddings: true,
  },
};

export const LORA = {
  rank: 16,
  alpha: 32,
  targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  rsLora: false,
};

/** A step's options, whatever the arm. */
export const TRAINING = {
  objective: { kind: 'dpo', beta: 0.1, loss: 'sigmoid', labelSmoothing: 0 },
  alignment: {
    alpha: 1,
    reference: 'shared',
    distance: 'absolute',
    sides: 'two',
    detach: 'short',
    deadZone: 0,
    fraction: 1,
  },
  optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
  schedule: { learningRate: 1e-5, schedule: 'constant', warmupRatio: 0, finalLearningRateRatio: 1 },
  clipNorm: 1,
  microBatchTokens: 1,
  steps: 1000,
};

export function shape({ shape: name = 'qwen2.5-0.5b', layers, vocabulary } = {}) {
  const json = SHAPES[name];
  return parseModelConfig({
    ...json,
    num_hidden_layers: layers ?? json.num_hidden_layers,
    vocab_size: vocabulary ?? json.vocab_size,
  });
}

/** Uniform in +-0.035 (standard deviation 0.02); norms 1. Each is packed before the next is made, as a model is read. */
function randomWeights(config, frozenWeights) {
  let state = 0x9e3779b9;
  return new Map(
    modelParameters(config).map(([name, dims]) => {
      const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
      if (name.endsWith('norm.weight')) data.fill(1);
      else
        for (let i = 0; i < data.length; i++) {
          state ^= state << 13;
          state ^= state >>> 17;
          state ^= state << 5;
          data[i] = state * (0.035 / 2 ** 31);
        }
      return [name, packWeight(name, { dims, data }, frozenWeights)];
    }),
  );
}

export function model(config, runtime, { lora = true, ...options } = {}) {
  const adapter = lora ? { options: LORA, weights: initialiseLora(config, LORA, 1) } : null;
  return new LanguageModel(
    config,
    randomWeights(config, options.frozenWeights ?? 'float32'),
    runtime,
    adapter,
    options,
  );
}

/** A model folder, as other programs read it too; with other than the shape's own number of layers where that is said. */
export function writeModel(folder, name, { layers = SHAPES[name].num_hidden_layers } = {}) {
  const config = { ...SHAPES[name], num_hidden_layers: layers, dtype: 'float32' };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  writeSafetensors(join(folder, 'model.safetensors'), randomWeights(shape({ shape: name, layers }), 'float32'));
}

export const tokens = (config, length, salt = 0) =>
  Int32Array.from({ length }, (_, i) => (i * 7919 + salt * 104_729 + 13) % config.vocabSize);
