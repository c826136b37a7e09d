import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import type { StageKind, Verification } from '@solopo/contracts';
import { Ledger, type Repositories, type SubscribedStage } from '@solopo/ledger';
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
      wanted: await artifactsOf(ledger, id, (await ledger.runs.require(id)).resolved.model),
    }));
    // Large ones take their time, in which nothing of the ledger is held.
    const all = [...checks, await verifyArtifacts(this.artifacts, wanted)];
    return { ok: all.every(({ ok }) => ok), checks: all };
  }
}

async function verifyRows(ledger: Repositories, id: string): Promise<Check[]> {
  const run = await ledger.runs.require(id);
  const view = await ledger.runs.view(id);
  const stages = await ledger.runs.stages(id);
  const { model, dataset, evaluationDataset } = run.resolved;
  const checks: Check[] = [
    await verifyModel(ledger, model),
    await verifyDataset(ledger, 'data set', dataset),
    ...(evaluationDataset === null ? [] : [await verifyDataset(ledger, 'evaluation data set', evaluationDataset)]),
    verifyStages(run, view, stages),
  ];
  const findings = await pairsOf(ledger, stages, model);
  checks.push(...(findings?.checks ?? []));
  const train = stages.find(({ kind }) => kind === 'train');
  if (findings !== null && train?.spec.kind === 'train') {
    // A trainer that reads its own engine's scores counts those it had to make.
    const readsOwnScores = train.result?.['rescored'] !== undefined;
    checks.push(...(await verifySteps(ledger, { spec: train.spec, readsOwnScores }, findings)));
  }
  checks.push(await verifyHead(ledger, view));
  checks.push(await verifyState(ledger, run, view, stages));
  checks.push(await verifyFigures(ledger, id, model, stages));
  return checks;
}

async function pairsOf(
  ledger: Repositories,
  stages: readonly SubscribedStage[],
  model: string,
): Promise<PairFindings | null> {
  const of = (kind: StageKind) => stages.find((stage) => stage.kind === kind && stage.state === 'done');
  const [compose, sample, pair] = [of('compose'), of('sample'), of('pair')];
  if (compose === undefined || sample === undefined || pair === undefined) return null;
  const scores = stages.flatMap(({ spec, state }) => (spec.kind === 'score' && state === 'done' ? [spec] : []));
  const pairStages = { compose, sample, pair, scores };
  const findings = await verifyPairs(ledger, pairStages, model);
  return { ...findings, checks: [...findings.checks, await verifySamples(ledger, pairStages)] };
}
