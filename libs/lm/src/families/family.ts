import type { ConfigReader } from '../config-reader.ts';

/** What distinguishes a family of models; all else is shared. Read from `config.json`, or fixed. */
export interface Family {
  /** `model_type`. */
  readonly modelType: string;
  /** `architectures[0]`. */
  readonly architecture: string;
  /** Biases of the query, key and value projections, of the output projection, and of the feed-forward layers. */
  readonly biases: (config: ConfigReader) => { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  /** RMS norms on each head's queries and keys, before the rotation. */
  readonly headNorms: boolean;
  /** Keys a token can see, itself included; null: all before it. */
  readonly slidingWindow: (config: ConfigReader) => number | null;
}
