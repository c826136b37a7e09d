import type { JsonObject } from './text-files.ts';
import { isObject } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';

type Role = 'bos' | 'eos' | 'pad' | 'unk';

export interface SpecialTokens {
  /** The texts of tokenizer_config.json's bos_token, eos_token, ...: what a chat template may name. */
  readonly texts: Readonly<Partial<Record<`${Role}_token`, string>>>;
  readonly eosIds: readonly number[];
  readonly padId: number;
}

/**
 * Where generation ends: `eos_token_id` of generation_config.json, or else of config.json, and the tokenizer's own
 * `eos_token`. Padding: the tokenizer's `pad_token`, or else the first end token.
 */
export function specialTokens(
  tokenizerConfig: JsonObject,
  generationConfig: JsonObject | undefined,
  config: JsonObject | undefined,
  idOf: (token: string) => number | undefined,
): SpecialTokens {
  const texts: Partial<Record<`${Role}_token`, string>> = {};
  for (const role of ['bos', 'eos', 'pad', 'unk'] as const) {
    const token = tokenizerConfig[`${role}_token`];
    const text = isObject(token) ? token['content'] : token;
    if (typeof text === 'string') texts[`${role}_token`] = text;
  }
  const named = (text: string | undefined) => (text === undefined ? undefined : idOf(text));

  const configured = ids(generationConfig?.['eos_token_id']) ?? ids(config?.['eos_token_id']) ?? [];
  const eosIds = [...new Set([...configured, named(texts.eos_token)])].filter((id) => id !== undefined);
  const [firstEos] = eosIds;
  if (firstEos === undefined) {
    throw new TextModelError(
      'generation_config.json',
      'no end-of-sequence token; set eos_token_id there, or eos_token in tokenizer_config.json',
    );
  }
  return { texts, eosIds, padId: named(texts.pad_token) ?? firstEos };
}

function ids(value: unknown): number[] | undefined {
  const list = (Array.isArray(value) ? value : [value]).filter((id): id is number => Number.isInteger(id));
  return list.length > 0 ? list : undefined;
}
