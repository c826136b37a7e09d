import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RETRIEVAL_VOCABULARY, retrievalTokenizer } from '@solopo/corpus';
import {
  formatAdapterConfig,
  formatModelConfig,
  initialise,
  initialiseLora,
  parseModelConfig,
  toPeftNames,
  writeSafetensors,
  type HostTensor,
  type ModelConfig,
} from '@solopo/lm';

export const TINY: ModelConfig = parseModelConfig({
  model_type: 'seed_oss',
  vocab_size: RETRIEVAL_VOCABULARY.length,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 4,
  intermediate_size: 16,
  rope_theta: 100,
  tie_word_embeddings: true,
  max_position_embeddings: 4096,
});

export type ModelFiles = Record<string, string | Buffer>;

/** The files of a whole, very small model. */
export function tinyModel(change: (weights: Map<string, HostTensor>) => void = () => undefined): ModelFiles {
  const weights = initialise(TINY, { seed: 1, embeddingStd: 0.5, residualScale: 1 });
  change(weights);
  return {
    'config.json': JSON.stringify(formatModelConfig(TINY)),
    'model.safetensors': safetensors(weights),
    ...retrievalTokenizer(),
  };
}

/** The same, with an adapter of PEFT's beside it. */
export function tinyModelWithAdapter(): ModelFiles {
  const lora = { rank: 2, alpha: 4, targets: ['q_proj'], rsLora: false } as const;
  return {
    ...tinyModel(),
    'adapter_config.json': JSON.stringify(formatAdapterConfig(lora, 'tiny')),
    'adapter_model.safetensors': safetensors(toPeftNames(initialiseLora(TINY, lora, 1))),
  };
}

/** A file of an adapter on these layers alone, named as an architecture names them; `told` makes its bytes its own. */
export function adapterFile(modules: readonly string[], told: string): Buffer {
  const tensors = modules.flatMap((module) =>
    ['lora_A', 'lora_B'].map((matrix): [string, HostTensor] => [
      `base_model.model.model.layers.0.${module}.${matrix}.weight`,
      { dims: [1], data: new Float32Array(1) },
    ]),
  );
  return safetensors(new Map(tensors), { told });
}

function safetensors(
  weights: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'solopo-model-'));
  try {
    const path = join(folder, 'model.safetensors');
    writeSafetensors(path, weights, metadata);
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
