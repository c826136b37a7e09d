/*
 * Parameters by their names in a Hugging Face model.
 */

export const EMBEDDING = 'model.embed_tokens.weight';
export const FINAL_NORM = 'model.norm.weight';
export const OUTPUT = 'lm_head.weight';

export const layerParameter = (layer: number, name: string): string => `model.layers.${layer}.${name}`;
