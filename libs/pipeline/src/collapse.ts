import type { AlignmentView, WatchConfig } from '@solopo/contracts';

/** A policy version that met the alignment by giving up its short answers. */
export interface Collapse {
  readonly kind: 'collapse';
  readonly step: number;
  readonly policy: string;
  /** Of the chosen answers under their short contexts: mean over the held-out pairs, per token. */
  readonly logpShort: number;
  readonly logpShortBase: number;
  /** Short minus long, per token. */
  readonly gap: number;
  readonly gapBase: number;
  readonly message: string;
}

/**
 * Where the held-out chosen answers' short log-probability has fallen by more than `logpDrop` nats a token below the
 * base's while the gap to the long one is smaller: the gap looks good because the short answer came down to the long one.
 *
 * @param alignments of the run so far, the base's (step 0) among them or not yet
 * @param measured the step that was measured last; the base's decides about all that came before it
 */
export function watchForCollapse(
  { collapse, logpDrop }: WatchConfig,
  alignments: readonly AlignmentView[],
  measured: number,
): Collapse[] {
  const base = alignments.find(({ step }) => step === 0);
  if (collapse === 'off' || base === undefined) return [];
  const [logpShortBase, gapBase] = [logpOf(base), gapOf(base)];
  return alignments
    .filter(({ step }) => step !== 0 && (measured === 0 || step === measured))
    .map((version) => ({ version, logpShort: logpOf(version), gap: gapOf(version) }))
    .filter(({ logpShort, gap }) => logpShortBase - logpShort > logpDrop && Math.abs(gap) < Math.abs(gapBase))
    .map(({ version: { step, policy }, logpShort, gap }) => ({
      kind: 'collapse',
      step,
      policy,
      logpShort,
      logpShortBase,
      gap,
      gapBase,
      message: `At step ${step} the short answers have collapsed: on held-out pairs the chosen answer's log-probability per token under the short context fell from ${logpShortBase.toFixed(2)} to ${logpShort.toFixed(2)} while the gap to the long context shrank from ${gapBase.toFixed(2)} to ${gap.toFixed(2)}; set alignment.detach to short, lower alignment.alpha or training.learningRate and start again.`,
    }));
}

function logpOf({ metrics }: AlignmentView): number {
  return metrics['solo/logp_short_per_token'] ?? NaN;
}

function gapOf({ metrics }: AlignmentView): number {
  return metrics['solo/logp_gap_per_token'] ?? NaN;
}
