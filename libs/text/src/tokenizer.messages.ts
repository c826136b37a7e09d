import type { JsonObject } from './text-files.ts';

/** A token beside the model's vocabulary, with the flags of the tokenizers library. */
export interface AddedToken {
  readonly content: string;
  readonly special: boolean;
  readonly normalized: boolean;
  readonly singleWord: boolean;
  readonly leftStrip: boolean;
  readonly rightStrip: boolean;
}

/** What makes a tokenizer: a tokenizer.json, and tokens to add to it in this order. */
export interface TokenizerSource {
  readonly json: JsonObject;
  readonly added: readonly AddedToken[];
}

/** What the native tokenizers of a process are asked, each of them named by the digest of its source, and what they answer. */
export interface TokenizerCalls {
  /** The greatest of the ids of the tokens beside the model's vocabulary; -1 without any. */
  readonly open: {
    readonly input: {
      readonly json: string;
      readonly added: readonly AddedToken[];
      readonly beside: readonly string[];
    };
    readonly output: number;
  };
  readonly encode: {
    readonly input: { readonly texts: readonly string[]; readonly addSpecialTokens: boolean };
    readonly output: EncodedTexts;
  };
  readonly decode: {
    readonly input: { readonly lists: readonly Int32Array[]; readonly skipSpecial: boolean };
    readonly output: readonly string[];
  };
  readonly idOf: { readonly input: string; readonly output: number | null };
  readonly close: { readonly input: null; readonly output: null };
}

/** The ids of all texts behind one another, and how many each of them has. */
export interface EncodedTexts {
  readonly ids: Int32Array;
  readonly counts: Int32Array;
}

export type TokenizerCall = keyof TokenizerCalls;

export type TokenizerRequest = {
  [K in TokenizerCall]: { readonly kind: K; readonly tokenizer: string; readonly input: TokenizerCalls[K]['input'] };
}[TokenizerCall];

export type TokenizerReply =
  | { readonly output: TokenizerCalls[TokenizerCall]['output'] }
  /** `not open`: the process is a new one. `failed`: what the library said. `died`: the process ended over it. */
  | { readonly fault: 'not open' | 'failed' | 'died'; readonly reason: string };

/** Where the native library runs: in a process of its own, or in this one. */
export type TokenizerHost = 'child' | 'here';
