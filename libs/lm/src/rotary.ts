import { inShort } from '@solopo/text';
import type { ConfigReader } from './config-reader.ts';
import { ModelError } from './model.error.ts';
import { ropeSettings } from './model-settings.ts';
import { demandKnownSettings } from './setting-rules.ts';

/**
 * How rotary frequencies are changed for contexts longer than the model was first trained on, each as transformers
 * computes it. `originalPositions` are those of the first training.
 */
export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | { readonly type: 'dynamic'; readonly factor: number; readonly originalPositions: number }
  | {
      readonly type: 'yarn';
      readonly factor: number;
      readonly originalPositions: number;
      /** Factor on cosines and sines, so that the attention's logits get its square. */
      readonly attentionFactor: number;
      /** Turns over the original positions: pairs that turn more often stay, those that turn less are divided. */
      readonly betaFast: number;
      readonly betaSlow: number;
      /** The bounds of the ramp between them are rounded outwards to whole pairs. */
      readonly truncate: boolean;
    }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalPositions: number;
    };

export interface Rope {
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
}

/** Where `config.json` keeps a rope. */
export interface RopeSource {
  readonly section: ConfigReader | undefined;
  /** The setting of theta where the section has none. */
  readonly theta: string;
}

/** `rope_scaling` with `rope_theta` beside it, or the newer `rope_parameters`; where both stand the first counts, as in transformers. */
export function sharedRope(config: ConfigReader): RopeSource {
  const sections = ['rope_scaling', 'rope_parameters'].map((key) => config.section(key));
  const section = sections.find((each) => each && each.keys.length > 0);
  for (const type of ['full_attention', 'sliding_attention'])
    if (section?.get(type) !== undefined)
      throw new ModelError(
        `config.json: rope settings by layer type (${type}) are not supported for this model_type; register another model`,
      );
  return { section, theta: 'rope_theta' };
}

/** @throws ModelError that names a scaling, or a setting of it, which is not supported */
export function readRope(config: ConfigReader, { section, theta }: RopeSource, maxPositions: number): Rope {
  for (const reader of [config, section]) reader?.only('partial_rotary_factor', [1, null, undefined]);
  const fallback = config.positive(theta, 10_000);
  return {
    ropeTheta: section?.positive('rope_theta', fallback) ?? fallback,
    ropeScaling: readRopeScaling(section, {
      maxPositions,
      // A few models keep it beside max_position_embeddings; it then comes first.
      originalPositions:
        config.optionalWhole('original_max_position_embeddings') ??
        section?.optionalWhole('original_max_position_embeddings') ??
        maxPositions,
    }),
  };
}

function readRopeScaling(
  section: ConfigReader | undefined,
  { maxPositions, originalPositions }: { readonly maxPositions: number; readonly originalPositions: number },
): RopeScaling | null {
  if (!section) return null;
  const type = section.get('rope_type') ?? section.get('type') ?? 'default';
  demandKnownSettings(section, ropeSettings(typeof type === 'string' ? type : ''));
  switch (type) {
    case 'default':
      return null;
    case 'linear':
      return { type: 'linear', factor: section.positive('factor') };
    case 'dynamic':
      section.only('original_max_position_embeddings', [maxPositions, null, undefined]);
      return { type: 'dynamic', factor: section.positive('factor'), originalPositions: maxPositions };
    case 'yarn': {
      const factor = section.get('factor') === null ? maxPositions / originalPositions : section.positive('factor');
      return {
        type: 'yarn',
        factor,
        originalPositions,
        attentionFactor: yarnAttentionFactor(section, factor),
        betaFast: section.positiveOrNone('beta_fast') ?? 32,
        betaSlow: section.positiveOrNone('beta_slow') ?? 1,
        // Left out it is true; null is as good as false, as in transformers.
        truncate: section.get('truncate') === null ? false : section.flag('truncate', true),
      };
    }
    case 'llama3':
      return {
        type: 'llama3',
        factor: section.positive('factor'),
        lowFrequencyFactor: section.positive('low_freq_factor'),
        highFrequencyFactor: section.positive('high_freq_factor'),
        originalPositions,
      };
    default:
      throw new ModelError(
        `config.json: rope scaling ${inShort(type)} is not supported; supported are default, linear, dynamic, yarn and llama3; register another model`,
      );
  }
}

/** As given; or m(1) or, where both scales are given, m(mscale) / m(mscale_all_dim), with m(s) = 0.1 s ln(factor) + 1. */
function yarnAttentionFactor(section: ConfigReader, factor: number): number {
  const given = section.optionalPositive('attention_factor');
  if (given !== null) return given;
  const m = (scale: number): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const [scale, scaleAllDim] = [section.positiveOrNone('mscale'), section.positiveOrNone('mscale_all_dim')];
  return scale !== null && scaleAllDim !== null ? m(scale) / m(scaleAllDim) : m(1);
}

