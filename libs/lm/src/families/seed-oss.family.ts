import { sharedRope } from '../rotary.ts';
import { LLAMA_BLOCK, llamaBlockSettings, oneKind, type Family } from './family.ts';

/** Seed-OSS: Qwen2's block, with settings for its biases. */
export const SEED_OSS: Family = {
  ...LLAMA_BLOCK,
  modelType: 'seed_oss',
  architecture: 'SeedOssForCausalLM',
  reads: ['attention_bias', 'attention_out_bias', 'mlp_bias', 'residual_dropout'],
  ignores: {},
  defaults: { num_key_value_heads: 8, head_dim: 128, max_position_embeddings: 524_288, attention_bias: true },
  biases: (config) => ({
    qkv: config.flag('attention_bias'),
    output: config.flag('attention_out_bias'),
    mlp: config.flag('mlp_bias'),
  }),
  layers: (config, count, rope) => oneKind(count, { ...rope(sharedRope(config)), slidingWindow: null }),
  settings: (config) => ({
    ...llamaBlockSettings(config),
    attention_bias: config.biases.qkv,
    attention_out_bias: config.biases.output,
    mlp_bias: config.biases.mlp,
    // Elsewhere they are 0.1 where they are left out, and change what is trained.
    attention_dropout: 0,
    residual_dropout: 0,
  }),
};
