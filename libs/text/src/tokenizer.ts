import * as tokenizers from '@huggingface/tokenizers';
import type { JsonObject } from './text-files.ts';
import { isObject } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';
import { checkTokenizer } from './tokenizer.check.ts';

/** What we use of `@huggingface/tokenizers`, whose own declarations do not resolve under nodenext. */
export interface Tokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(): Map<string, number>;
}

const { Tokenizer: HuggingFaceTokenizer } = tokenizers as unknown as {
  readonly Tokenizer: new (tokenizerJson: JsonObject, tokenizerConfig: JsonObject) => Tokenizer;
};

/** Truncation and padding that a tokenizer.json has switched on are left out: here nothing is cut or filled silently. */
export function openTokenizer(tokenizerJson: JsonObject, tokenizerConfig: JsonObject): Tokenizer {
  checkTokenizer(tokenizerJson);
  const { additional_special_tokens: additional = null } = tokenizerConfig;
  if (additional !== null && !Array.isArray(additional)) {
    throw new TextModelError('tokenizer_config.json', 'additional_special_tokens: not a list; correct it');
  }
  try {
    return new HuggingFaceTokenizer(
      {
        ...tokenizerJson,
        added_tokens: tokenizerJson['added_tokens'] ?? [],
        pre_tokenizer: withAllDigits(tokenizerJson['pre_tokenizer']),
      },
      tokenizerConfig,
    );
  } catch (error) {
    throw new TextModelError(
      'tokenizer.json',
      `not a tokenizer that can be read (${(error as Error).message}); save it again with the tokenizers library`,
      { cause: error },
    );
  }
}

/** The reference's `Digits` parts at every numeric character (½, ², ३), this library's at 0 to 9 alone. */
function withAllDigits(preTokenizer: unknown): unknown {
  if (!isObject(preTokenizer)) return preTokenizer;
  const { type, individual_digits, pretokenizers } = preTokenizer;
  if (type === 'Digits') {
    const Regex = individual_digits === true ? '\\p{N}' : '\\p{N}+';
    return { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
  }
  return Array.isArray(pretokenizers)
    ? { ...preTokenizer, pretokenizers: pretokenizers.map(withAllDigits) }
    : preTokenizer;
}
