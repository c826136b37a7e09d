import type { RunConfig, RunWarning } from '@solopo/contracts';
import type { StageRecord } from './stage.repository.ts';

/** More than this share of the answers cut off, and the limit decides what is learned. */
const CUT_SHARE = 0.2;

type CountedConfig = Pick<RunConfig, 'sampling' | 'pairing'> & {
  readonly prompt: Pick<RunConfig['prompt'], 'controlTokens'>;
};

/** What the counts of a run's stages warn of. */
export function stageWarnings(config: CountedConfig, stages: readonly StageRecord[]): RunWarning[] {
  const pair = stages.find(({ kind, state }) => kind === 'pair' && state === 'done');
  return [
    ...contextsTooLong(stages),
    ...controlTokens(config, stages),
    ...(pair === undefined ? [] : cutAnswers(config, pair)),
  ];
}

function contextsTooLong(stages: readonly StageRecord[]): RunWarning[] {
  // A policy is asked what its base was asked.
  const own = stages.filter(({ spec }) => spec.kind !== 'evaluate' || spec.policy === spec.model);
  const count = own.reduce((sum, stage) => sum + countOf(stage, 'beyondPositions'), 0);
  if (count === 0) return [];
  const message =
    `${count} contexts have more tokens than the model has positions (max_position_embeddings in its config.json); ` +
    'ask for fewer documents, set contexts.long.maxTokens, or refuse them with contexts.beyondPositions.';
  return [{ kind: 'contexts-too-long', count, message }];
}

function controlTokens({ prompt }: CountedConfig, stages: readonly StageRecord[]): RunWarning[] {
  // Every evaluation asks the same questions.
  const [asked, composed] = [true, false].map((isAsked) =>
    stages.filter(({ spec }) => (spec.kind === 'evaluate') === isAsked).map((stage) => countOf(stage, 'controlTokens')),
  ) as [number[], number[]];
  const count = composed.reduce((sum, each) => sum + each, Math.max(0, ...asked));
  if (count === 0) return [];
  const found = `${count} examples have a control token of the model in their question or documents, which `;
  const message =
    prompt.controlTokens === 'text'
      ? `${found}is encoded as text there (prompt.controlTokens: text).`
      : `${found}steers the model there as if the chat template had written it; encode it as text with prompt.controlTokens: text, ` +
        'or take such texts out of the data set.';
  return [{ kind: 'control-tokens', count, message }];
}

function cutAnswers({ sampling, pairing }: CountedConfig, pair: StageRecord): RunWarning[] {
  const [cut, judged] = [countOf(pair, 'cut'), countOf(pair, 'judged')];
  if (cut <= CUT_SHARE * judged) return [];
  const consequence = pairing.cutAnswers === 'refuse' ? 'none of them is chosen' : 'they are chosen without an end';
  return [
    {
      kind: 'cut-answers',
      count: cut,
      message:
        `${cut} of ${judged} sampled answers were cut off by sampling.maxNewTokens (${sampling.maxNewTokens}), and ${consequence}; ` +
        'raise it, or ask for shorter answers in the prompt.',
    },
  ];
}

export function countOf({ result }: StageRecord, key: string): number {
  const value = result?.[key];
  return typeof value === 'number' ? value : 0;
}
