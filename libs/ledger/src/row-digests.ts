import { digestOf } from '@solopo/contracts';
import { bytesOfTokens } from './bytes.ts';
import type { NewAlignment } from './repositories/alignment.repository.ts';
import type { NewEvaluation } from './repositories/evaluation.repository.ts';
import type { NewSample } from './repositories/sample.repository.ts';
import { storableText } from './text.ts';

/** Covers the whole row. Log-probabilities are kept in single precision, and may be no number. */
export function sampleDigest(stage: string, { tokens, text, logp, ...sample }: NewSample): string {
  const { position, sampleIndex, finish } = sample;
  const bytes = bytesOfTokens(tokens).toString('base64');
  return digestOf([stage, position, sampleIndex, bytes, storableText(text), finish, String(Math.fround(logp))]);
}

/** Covers the whole row. */
export function alignmentDigest(stage: string, { run, step, policy, metrics, details }: NewAlignment): string {
  return digestOf({ stage, run, step, policy, ...(JSON.parse(JSON.stringify({ metrics, details })) as object) });
}

/** Covers the whole row. */
export function evaluationDigest(stage: string, chunk: number, evaluation: NewEvaluation): string {
  const { policy, documents, tokens, n, correct, outcomes, refused } = evaluation;
  return digestOf({ stage, chunk, policy, documents, tokens, n, correct, outcomes, refused });
}
