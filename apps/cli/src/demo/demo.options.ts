import { accessSync, constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { EngineKind } from '@solopo/contracts';
import { UsageError } from '../usage.error.ts';
import type { TextName } from './text-names.ts';

export const REAL_CORPORA = ['musique', 'hotpotqa', '2wiki'] as const;
export type RealCorpus = (typeof REAL_CORPORA)[number];
export const CORPORA = ['retrieval', ...REAL_CORPORA] as const;
export type Corpus = (typeof CORPORA)[number];

export const DEMO_ARMS = ['short', 'long', 'expand-long', 'solo', 'solo-both'] as const;
export type DemoArm = (typeof DEMO_ARMS)[number];
export const DEMO_OBJECTIVES = ['dpo', 'simpo', 'orpo'] as const;
export type DemoObjective = (typeof DEMO_OBJECTIVES)[number];

export interface DemoOptions {
  readonly corpus: Corpus;
  /** A pretrained model in place of one that is made for the demo. */
  readonly real: boolean;
  /** Where what is fetched for it is kept. */
  readonly downloads: string;
  readonly quick: boolean;
  /** The driver in software that the workers compute on, where they do. */
  readonly softwareDriver: string | null;
  readonly seed: number;
  /** A model folder or GGUF file of the user's own. */
  readonly model: string | undefined;
  /** The arms to compare; the corpus's own when absent. */
  readonly arms: readonly DemoArm[] | undefined;
  readonly objective: DemoObjective;
  /** What computes its runs. */
  readonly engine: EngineKind;
  /** Trains an adapter in place of every parameter. */
  readonly lora: boolean;
  /** Of the random model for real text. */
  readonly tokenizer: TextName;
  /** A file for the result. */
  readonly json: string | undefined;
}

export interface DemoValues extends Partial<Omit<DemoOptions, 'json'>> {
  /** true: to standard output. */
  readonly json?: string | true;
}

/** What the command line leaves out has its usual value. */
export function demoOptions({ json, ...values }: DemoValues): DemoOptions {
  const usual = {
    corpus: 'retrieval',
    real: false,
    downloads: resolve('solopo-downloads'),
    quick: false,
    softwareDriver: null,
    seed: 0,
    model: undefined,
    arms: undefined,
    objective: 'dpo',
    engine: 'onnx',
    lora: false,
    tokenizer: 'qwen2.5',
  } as const;
  return { ...usual, ...values, json: typeof json === 'string' ? writable(json) : undefined };
}

/** Known before the work, not after it. */
function writable(file: string): string {
  const path = resolve(file);
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch {
    throw new UsageError(`--json cannot write into ${dirname(path)}; make that folder, or name another file.`);
  }
  return path;
}
