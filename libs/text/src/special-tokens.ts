import type { JsonObject, TextFile } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';

export interface SpecialTokens {
  /** The texts of bos_token, eos_token and whatever else the tokenizer has a name for: what a chat template may name. */
  readonly texts: Readonly<Record<string, string>>;
  readonly eosIds: readonly number[];
  readonly padId: number;
}

/**
 * Where generation ends: `eos_token_id` of generation_config.json, or else of config.json, and the tokenizer's own
 * `eos_token`. Padding: the tokenizer's `pad_token`, or else the first end token.
 */
export function specialTokens(
  texts: SpecialTokens['texts'],
  generationConfig: JsonObject | undefined,
  config: JsonObject | undefined,
  idOf: (token: string) => number | undefined,
): SpecialTokens {
  const named = (text: string | undefined) => (text === undefined ? undefined : idOf(text));

  const configured = ids('generation_config.json', generationConfig) ?? ids('config.json', config) ?? [];
  const eosIds = [...new Set([...configured, named(texts['eos_token'])])].filter((id) => id !== undefined);
  const [firstEos] = eosIds;
  if (firstEos === undefined) {
    throw new TextModelError(
      'generation_config.json',
      'no end-of-sequence token; set eos_token_id there, or eos_token in tokenizer_config.json',
    );
  }
  return { texts, eosIds, padId: named(texts['pad_token']) ?? firstEos };
}

function ids(file: TextFile, config: JsonObject | undefined): number[] | undefined {
  const value = config?.['eos_token_id'] ?? [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (!list.every((id): id is number => Number.isInteger(id) && Number(id) >= 0)) {
    refuse(file, 'eos_token_id', 'neither a token id nor a list of token ids');
  }
  return list.length > 0 ? list : undefined;
}

function refuse(file: TextFile, key: string, fault: string): never {
  throw new TextModelError(file, `${key}: ${fault}; correct it`);
}
