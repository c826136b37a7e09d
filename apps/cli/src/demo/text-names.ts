/** Tokenizers of real models that the repository carries. */
export const TEXT_NAMES = ['qwen2.5', 'smollm2'] as const;
export type TextName = (typeof TEXT_NAMES)[number];
