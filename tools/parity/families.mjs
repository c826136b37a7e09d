// Writes tiny random models of every family, an adapter for each, and this engine's numbers for them: what
// compare.py holds against transformers and PEFT.   node tools/parity/families.mjs FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  formatAdapterConfig,
  formatModelConfig,
  initialise,
  initialiseLora,
  LanguageModel,
  mergeLora,
  packSequences,
  parseModelConfig,
  Runtime,
  toPeftNames,
  writeSafetensors,
  zeroGradients,
} from '@solopo/lm';

const out = process.argv[2];
if (!out) throw new Error('usage: node tools/parity/families.mjs FOLDER');

const shape = {
  vocab_size: 97,
  hidden_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 48,
  rope_theta: 10_000,
  max_position_embeddings: 512,
};
const FAMILIES = {
  qwen2: { ...shape, model_type: 'qwen2', tie_word_embeddings: true },
  qwen3: { ...shape, model_type: 'qwen3', head_dim: 16 },
  llama: {
    ...shape,
    model_type: 'llama',
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
  },
  'llama-biases': { ...shape, model_type: 'llama', attention_bias: true, mlp_bias: true },
  'llama-linear': { ...shape, model_type: 'llama', rope_scaling: { type: 'linear', factor: 4 } },
  'llama-yarn': {
    ...shape,
    model_type: 'llama',
    rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 },
  },
  'qwen2-yarn-untruncated': {
    ...shape,
    model_type: 'qwen2',
    rope_parameters: {
      rope_type: 'yarn',
      rope_theta: 10_000,
      factor: 8,
      original_max_position_embeddings: 64,
      beta_fast: 4,
      beta_slow: 0.5,
      mscale: 0.7,
      mscale_all_dim: 0.4,
      truncate: false,
    },
  },
  'llama-dynamic': {
    ...shape,
    model_type: 'llama',
    max_position_embeddings: 48,
    rope_scaling: { rope_type: 'dynamic', factor: 2 },
  },
  gemma3: {
    ...shape,
    model_type: 'gemma3_text',
    head_dim: 16,
    query_pre_attn_scalar: 24,
    sliding_window: 20,
    sliding_window_pattern: 2,
    rope_theta: 20_000,
    rope_local_base_freq: 1_000,
    rope_scaling: { rope_type: 'linear', factor: 4 },
    tie_word_embeddings: true,
    pad_token_id: null,
  },
  mistral: { ...shape, model_type: 'mistral', sliding_window: 24 },
};
const lora = {
  rank: 4,
  alpha: 8,
  targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  rsLora: false,
};
const tokens = Int32Array.from({ length: 80 }, (_, i) => (i * i * 7 + 3 * i + 5) % 97);
const runtime = new Runtime({ threads: 1 });

for (const [name, json] of Object.entries(FAMILIES)) {
  const config = parseModelConfig(json);
  const folder = join(out, name);
  mkdirSync(join(folder, 'adapter'), { recursive: true });
  mkdirSync(join(folder, 'merged'), { recursive: true });
  const weights = initialise(config, { seed: 7, embeddingStd: 0.5, residualScale: 1 });
  for (const [parameter, { dims, data }] of weights)
    if (dims.length === 1) data.forEach((value, i) => (data[i] = value + 0.2 * Math.sin(i * 5 + parameter.length)));
  const adapter = initialiseLora(config, lora, 9);
  for (const [parameter, { data }] of adapter)
    if (parameter.endsWith('lora_B.weight')) data.forEach((_, i) => (data[i] = 0.1 * Math.cos(i + parameter.length)));

  const write = (file, value) => writeFileSync(join(folder, file), JSON.stringify(value));
  write('config.json', formatModelConfig(config));
  writeSafetensors(join(folder, 'model.safetensors'), weights);
  write('adapter/adapter_config.json', formatAdapterConfig(lora, folder));
  writeSafetensors(join(folder, 'adapter/adapter_model.safetensors'), toPeftNames(adapter));
  write('merged/config.json', formatModelConfig(config));
  writeSafetensors(join(folder, 'merged/model.safetensors'), mergeLora(weights, lora, adapter));

  const numbers = async (model) => {
    const activations = await model.forward(packSequences([tokens]));
    const { logps } = await model.targetLogps(activations);
    const gradients = zeroGradients(model.trainable);
    await model.backward(activations, new Float32Array(logps.length).fill(1), gradients);
    return {
      logps: [...logps],
      gradients: Object.fromEntries([...gradients].map(([key, values]) => [key, [...values]])),
    };
  };
  write('numbers.json', {
    tokens: [...tokens],
    base: await numbers(new LanguageModel(config, weights, runtime)),
    adapted: await numbers(new LanguageModel(config, weights, runtime, { options: lora, weights: adapter })),
  });
  console.log(`wrote ${name}`);
}
await runtime.close();
