import type { ConfigReader } from '../config-reader.ts';
import type { LayerKind, ModelConfig } from '../model-config.ts';
import { sharedRope, type Rope, type RopeSource } from '../rotary.ts';
import { formatLayerTypes, layerTypes, windowedLayers, windowOf } from './layer-types.ts';

/*
 * What Qwen2 and Qwen3 share. Windows: with use_sliding_window the layers from max_window_layers on see only sliding_window
 * tokens, or those that layer_types names.
 */

export const QWEN_WINDOW_SETTINGS = ['use_sliding_window', 'sliding_window', 'max_window_layers', 'layer_types'];

/** What transformers does not read, though the files of models for a million tokens have it. */
export const QWEN_IGNORES = {
  dual_chunk_attention_config: 'of other programs, for texts longer than max_position_embeddings of the training',
  mlp_bias: 'feed-forward layers have none',
};

export const QWEN_WINDOW_DEFAULTS = { use_sliding_window: false, sliding_window: 4096, max_window_layers: 28 };

export function qwenLayers(
  config: ConfigReader,
  count: number,
  rope: (source: RopeSource) => Rope,
): readonly LayerKind[] {
  const window = config.flag('use_sliding_window') ? config.optionalWhole('sliding_window') : null;
  const types = layerTypes(config, count, (layer) =>
    window !== null && layer >= config.count('max_window_layers') ? 'sliding_attention' : 'full_attention',
  );
  return windowedLayers(types, rope(sharedRope(config)), window);
}

export function qwenWindowSettings(config: ModelConfig): Readonly<Record<string, unknown>> {
  const window = windowOf(config);
  if (window === null) return { use_sliding_window: false };
  const types = formatLayerTypes(config);
  return {
    use_sliding_window: true,
    sliding_window: window,
    // For versions that do not read layer_types.
    max_window_layers: types.indexOf('sliding_attention'),
    layer_types: types,
  };
}
