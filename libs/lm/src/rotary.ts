import type { ConfigReader } from './config-reader.ts';
import { ModelError } from './model.error.ts';

/** How rotary frequencies are changed for contexts longer than the model was first trained on. */
export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalPositions: number;
    };

/** @throws ModelError that names a scaling which is not supported */
export function readRopeScaling(section: ConfigReader | undefined): RopeScaling | null {
  if (!section) return null;
  const type = section.get('rope_type') ?? section.get('type') ?? 'default';
  switch (type) {
    case 'default':
      return null;
    case 'linear':
      return { type: 'linear', factor: section.positive('factor') };
    case 'llama3':
      return {
        type: 'llama3',
        factor: section.positive('factor'),
        lowFrequencyFactor: section.positive('low_freq_factor'),
        highFrequencyFactor: section.positive('high_freq_factor'),
        originalPositions: section.whole('original_max_position_embeddings'),
      };
    default:
      throw new ModelError(
        `config.json: rope scaling ${JSON.stringify(type)} is not supported; supported are default, linear and llama3`,
      );
  }
}

/**
 * Angular frequency of each of the headSize / 2 pairs: theta^(-2 i / headSize), scaled.
 *
 * llama3 (Llama 3.1): wavelengths above original / low are divided by the factor, those below original / high stay, and
 * those between are interpolated.
 */
export function rotaryFrequencies(headSize: number, theta: number, scaling: RopeScaling | null): Float64Array {
  return Float64Array.from({ length: headSize / 2 }, (_, pair) => {
    const frequency = theta ** ((-2 * pair) / headSize);
    if (!scaling) return frequency;
    if (scaling.type === 'linear') return frequency / scaling.factor;
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions } = scaling;
    const turns = (originalPositions * frequency) / (2 * Math.PI);
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const smooth = (turns - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}
