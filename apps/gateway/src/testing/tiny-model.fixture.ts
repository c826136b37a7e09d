import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RETRIEVAL_VOCABULARY, retrievalTokenizer } from '@solopo/corpus';
import { formatModelConfig, initialise, writeSafetensors, type HostTensor, type ModelConfig } from '@solopo/lm';

export const TINY: ModelConfig = {
  family: 'qwen2',
  vocabSize: RETRIEVAL_VOCABULARY.length,
  hiddenSize: 8,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  headSize: 4,
  intermediateSize: 16,
  ropeTheta: 100,
  ropeScaling: null,
  rmsNormEps: 1e-6,
  tiedEmbeddings: true,
  maxPositions: 4096,
  biases: { qkv: true, output: false, mlp: false },
  headNorms: false,
  slidingWindow: null,
};

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

function safetensors(weights: ReadonlyMap<string, HostTensor>): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'solopo-model-'));
  try {
    const path = join(folder, 'model.safetensors');
    writeSafetensors(path, weights);
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
