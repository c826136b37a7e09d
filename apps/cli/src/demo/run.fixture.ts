import { runConfigSchema } from '@solopo/contracts';
import type { EvaluationView, ModelView, RunView, StageView } from '../client/api.views.ts';
import type { FinishedRun } from './demo.result.ts';

export function stageOf(
  kind: string,
  digest: string,
  chunks: number,
  chunksDone: number,
  result: StageView['result'] = null,
): StageView {
  return {
    kind,
    digest,
    label: digest,
    chunks,
    chunksDone,
    state: chunks === chunksDone ? 'done' : 'running',
    startedAt: null,
    finishedAt: null,
    secondsPerChunk: null,
    progress: {
      done: chunksDone,
      total: chunks,
      fraction: chunksDone / chunks,
      unit: 'chunks',
      phase: null,
    },
    etaSeconds: null,
    result,
  };
}

export function runOf(arm: 'short' | 'expand-long' | 'solo', more: Partial<RunView> = {}): RunView {
  return {
    id: arm,
    config: runConfigSchema.parse({
      name: arm,
      arm,
      model: 'm',
      dataset: 'd',
      contexts: { long: { documents: 16 } },
      training: { stepsPerSlice: 10 },
      evaluation: { dataset: 'e', documents: [4, 16] },
    }) as RunView['config'],
    state: 'running',
    error: null,
    createdAt: '2025-01-01T00:00:00.000Z',
    finishedAt: null,
    step: 0,
    steps: null,
    chainHead: null,
    policyDigest: null,
    policyTokens: 0,
    referenceTokens: 0,
    trainSeconds: 0,
    work: { jobs: 0, executions: 0 },
    pairs: null,
    progress: null,
    etaSeconds: null,
    leftOver: null,
    stages: [],
    warnings: [],
    ...more,
  };
}

/** `right` of 100 questions: the first ones. */
export function evaluationOf(step: number | 'base', documents: number, right: number): EvaluationView {
  return {
    policy: `${step}`,
    step,
    documents,
    tokens: 100 * 13.7 * documents,
    n: 100,
    correct: right,
    outcomes: '1'.repeat(right) + '0'.repeat(100 - right),
    refused: {},
  };
}

const BASE = [evaluationOf('base', 16, 60), evaluationOf('base', 4, 95)];

const SHARED = [
  stageOf('compose', 'c', 2, 2, { refused: 10, composed: 590, 'refused/too-few-documents': 10 }),
  stageOf('sample', 's', 2, 2, { samples: 4720 }),
  stageOf('pair', 'p', 1, 1, { pairs: 320, heldOut: 64 }),
  stageOf('score', 'training', 2, 2, { rows: 640, tokens: 22_485 }),
  stageOf('score', 'held-out', 1, 1, { rows: 128, tokens: 4458 }),
];

export const FINISHED: readonly FinishedRun[] = [
  {
    run: runOf('short', {
      state: 'succeeded',
      step: 20,
      pairs: 320,
      policyTokens: 51_200,
      referenceTokens: 61_440,
      trainSeconds: 2.04,
      stages: SHARED,
    }),
    evaluations: [...BASE, evaluationOf(20, 4, 97), evaluationOf(20, 16, 40)],
    alignments: [alignmentOf(0, 1), alignmentOf(20, 4)],
    steps: [stepOf(1, Math.LN2), stepOf(2, 0.5)],
  },
  {
    run: runOf('solo', {
      state: 'succeeded',
      step: 20,
      pairs: 320,
      policyTokens: 128_000,
      referenceTokens: 61_440,
      trainSeconds: 6,
      stages: SHARED,
    }),
    evaluations: [...BASE, evaluationOf(20, 4, 97), evaluationOf(20, 16, 80)],
    alignments: [alignmentOf(20, 2), alignmentOf(0, 1)],
    steps: [stepOf(1, Math.LN2), stepOf(2, 0.4)],
  },
];

function alignmentOf(step: number, gap: number) {
  return {
    step,
    policy: `${step}`,
    metrics: { 'solo/margin_short': step / 10, 'solo/gap_abs': gap, 'solo/accuracy_long': 0.75 },
  };
}

function stepOf(step: number, loss: number) {
  return { step, digest: `${step}`, phaseSeconds: null, metrics: { loss, 'rewards/margins': 0 } };
}

export const MODEL: ModelView = {
  digest: 'd'.repeat(64),
  name: 'm',
  family: 'llama',
  parameters: 1,
  source: null,
  engines: ['onnx', 'torch'],
  warnings: [],
  createdAt: '2025-01-01T00:00:00.000Z',
};
