import { inShort } from '@solopo/text';
import type { ConfigReader } from '../config-reader.ts';
import type { LayerKind, ModelConfig } from '../model-config.ts';
import { ModelError } from '../model.error.ts';
import type { Rope } from '../rotary.ts';

/** Names of transformers: a layer sees every token before its own, or a window of them. */
export const LAYER_TYPES = ['full_attention', 'sliding_attention'] as const;
export type LayerType = (typeof LAYER_TYPES)[number];

/** `layer_types`, or what each layer is where config.json leaves them out. */
export function layerTypes(
  config: ConfigReader,
  count: number,
  fallback: (layer: number) => LayerType,
): readonly LayerType[] {
  const given = config.get('layer_types');
  if (given === undefined || given === null) return Array.from({ length: count }, (_, layer) => fallback(layer));
  const known: readonly unknown[] = LAYER_TYPES;
  if (!Array.isArray(given) || given.length !== count || !given.every((type) => known.includes(type)))
    throw new ModelError(
      `config.json: layer_types must name ${count} layers, each "full_attention" or "sliding_attention", not ${inShort(given)}`,
    );
  return given as LayerType[];
}

/** Layers of one rope, of which the sliding ones see so many tokens. */
export function windowedLayers(types: readonly LayerType[], rope: Rope, window: number | null): readonly LayerKind[] {
  if (window === null && types.includes('sliding_attention'))
    throw new ModelError(
      'config.json: layer_types has "sliding_attention" and the model no window; set sliding_window, or the layers to "full_attention"',
    );
  const kinds: Readonly<Record<LayerType, LayerKind>> = {
    full_attention: { ...rope, slidingWindow: null },
    sliding_attention: { ...rope, slidingWindow: window },
  };
  return types.map((type) => kinds[type]);
}

export const typeOf = ({ slidingWindow }: LayerKind): LayerType =>
  slidingWindow === null ? 'full_attention' : 'sliding_attention';

/** The inverse of layerTypes. */
export const formatLayerTypes = ({ layerKinds, kindOfLayer }: ModelConfig): readonly LayerType[] =>
  kindOfLayer.map((kind) => typeOf(layerKinds[kind] as LayerKind));

/** Of the layers that have one. */
export const windowOf = ({ layerKinds }: ModelConfig): number | null =>
  layerKinds.find(({ slidingWindow }) => slidingWindow !== null)?.slidingWindow ?? null;
