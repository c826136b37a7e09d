// Models of the shapes that are measured, with random weights made on the spot.
import { LanguageModel, modelParameters, initialiseLora, packWeight, parseModelConfig } from '@solopo/lm';

const qwen = (hidden, heads, kvHeads, intermediate, layers, tied) => ({
  model_type: 'qwen2',
  vocab_size: 151_936,
  hidden_size: hidden,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  intermediate_size: intermediate,
  rope_theta: 1e6,
  tie_word_embeddings: tied,
  max_position_embeddings: 32_768,
});

/** Qwen2.5's shapes, and one that a driver in software can run. */
export const SHAPES = {
  tiny: { ...qwen(64, 4, 2, 128, 2, true), vocab_size: 512 },
  '0.5B': qwen(896, 14, 2, 4864, 24, true),
  '1.5B': qwen(1536, 12, 2, 8960, 28, true),
  '7B': qwen(3584, 28, 4, 18_944, 28, false),
};

export const LORA = {
  rank: 16,
  alpha: 32,
  targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  rsLora: false,
};

/** @param {string} name of a shape; `layers` and `vocabulary` smaller than it has, for a part of it */
export function modelOf(name, runtime, { layers, vocabulary, adapter = true, frozenWeights = 'float32' } = {}) {
  const config = parseModelConfig({
    ...SHAPES[name],
    ...(layers && { num_hidden_layers: layers }),
    ...(vocabulary && { vocab_size: vocabulary }),
  });
  // Layers share their numbers in this process: what is measured is not what they say.
  const made = new Map();
  const weights = new Map(
    modelParameters(config).map(([parameter, dims]) => {
      const key = parameter.replace(/layers\.\d+\./, 'layers.');
      if (!made.has(key)) made.set(key, packWeight(parameter, { dims, data: noise(dims) }, frozenWeights));
      return [parameter, made.get(key)];
    }),
  );
  const lora = adapter ? { options: LORA, weights: initialiseLora(config, LORA, 1) } : null;
  return new LanguageModel(config, weights, runtime, lora, { frozenWeights });
}

function noise(dims) {
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  if (dims.length === 1) return data.fill(1);
  const bound = 1 / Math.sqrt(dims[1]);
  let state = 12_345;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    data[i] = (bound * state) / 2 ** 31;
  }
  return data;
}

export const tokens = (length, salt, vocabulary) =>
  Int32Array.from({ length }, (_, i) => (i * 7919 + salt * 104_729) % vocabulary);
