import type { Family } from './family.ts';
import { GEMMA3 } from './gemma3.family.ts';
import { LLAMA } from './llama.family.ts';
import { MINISTRAL, MISTRAL } from './mistral.family.ts';
import { QWEN2 } from './qwen2.family.ts';
import { QWEN3 } from './qwen3.family.ts';
import { SEED_OSS } from './seed-oss.family.ts';

export const FAMILIES = {
  gemma3_text: GEMMA3,
  llama: LLAMA,
  ministral: MINISTRAL,
  mistral: MISTRAL,
  qwen2: QWEN2,
  qwen3: QWEN3,
  seed_oss: SEED_OSS,
} as const satisfies Record<string, Family>;
export type FamilyName = keyof typeof FAMILIES;