/** As `rope_scaling` in config.json. */
export function formatRopeScaling(scaling: RopeScaling | null): Record<string, unknown> | null {
  switch (scaling?.type) {
    case undefined:
      return null;
    case 'linear':
    case 'dynamic':
      return { rope_type: scaling.type, factor: scaling.factor };
    case 'yarn':
      return {
        rope_type: 'yarn',
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalPositions,
        attention_factor: scaling.attentionFactor,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        truncate: scaling.truncate,
      };
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalPositions,
      };
  }
}

/** Sequences up to so many tokens can share a prompt whatever their lengths: longer ones are each rotated by their own. */
export function sharedPromptLimit(scaling: RopeScaling | null): number {
  return scaling?.type === 'dynamic' ? scaling.originalPositions : Infinity;
}

/**
 * Angular frequency of each of the headSize / 2 pairs: theta^(-2 i / headSize), scaled.
 *
 * - linear: all are divided by the factor.
 * - dynamic (NTK): for a sequence of n > original tokens theta is multiplied by
 *   (factor n / original - (factor - 1))^(K / (K - 2)), K the head size; shorter ones are left as they are. n is the whole
 *   sequence's length, so every token of it is rotated by frequencies that depend on where it ends.
 * - yarn (Peng et al. 2023, arXiv 2309.00071): pairs that turn more than betaFast times over the original positions stay,
 *   those that turn less than betaSlow times are divided by the factor, and those between are interpolated over the pairs.
 * - llama3 (Llama 3.1): wavelengths above original / low are divided by the factor, those below original / high stay, and
 *   those between are interpolated over the frequencies.
 */
export function rotaryFrequencies(
  headSize: number,
  theta: number,
  scaling: RopeScaling | null,
  sequenceLength = 1,
): Float64Array {
  const plain = (base: number): Float64Array =>
    Float64Array.from({ length: headSize / 2 }, (_, pair) => base ** ((-2 * pair) / headSize));
  switch (scaling?.type) {
    case undefined:
      return plain(theta);
    case 'linear':
      return plain(theta).map((frequency) => frequency / scaling.factor);
    case 'dynamic': {
      const { factor, originalPositions } = scaling;
      const stretch = (factor * Math.max(sequenceLength, originalPositions)) / originalPositions - (factor - 1);
      return plain(theta * stretch ** (headSize / (headSize - 2)));
    }
    case 'yarn': {
      const divided = yarnRamp(headSize, theta, scaling);
      return plain(theta).map((frequency, pair) => {
        const share = divided(pair);
        return (frequency / scaling.factor) * share + frequency * (1 - share);
      });
    }
    case 'llama3': {
      const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions } = scaling;
      return plain(theta).map((frequency) => {
        const turns = (originalPositions * frequency) / (2 * Math.PI);
        if (turns < low) return frequency / factor;
        if (turns > high) return frequency;
        const smooth = (turns - low) / (high - low);
        return ((1 - smooth) * frequency) / factor + smooth * frequency;
      });
    }
  }
}

/** The share of a pair that is divided by the factor: 0 up to the pair that turns betaFast times, 1 from betaSlow on. */
function yarnRamp(
  headSize: number,
  theta: number,
  { originalPositions, betaFast, betaSlow, truncate }: Extract<RopeScaling, { type: 'yarn' }>,
): (pair: number) => number {
  // The pair, as a real number, that turns so many times: original theta^(-2 i / K) = 2 pi turns.
  const pairOf = (turns: number): number =>
    (headSize * Math.log(originalPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [from, to] = [pairOf(betaFast), pairOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(from) : from, 0);
  const high = Math.min(truncate ? Math.ceil(to) : to, headSize - 1);
  const width = high === low ? 0.001 : high - low;
  return (pair) => Math.min(1, Math.max(0, (pair - low) / width));
}

interface Angles {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Cosines and sines [headSize / 2] of the angles at a position of a sequence, times the scaling's attention factor. */
export class RotaryTable {
  #length: number;
  #frequencies: Float64Array;
  #angles: Angles[] = [];

  constructor(
    private readonly headSize: number,
    private readonly rope: Rope,
  ) {
    this.#length = sharedPromptLimit(rope.ropeScaling);
    this.#frequencies = rotaryFrequencies(headSize, rope.ropeTheta, rope.ropeScaling);
  }

  /** @param sequenceLength of the whole sequence, on which dynamic scaling depends */
  at(position: number, sequenceLength: number): Angles {
    const { ropeTheta, ropeScaling } = this.rope;
    const length = Math.max(sequenceLength, sharedPromptLimit(ropeScaling));
    if (length !== this.#length) {
      this.#length = length;
      this.#frequencies = rotaryFrequencies(this.headSize, ropeTheta, ropeScaling, length);
      this.#angles = [];
    }
    let angles = this.#angles[position];
    if (!angles) {
      const factor = ropeScaling?.type === 'yarn' ? ropeScaling.attentionFactor : 1;
      const of = (f: (x: number) => number): Float32Array =>
        Float32Array.from(this.#frequencies, (frequency) => factor * f(position * frequency));
      angles = { cos: of(Math.cos), sin: of(Math.sin) };
      this.#angles[position] = angles;
    }
    return angles;
  }
}
