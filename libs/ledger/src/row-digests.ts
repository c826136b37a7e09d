import { digestOf } from '@solopo/contracts';
import { bytesOfTokens, type TokenIds } from './bytes.ts';
import { storableText } from './text.ts';

/** A sample in its place, as it can be read back. */
interface PlacedSample {
  readonly position: number;
  readonly sampleIndex: number;
  readonly tokens: TokenIds;
  readonly text: string;
  readonly finish: string;
  readonly logp: number;
}

interface PlacedAlignment {
  readonly run: string;
  readonly step: number;
  readonly policy: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly details: unknown;
}

interface PlacedEvaluation {
  readonly policy: string;
  readonly documents: number;
  readonly tokens: number;
  readonly n: number;
  readonly correct: number;
  readonly outcomes: string;
  readonly refused: Readonly<Record<string, number>>;
}

/** Covers the whole row. Log-probabilities are kept in single precision, and may be no number. */
export function sampleDigest(stage: string, { tokens, text, logp, ...sample }: PlacedSample): string {
  const { position, sampleIndex, finish } = sample;
  const bytes = bytesOfTokens(tokens).toString('base64');
  return digestOf([stage, position, sampleIndex, bytes, storableText(text), finish, String(Math.fround(logp))]);
}

/** Covers the whole row. */
export function alignmentDigest(stage: string, { run, step, policy, metrics, details }: PlacedAlignment): string {
  return digestOf({ stage, run, step, policy, ...(JSON.parse(JSON.stringify({ metrics, details })) as object) });
}

/** Covers the whole row. */
export function evaluationDigest(stage: string, chunk: number, evaluation: PlacedEvaluation): string {
  const { policy, documents, tokens, n, correct, outcomes, refused } = evaluation;
  return digestOf({ stage, chunk, policy, documents, tokens, n, correct, outcomes, refused });
}
