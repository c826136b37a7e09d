import { ModelError } from '../model.error.ts';
import { formatRopeScaling, rotaryFrequencies, type RopeScaling } from '../rotary.ts';
import type { GgufFile } from './gguf-file.ts';
import { shortest, type GgufMetadata } from './gguf-metadata.ts';

/** Llama 3.1's and 3.2's, of which GGUF keeps only what comes of them: a divisor for each rotary pair. */
export const ROPE_FACTORS = 'rope_freqs.weight';
const LLAMA3 = { lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192 } as const;

/** `rope_scaling` of config.json. */
export function ggufRopeScaling(
  file: GgufFile,
  own: GgufMetadata,
  {
    headSize,
    theta,
    maxPositions,
  }: { readonly headSize: number; readonly theta: number; readonly maxPositions: number },
): Record<string, unknown> | null {
  const factors = file.tensors.get(ROPE_FACTORS);
  if (factors) return formatRopeScaling(llama3Scaling(file, file.numbers(factors), headSize, theta));
  const type = own.optionalText('rope.scaling.type') ?? 'none';
  const factor = own.optionalNumber('rope.scaling.factor') ?? own.optionalNumber('rope.scale_linear');
  if (type === 'none' && factor === undefined) return null;
  switch (type) {
    case 'none':
    case 'linear':
      return factor === 1 ? null : { rope_type: 'linear', factor };
    case 'yarn':
      return {
        rope_type: 'yarn',
        factor,
        original_max_position_embeddings: own.optionalNumber('rope.scaling.original_context_length') ?? maxPositions,
        beta_fast: own.optionalNumber('rope.scaling.yarn_beta_fast') ?? 32,
        beta_slow: own.optionalNumber('rope.scaling.yarn_beta_slow') ?? 1,
      };
    default:
      return own.refuse('rope.scaling.type', 'must be none, linear or yarn', type);
  }
}

/** Found by its greatest divisor, which is the factor, and held to all of them. */
function llama3Scaling(file: GgufFile, divisors: Float32Array, headSize: number, theta: number): RopeScaling {
  const scaling: RopeScaling = { type: 'llama3', factor: shortest(Math.max(...divisors)), ...LLAMA3 };
  const plain = rotaryFrequencies(headSize, theta, null);
  const scaled = rotaryFrequencies(headSize, theta, scaling);
  const same = (divisor: number, pair: number): boolean => {
    const ours = (plain[pair] as number) / (scaled[pair] as number);
    return Math.abs(divisor / ours - 1) < 1e-4;
  };
  if (divisors.length === headSize / 2 && divisors.every(same)) return scaling;
  throw new ModelError(
    `${file.label}: ${ROPE_FACTORS} is not Llama 3's scaling of rotary frequencies; take the model's Hugging Face folder`,
  );
}
