import { accessSync, constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from '../usage.error.ts';

export const CORPORA = ['retrieval', 'musique'] as const;
export type Corpus = (typeof CORPORA)[number];

export interface DemoOptions {
  readonly corpus: Corpus;
  readonly quick: boolean;
  readonly seed: number;
  /** A model folder of the user's own. */
  readonly model: string | undefined;
  readonly json: string | undefined;
}

export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      corpus: { type: 'string', default: 'retrieval' },
      quick: { type: 'boolean', default: false },
      seed: { type: 'string', default: '0' },
      model: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const corpus = CORPORA.find((name) => name === values.corpus);
  if (corpus === undefined) throw new UsageError(`--corpus is ${CORPORA.join(' or ')}, not ${values.corpus}.`);
  if (!/^\d+$/.test(values.seed) || Number(values.seed) > 0xffff_ffff)
    throw new UsageError(`--seed is a whole number from 0 to ${0xffff_ffff}, not ${values.seed}.`);
  return {
    corpus,
    quick: values.quick,
    seed: Number(values.seed),
    model: values.model,
    json: values.json === undefined ? undefined : writable(values.json),
  };
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
