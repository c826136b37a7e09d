import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import { SolopoError, type StageKind, type Verification } from '@solopo/contracts';
import { Ledger, type Repositories, type SubscribedStage } from '@solopo/ledger';
import { isOutage } from '@solopo/platform';
import type { Check } from './check.ts';
import { artifactsOf, verifyArtifacts } from './verify-artifacts.ts';
import { verifyDataset, verifyModel, verifyStages } from './verify-inputs.ts';
import { verifyPairs, type PairFindings } from './verify-pairs.ts';
import { verifyFigures, verifyHead, verifyState } from './verify-results.ts';
import { verifySamples } from './verify-samples.ts';
import { verifySteps } from './verify-steps.ts';

@Injectable()
export class VerifyRun {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
  ) {}

  /** As far as the run has come. Nothing is read into the chain that is not made again from the rows it stands for. */
  async execute(id: string): Promise<Verification> {
    const { checks, wanted } = await this.ledger.snapshot(async (ledger) => ({
      checks: await verifyRows(ledger, id),
      wanted: await readable('artifacts', () => artifactsOf(ledger, id)),
    }));
    // Large ones take their time, in which nothing of the ledger is held.
    const artifacts = wanted instanceof Map ? await verifyArtifacts(this.artifacts, wanted) : wanted;
    const all = [...checks, artifacts];
    return { ok: all.every(({ ok }) => ok), checks: all };
  }
}

async function verifyRows(ledger: Repositories, id: string): Promise<Check[]> {
  const run = await ledger.runs.require(id);
  const view = await ledger.runs.view(id);
  const stages = await ledger.runs.stages(id);
  const { model, dataset, evaluationDataset } = run.resolved;
  const inputs = [
    await readable('model', () => verifyModel(ledger, model)),
    await readable('data set', () => verifyDataset(ledger, 'data set', dataset)),
    ...(evaluationDataset === null
      ? []
      : [await readable('evaluation data set', () => verifyDataset(ledger, 'evaluation data set', evaluationDataset))]),
    await readable('configuration', () => verifyStages(run, view, stages)),
  ];
  const evidence = await readable('pairs', () => verifyEvidence(ledger, stages, model));
  const results = [
    await readable('run', () => verifyHead(ledger, view)),
    await readable('state', () => verifyState(ledger, run, view, stages)),
    await readable('figures', () => verifyFigures(ledger, id, model, stages)),
  ];
  return [...inputs, evidence, ...results].flat();
}

/** From the contexts to the policies, as far as the run has come. */
async function verifyEvidence(
  ledger: Repositories,
  stages: readonly SubscribedStage[],
  model: string,
): Promise<Check[]> {
  const of = (kind: StageKind) => stages.find((stage) => stage.kind === kind && stage.state === 'done');
  const [compose, sample, pair] = [of('compose'), of('sample'), of('pair')];
  if (compose === undefined || sample === undefined || pair === undefined) return [];
  const scores = stages.flatMap(({ spec, state }) => (spec.kind === 'score' && state === 'done' ? [spec] : []));
  const pairStages = { compose, sample, pair, scores };
  const findings = await verifyPairs(ledger, pairStages, model);
  const answers = await readable('answers', () => verifySamples(ledger, pairStages));
  const train = stages.find(({ kind }) => kind === 'train');
  return [findings.checks, answers, train === undefined ? [] : await verifyTraining(ledger, train, findings)].flat();
}

async function verifyTraining(
  ledger: Repositories,
  { spec, result }: SubscribedStage,
  findings: PairFindings,
): Promise<Check | Check[]> {
  if (spec.kind !== 'train') return [];
  // A trainer that reads its own engine's scores counts those it had to make.
  const readsOwnScores = result?.['rescored'] !== undefined;
  return readable('steps', () => verifySteps(ledger, { spec, readsOwnScores }, findings));
}

/** Rows that are not what they must be to be read at all are a fault of the run, and the other checks go on. */
async function readable<T>(name: string, check: () => T | Promise<T>): Promise<T | Check> {
  try {
    return await check();
  } catch (error) {
    const isOfRows = error instanceof SolopoError || error instanceof TypeError || error instanceof RangeError;
    if (!isOfRows || isOutage(error)) throw error;
    return { name, ok: false, detail: `rows are lost, or cannot be read as what they must be: ${error.message}` };
  }
}
