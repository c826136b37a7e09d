import { digestOf, type StageSpecOf } from '@solopo/contracts';
import type { PolicyVersion, RunFacts } from './run-facts.ts';

type Run = RunFacts['run'];

/** Each function derives one stage of a run: runs that would do the same work get the same specification. */

export function composeSpec({ config, dataset, model }: Run): StageSpecOf<'compose'> {
  return { kind: 'compose', dataset, model, prompt: config.prompt, contexts: config.contexts, seed: config.seed };
}

export function sampleSpec(run: Run): StageSpecOf<'sample'> {
  const { sampling, seed } = run.config;
  return { kind: 'sample', compose: digestOf(composeSpec(run)), model: run.model, sampling, seed };
}

export function pairSpec(run: Run): StageSpecOf<'pair'> {
  return { kind: 'pair', sample: digestOf(sampleSpec(run)), pairing: run.config.pairing };
}

/** The contexts under which the run's objective reads the reference. */
export function referenceContexts({ config }: Run): readonly StageSpecOf<'score'>['context'][] {
  switch (config.arm) {
    case 'short':
      return ['short'];
    case 'expand-long':
      return ['long'];
    case 'solo':
      return config.alignment.reference === 'per-context' ? ['short', 'long'] : ['short'];
  }
}

/** What training reads of the reference. */
export function trainingScoreSpecs(run: Run): readonly StageSpecOf<'score'>[] {
  return referenceContexts(run).map((context) => scoreSpec(run, 'training', context));
}

/** What the alignment metrics read of the reference: held-out pairs under both contexts, whatever the arm. */
export function heldOutScoreSpecs(run: Run): readonly StageSpecOf<'score'>[] {
  return (['short', 'long'] as const).map((context) => scoreSpec(run, 'held-out', context));
}

function scoreSpec(run: Run, split: 'training' | 'held-out', context: 'short' | 'long'): StageSpecOf<'score'> {
  return { kind: 'score', pair: digestOf(pairSpec(run)), model: run.model, split, context };
}

export function trainSpec(run: Run): StageSpecOf<'train'> {
  const { arm, objective, alignment, training, seed } = run.config;
  const pair = digestOf(pairSpec(run));
  return { kind: 'train', run: run.id, pair, model: run.model, arm, objective, alignment, training, seed };
}

export function alignSpec(run: Run, policy: PolicyVersion): StageSpecOf<'align'> {
  const { objective, alignment } = run.config;
  return {
    kind: 'align',
    run: run.id,
    step: policy.step,
    policy: policy.digest,
    model: run.model,
    pair: digestOf(pairSpec(run)),
    objective,
    alignment,
  };
}

/** One stage a context length. */
export function evaluateSpecs(run: Run, policy: string): readonly StageSpecOf<'evaluate'>[] {
  const { evaluation, prompt, seed } = run.config;
  const dataset = run.evaluationDataset;
  if (evaluation === null || dataset === null) return [];
  const { questions, judge, maxNewTokens } = evaluation;
  return [...new Set(evaluation.documents)].map((documents) => ({
    kind: 'evaluate',
    policy,
    model: run.model,
    dataset,
    prompt,
    documents,
    ...(questions === undefined ? {} : { questions }),
    judge,
    maxNewTokens,
    seed,
  }));
}
