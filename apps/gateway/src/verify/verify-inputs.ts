import { digestOf, type RunView } from '@solopo/contracts';
import type { Repositories, RunRecord, SubscribedStage } from '@solopo/ledger';
import { composeSpec, pairSpec, sampleSpec, trainSpec, type RunFacts } from '@solopo/pipeline';
import { Checking, type Check } from './check.ts';

const BATCH = 1000;

export async function verifyModel(ledger: Repositories, digest: string): Promise<Check> {
  const checking = new Checking();
  const { files } = await ledger.models.require(digest);
  checking.demand(digestOf(files) === digest, `the files of model ${digest} are not those it was registered with`);
  return checking.result('model', `${Object.keys(files).length} files`);
}

export async function verifyDataset(ledger: Repositories, name: string, digest: string): Promise<Check> {
  const checking = new Checking();
  const { examples } = await ledger.datasets.require(digest);
  const digests: string[] = [];
  for (let from = 0; from < examples; from += BATCH)
    for (const example of await ledger.datasets.examples(digest, { from, to: from + BATCH })) {
      digests.push(example.digest);
      checking.demand(
        digestOf(example.content) === example.digest,
        `example ${example.position} was altered: its content does not have its digest`,
      );
    }
  checking.demand(digestOf(digests) === digest, 'examples were added, lost or swapped');
  return checking.result(name, `${examples} examples`);
}

/** What the run asked for, against what was done for it. */
export function verifyStages(run: RunRecord, { state, step }: RunView, stages: readonly SubscribedStage[]): Check {
  const checking = new Checking();
  const facts: RunFacts['run'] = { id: run.id, config: run.config, ...run.resolved };
  const states = new Map(stages.map((stage) => [stage.digest, stage.state]));
  for (const { digest, label, spec } of stages)
    checking.demand(digestOf(spec) === digest, `the specification of the stage "${label}" was altered`);
  const wanted = [composeSpec(facts), sampleSpec(facts), pairSpec(facts), trainSpec(facts)];
  const isTrained = state === 'succeeded' || step > 0;
  const last = isTrained
    ? wanted.length - 1
    : wanted.findLastIndex(({ kind }) => stages.some((stage) => stage.kind === kind));
  for (const spec of wanted.slice(0, last + 1)) {
    const stage = states.get(digestOf(spec));
    checking.demand(
      stage !== undefined,
      `there is no ${spec.kind} stage as the run's configuration asks for it: one of both was altered, or the stage is lost`,
    );
    const mustBeDone = state === 'succeeded' || spec !== wanted[last];
    checking.demand(
      stage === undefined || stage === 'done' || !mustBeDone,
      `the ${spec.kind} stage was not done before what follows from it`,
    );
  }
  return checking.result('configuration', `${stages.length} stages`);
}
