import type { TextFolder } from '@solopo/text';
import type { ModelConfig } from '../model-config.ts';
import type { RopeScaling } from '../rotary.ts';

/** How long texts may be, in tokens. */
export interface Lengths {
  /** max_position_embeddings. */
  readonly maxPositions: number;
  /** Each rotary scaling with the number of its layers. */
  readonly ropeScaling: readonly { readonly layers: number; readonly scaling: RopeScaling }[];
  /** Of layers that see the latest tokens alone. */
  readonly slidingWindow: { readonly layers: number; readonly tokens: number } | null;
  /** model_max_length of tokenizer_config.json, where it says a length. */
  readonly modelMaxLength: number | null;
}

/** What stands in tokenizer_config.json where no length is meant. */
const NO_LENGTH = 1e15;

export function lengthsOf({ layerKinds, kindOfLayer, maxPositions }: ModelConfig, texts: TextFolder | null): Lengths {
  const layersOf = (kind: number): number => kindOfLayer.filter((each) => each === kind).length;
  const sliding = layerKinds.findIndex(({ slidingWindow }) => slidingWindow !== null);
  const tokens = layerKinds[sliding]?.slidingWindow ?? null;
  return {
    maxPositions,
    ropeScaling: layerKinds.flatMap(({ ropeScaling }, kind) =>
      ropeScaling === null ? [] : [{ layers: layersOf(kind), scaling: ropeScaling }],
    ),
    slidingWindow: tokens === null ? null : { layers: layersOf(sliding), tokens },
    modelMaxLength: modelMaxLength(texts),
  };
}

function modelMaxLength(texts: TextFolder | null): number | null {
  const length = texts?.tokenizerConfig['model_max_length'];
  return typeof length === 'number' && length > 0 && length < NO_LENGTH ? length : null;
}
