import { digestOf, jobSchema, sha256, type Job, type StageSpec, type StageSpecOf } from '@solopo/contracts';
import { CHAIN_START, type Ledger, type LedgerTransaction, type NewStep } from '@solopo/ledger';
import { beginChunk, completeChunk, type ChunkOutcome, type ChunkRange, type Executor } from '../index.ts';

export const HELD_OUT = 20;
export const PAIRS = 320;

export const EXECUTOR: Executor = { worker: 'fake', version: '0.0.0', leaseMs: 60_000 };

/** What a policy version's held-out pairs are to say. */
export type HeldOutMetrics = (step: number) => Readonly<Record<string, number>>;

/** Takes jobs from the outbox and writes the evidence real workers would, without computing any of it. */
export class FakeExecutor {
  /** Every job executed, in order. */
  readonly executed: { readonly kind: string; readonly stage: string; readonly chunk: number }[] = [];
  readonly #ledger: Ledger;
  readonly #metrics: HeldOutMetrics;

  constructor(ledger: Ledger, metrics: HeldOutMetrics = (step) => ({ gap: step })) {
    this.#ledger = ledger;
    this.#metrics = metrics;
  }

  count(kind: string): number {
    return this.executed.filter((job) => job.kind === kind).length;
  }

  /** Until the outbox has no jobs; `workers` jobs at a time. */
  async drain(workers = 1): Promise<void> {
    for (let jobs = await this.take(workers); jobs.length > 0; jobs = await this.take(workers))
      await Promise.all(jobs.map((job) => this.execute(job)));
  }

  /** The next jobs; events on the way are dropped. */
  async take(limit: number): Promise<Job[]> {
    return this.#ledger.transaction(async (tx) => {
      const messages = await tx.outbox.claim(100_000);
      const events = messages.filter(({ subject }) => !subject.startsWith('jobs.'));
      const jobs = messages.filter(({ subject }) => subject.startsWith('jobs.')).slice(0, limit);
      await tx.outbox.markPublished([...events, ...jobs].map(({ id }) => id));
      return jobs.map(({ payload }) => jobSchema.parse(payload));
    });
  }

  async execute(job: Job): Promise<string> {
    const begun = await this.#ledger.transaction((tx) => beginChunk(tx, job, EXECUTOR));
    if (begun.status !== 'ready') return begun.status;
    this.executed.push({ kind: begun.spec.kind, stage: job.stage, chunk: job.chunk });
    const outcome = outcomeOf(job, begun.spec, begun.range, this.#metrics);
    return this.#ledger.transaction((tx) => completeChunk(tx, job, begun.execution, outcome));
  }
}

export function outcomeOf(
  job: Job,
  spec: StageSpec,
  range: ChunkRange,
  metrics: HeldOutMetrics = () => ({}),
): ChunkOutcome {
  const { stage, chunk } = job;
  const positions = Array.from({ length: range.to - range.from }, (_, index) => range.from + index);
  switch (spec.kind) {
    case 'compose':
      return { seconds: 1, result: { made: positions.length }, write: (tx) => compose(tx, stage, positions) };
    case 'sample':
      return {
        seconds: 1,
        write: (tx) =>
          tx.samples.insert(
            stage,
            positions.map((position) => ({
              position,
              sampleIndex: 0,
              tokens: [position],
              text: 'no',
              finish: 'stop',
              logp: -1,
            })),
          ),
      };
    case 'pair':
      return {
        seconds: 1,
        result: { pairs: PAIRS - HELD_OUT, heldOut: HELD_OUT },
        write: (tx) => pair(tx, stage, spec),
      };
    case 'score':
      return { seconds: 1, result: { tokens: positions.length }, write: (tx) => score(tx, spec, range) };
    case 'train':
      return { seconds: 1, result: { steps: positions.length }, write: (tx) => train(tx, spec, range) };
    case 'align':
      return {
        seconds: 1,
        write: ({ alignments }) => alignments.insert(stage, { ...spec, metrics: metrics(spec.step), details: [] }),
      };
    case 'evaluate': {
      const { policy, documents } = spec;
      const counts = {
        tokens: positions.length,
        n: positions.length,
        correct: 0,
        outcomes: '0'.repeat(positions.length),
      };
      const write = ({ evaluations }: LedgerTransaction) =>
        evaluations.insert(stage, chunk, { policy, documents, ...counts, refused: {} });
      return { seconds: 1, write };
    }
    case 'replay':
      return { seconds: 1, result: { slices: Object.fromEntries(positions.map((at) => [spec.slices[at], at])) } };
  }
}

const CONTEXT = sha256('context');

async function compose(tx: LedgerTransaction, stage: string, positions: readonly number[]): Promise<void> {
  await tx.contexts.insert([{ digest: CONTEXT, kind: 'both', tokens: [1], evidence: [] }]);
  await tx.contexts.assign(
    stage,
    positions.map((position) => ({ position, short: CONTEXT, long: CONTEXT })),
  );
}

async function pair(tx: LedgerTransaction, stage: string, spec: StageSpecOf<'pair'>): Promise<void> {
  const samples = await tx.samples.list(spec.sample, { from: 0, to: PAIRS });
  await tx.pairs.insert(
    stage,
    samples.map(({ position, tokens }) => ({
      position,
      digest: digestOf({ position }),
      shortContext: CONTEXT,
      longContext: CONTEXT,
      chosen: [0],
      rejected: tokens,
      chosenText: 'yes',
      rejectedText: 'no',
      chosenSample: null,
      rejectedSample: 0,
      heldOut: position < HELD_OUT,
      ordinal: position < HELD_OUT ? position : position - HELD_OUT,
    })),
  );
}

async function score(
  tx: LedgerTransaction,
  { pair, model, split, context }: StageSpecOf<'score'>,
  range: ChunkRange,
): Promise<void> {
  const rows = (await tx.pairs.list(pair, split, range)).flatMap(({ position }) =>
    (['chosen', 'rejected'] as const).map((response) => ({ position, response })),
  );
  const values = { context, engine: 'fake', logps: Float32Array.of(-1), sum: -1 };
  await tx.scores.insert(
    pair,
    model,
    rows.map((row) => ({ ...row, ...values })),
  );
}

async function train(
  tx: LedgerTransaction,
  { run, pair }: StageSpecOf<'train'>,
  { from, to }: ChunkRange,
): Promise<void> {
  const { step, digest } = await tx.steps.head(run);
  if (step !== from) throw new Error(`The slice starts after step ${from}, the chain ends with ${step}.`);
  const steps: NewStep[] = [];
  for (let number = from + 1, previous = digest; number <= to; number++) {
    const [row] = await tx.pairs.training(pair, [number]);
    const next = {
      step: number,
      previousDigest: previous,
      pairDigests: [row?.digest ?? ''],
      metrics: { loss: 1 / number },
      engine: 'fake',
    };
    steps.push({ ...next, digest: digestOf(next) });
    previous = steps.at(-1)?.digest ?? CHAIN_START;
  }
  await tx.steps.append(run, steps);
  const chainHead = (await tx.steps.head(run)).digest;
  const policyDigest = sha256(`policy of ${run} after ${to}`);
  await tx.checkpoints.insert(run, { step: to, digest: chainHead, parametersDigest: policyDigest });
  await tx.versions.insert(run, { step: to, digest: policyDigest, chainHead });
  await tx.runs.recordTraining(run, { step: to, chainHead, policyDigest, policyTokens: to - from, seconds: 1 });
}
