import { accessSync, constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UsageError } from '../usage.error.ts';

export const CORPORA = ['retrieval', 'musique'] as const;
export type Corpus = (typeof CORPORA)[number];

export interface DemoOptions {
  readonly corpus: Corpus;
  readonly quick: boolean;
  readonly seed: number;
  /** A model folder of the user's own. */
  readonly model: string | undefined;
  /** A file for the result. */
  readonly json: string | undefined;
}

export interface DemoValues extends Partial<Omit<DemoOptions, 'json'>> {
  /** true: to standard output. */
  readonly json?: string | true;
}

/** What the command line leaves out has its usual value. */
export function demoOptions({ corpus = 'retrieval', quick = false, seed = 0, model, json }: DemoValues): DemoOptions {
  return { corpus, quick, seed, model, json: typeof json === 'string' ? writable(json) : undefined };
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
