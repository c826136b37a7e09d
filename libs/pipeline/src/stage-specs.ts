import { digestOf, type Normalization, type StageSpecOf } from '@solopo/contracts';
import { referenceRowsRead } from '@solopo/objectives';
import type { PolicyVersion, RunFacts } from './run-facts.ts';

type Run = RunFacts['run'];

/** Each function derives one stage of a run: runs that would do the same work get the same specification. */

export function composeSpec({ config, dataset, model }: Run): StageSpecOf<'compose'> {
  const { prompt, seed, contexts: asked } = config;
  const { beyondPositions, ...contexts } = asked;
  return {
    kind: 'compose',
    dataset,
    model,
    prompt: promptOf(prompt),
    contexts: { ...contexts, ...(beyondPositions === 'refuse' ? { beyondPositions } : {}) },
    seed,
  };
}

export function sampleSpec(run: Run): StageSpecOf<'sample'> {
  const { sampling, seed } = run.config;
  return {
    kind: 'sample',
    compose: digestOf(composeSpec(run)),
    model: run.model,
    sampling,
    seed,
    ...answeredBy(run),
    ...computedBy(run),
  };
}

export function pairSpec(run: Run): StageSpecOf<'pair'> {
  const { normalization, ...pairing } = run.config.pairing;
  return { kind: 'pair', sample: digestOf(sampleSpec(run)), pairing: { ...pairing, ...removed(normalization) } };
}

/** The contexts under which the run's objective reads the reference. */
export function referenceContexts({ config }: Run): readonly StageSpecOf<'score'>['context'][] {
  const rows = referenceRowsRead(config);
  return (['short', 'long'] as const).filter((context) => rows.some((row) => row.startsWith(context)));
}

/** What training reads of the reference. */
export function trainingScoreSpecs(run: Run): readonly StageSpecOf<'score'>[] {
  return referenceContexts(run).map((context) => scoreSpec(run, 'training', context));
}

/** What the held-out metrics read of the reference, where there is one: both contexts, whatever the arm. */
export function heldOutScoreSpecs(run: Run): readonly StageSpecOf<'score'>[] {
  if (referenceContexts(run).length === 0) return [];
  return (['short', 'long'] as const).map((context) => scoreSpec(run, 'held-out', context));
}

function scoreSpec(run: Run, split: 'training' | 'held-out', context: 'short' | 'long'): StageSpecOf<'score'> {
  return {
    kind: 'score',
    pair: digestOf(pairSpec(run)),
    model: run.model,
    split,
    context,
    ...lowerFormat(run),
    ...computedBy(run),
  };
}

export function trainSpec(run: Run): StageSpecOf<'train'> {
  const { arm, objective, alignment, adapter, training, seed } = run.config;
  const pair = digestOf(pairSpec(run));
  return {
    kind: 'train',
    run: run.id,
    pair,
    model: run.model,
    arm,
    objective,
    alignment: alignmentOf(alignment),
    adapter,
    ...lowerFormat(run),
    ...computedBy(run),
    training,
    seed,
  };
}

export function alignSpec(run: Run, policy: PolicyVersion): StageSpecOf<'align'> {
  const { objective, alignment } = run.config;
  return {
    kind: 'align',
    run: run.id,
    step: policy.step,
    policy: policy.digest,
    model: run.model,
    adapter: adapterOf(run, policy.digest),
    ...lowerFormat(run),
    ...computedBy(run),
    pair: digestOf(pairSpec(run)),
    objective,
    alignment: measuredAlignment(alignment),
  };
}

/** One stage a context length; over the model as it is registered, for which an adapter is exported. */
export function evaluateSpecs(run: Run, policy: string): readonly StageSpecOf<'evaluate'>[] {
  const { evaluation, prompt, seed, sampler } = run.config;
  const dataset = run.evaluationDataset;
  if (evaluation === null || dataset === null) return [];
  const { questions, judge, normalization, maxNewTokens, weights } = evaluation;
  return [...new Set(evaluation.documents)].map((documents) => ({
    kind: 'evaluate',
    policy,
    model: run.model,
    adapter: adapterOf(run, policy),
    dataset,
    prompt: promptOf(prompt),
    documents,
    ...(questions === undefined ? {} : { questions }),
    judge,
    ...removed(normalization),
    maxNewTokens,
    ...(weights === 'float32' ? {} : { weights }),
    seed,
    // Base and policies by the same sampler, or their answers could not be compared.
    ...(sampler?.adapters === 'vllm' ? answeredBy(run) : {}),
    ...computedBy(run),
  }));
}

/** The base model has none, so that runs with and without one share what is measured of it. */
function adapterOf({ model, config }: Run, policy: string): StageSpecOf<'evaluate'>['adapter'] {
  return policy === model ? null : config.adapter;
}

function lowerFormat({ config: { frozenWeights } }: Run): Pick<StageSpecOf<'train'>, 'frozenWeights'> {
  return frozenWeights === 'float16' || frozenWeights === 'int8' ? { frozenWeights } : {};
}

/** A run whose engine answers shares its work with those created before there was a choice. */
function answeredBy({ config: { sampler } }: Run): Pick<StageSpecOf<'sample'>, 'sampler'> {
  if (!sampler) return {};
  const { url, model, check } = sampler;
  return { sampler: { url, ...(model === undefined ? {} : { model }), check } };
}

/** A run by onnxruntime in float32 shares its work with those created before there was a choice. */
function computedBy({ config: { engine, precision } }: Run): Pick<StageSpecOf<'train'>, 'engine' | 'precision'> {
  return {
    ...(engine === 'torch' ? { engine } : {}),
    ...(precision === 'bfloat16' ? { precision } : {}),
  };
}

/** A run with the whole long row's gradient has the name that it had before there was a choice. */
function alignmentOf({ backward, ...alignment }: Run['config']['alignment']): StageSpecOf<'train'>['alignment'] {
  return { ...alignment, ...(backward === 'response' || typeof backward === 'object' ? { backward } : {}) };
}

/** A measurement has no gradient. */
function measuredAlignment({
  backward: _,
  ...alignment
}: Run['config']['alignment']): StageSpecOf<'align'>['alignment'] {
  return alignment;
}

/** A run in which control tokens are tokens shares its work with those created before there was a choice. */
function promptOf({ controlTokens, ...prompt }: Run['config']['prompt']): StageSpecOf<'compose'>['prompt'] {
  return { ...prompt, ...(controlTokens === 'text' ? { controlTokens } : {}) };
}

/** A run that was created before there was a choice has none. */
function removed(normalization: Normalization): Pick<StageSpecOf<'evaluate'>, 'normalization'> {
  return normalization === 'hotpotqa' ? { normalization } : {};
}
