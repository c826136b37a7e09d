import * as tokenizers from '@huggingface/tokenizers';
import type { JsonObject } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';

/** What we use of `@huggingface/tokenizers`, whose own declarations do not resolve under nodenext. */
export interface Tokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(): Map<string, number>;
}

const { Tokenizer: HuggingFaceTokenizer } = tokenizers as unknown as {
  readonly Tokenizer: new (tokenizerJson: JsonObject, tokenizerConfig: JsonObject) => Tokenizer;
};

export function openTokenizer(tokenizerJson: JsonObject, tokenizerConfig: JsonObject): Tokenizer {
  try {
    return new HuggingFaceTokenizer(tokenizerJson, tokenizerConfig);
  } catch (error) {
    throw new TextModelError(
      'tokenizer.json',
      `not a tokenizer that can be read (${(error as Error).message}); save it again with the tokenizers library`,
      { cause: error },
    );
  }
}
