import type { FamilyName } from '../families/families.ts';
import type { GgufMetadata } from './gguf-metadata.ts';

/** How an architecture of GGUF is one of our families. Facts: llama.cpp's convert_hf_to_gguf.py and src/llama-model.cpp. */
export interface Architecture {
  readonly family: FamilyName;
  /** Rows of queries and keys are in the order of neighbouring rotary pairs (2i, 2i + 1). */
  readonly neighbouringPairs: boolean;
  /** Norms are stored as the factor, where the family keeps what it is above one. */
  readonly normsAboveOne: boolean;
  /** Norms in a block, by GGUF's names and ours. */
  readonly blockNorms: Readonly<Record<string, string>>;
  /** Settings of config.json that only this architecture has. */
  readonly settings: (own: GgufMetadata, facts: ArchitectureFacts) => Readonly<Record<string, unknown>>;
}

export interface ArchitectureFacts {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly headSize: number;
  /** There are biases on queries. */
  readonly biases: boolean;
}

const LLAMA_NORMS = {
  'input_layernorm.weight': 'attn_norm.weight',
  'post_attention_layernorm.weight': 'ffn_norm.weight',
};

const HEAD_NORMS = { 'self_attn.q_norm.weight': 'attn_q_norm.weight', 'self_attn.k_norm.weight': 'attn_k_norm.weight' };

/** Layers of Gemma 3 27B, whose attention scores are scaled by hidden size over heads. */
const GEMMA3_27B_LAYERS = 62;

/** By `general.architecture`. Mistral's models are Llama's there, without their window. */
export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: {
    family: 'llama',
    neighbouringPairs: true,
    normsAboveOne: false,
    blockNorms: LLAMA_NORMS,
    settings: (_, { biases }) => ({ attention_bias: biases }),
  },
  qwen2: {
    family: 'qwen2',
    neighbouringPairs: false,
    normsAboveOne: false,
    blockNorms: LLAMA_NORMS,
    settings: () => ({}),
  },
  qwen3: {
    family: 'qwen3',
    neighbouringPairs: false,
    normsAboveOne: false,
    blockNorms: { ...LLAMA_NORMS, ...HEAD_NORMS },
    settings: (_, { biases }) => ({ attention_bias: biases }),
  },
  gemma3: {
    family: 'gemma3_text',
    neighbouringPairs: false,
    normsAboveOne: true,
    blockNorms: {
      'input_layernorm.weight': 'attn_norm.weight',
      'post_attention_layernorm.weight': 'post_attention_norm.weight',
      'pre_feedforward_layernorm.weight': 'ffn_norm.weight',
      'post_feedforward_layernorm.weight': 'post_ffw_norm.weight',
      ...HEAD_NORMS,
    },
    settings: (own, { layers, hiddenSize, heads, headSize }) => ({
      sliding_window: own.number('attention.sliding_window'),
      rope_local_base_freq: own.optionalNumber('rope.freq_base_swa') ?? 10_000,
      query_pre_attn_scalar: layers === GEMMA3_27B_LAYERS ? hiddenSize / heads : headSize,
    }),
  },
};
