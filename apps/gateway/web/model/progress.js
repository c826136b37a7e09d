/** What a stage counts: the key of its result, and the unit people read. */
const ITEMS = {
  compose: ['composed', 'contexts'],
  sample: ['samples', 'samples'],
  pair: ['judged', 'samples'],
  score: ['tokens', 'tokens'],
  train: ['steps', 'steps'],
  align: ['pairs', 'pairs'],
  evaluate: ['asked', 'questions'],
};

const GROUPS = [
  ['compose', 'Compose contexts'],
  ['evaluate base', 'Evaluate the base'],
  ['sample', 'Sample answers'],
  ['pair', 'Judge and pair'],
  ['score', 'Score the reference'],
  ['train', 'Train'],
  ['align', 'Measure alignment'],
  ['evaluate', 'Evaluate the policy'],
];

/** The stages of a run by what they are for, in the order of the pipeline; those still to come have none yet. */
export function groupsOf(run) {
  const stages = Map.groupBy(run.stages, ({ label, kind }) =>
    label.startsWith('evaluate base') ? 'evaluate base' : kind,
  );
  const wanted = run.state === 'running' ? expectedOf(run.config) : [];
  return GROUPS.filter(([key]) => stages.has(key) || wanted.includes(key)).map(([key, title]) => ({
    key,
    title,
    stages: stages.get(key) ?? [],
  }));
}

function expectedOf({ evaluation, objective, pairing }) {
  return [
    'compose',
    'sample',
    'pair',
    'train',
    ...(objective.kind === 'dpo' ? ['score'] : []),
    ...(pairing.heldOutPairs > 0 ? ['align'] : []),
    ...(evaluation === null ? [] : ['evaluate base', 'evaluate']),
  ];
}

/** Done and planned of some stages, with what is done of the jobs that workers are at. */
export function progressOf(run, stages) {
  if (stages[0]?.kind === 'train' && run.steps !== null) {
    const done = Math.max(
      run.step,
      sum(stages, ({ progress }) => progress.done),
    );
    return { done, total: run.steps, unit: 'steps' };
  }
  return {
    done: sum(stages, ({ progress }) => progress.done),
    total: sum(stages, ({ progress }) => progress.total),
    unit: stages[0]?.progress.unit ?? '',
  };
}

/** What a worker says that it does now: `loading`; null where it has not said, or none is at it. */
export const phaseOf = (stages) => stages.find(({ progress }) => progress.phase !== null)?.progress.phase ?? null;

/** Seconds in which at least one of the stages was at work. */
export function busySeconds(stages, now) {
  const spans = stages
    .filter(({ startedAt }) => startedAt !== null)
    .map(({ startedAt, finishedAt }) => [Date.parse(startedAt), finishedAt === null ? now : Date.parse(finishedAt)])
    .sort(([a], [b]) => a - b);
  let [busy, until] = [0, -Infinity];
  for (const [from, to] of spans) {
    busy += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return busy / 1000;
}

/** Items a second, by what the stages' chunks left behind and the time they took. */
export function rateOf(run, stages, now) {
  const [key, unit] = ITEMS[stages[0]?.kind] ?? [];
  if (key === undefined) return null;
  const items = key === 'steps' ? run.step : sum(stages, ({ result }) => Number(result?.[key] ?? 0));
  // Between slices a training stage waits for its next job, so its gradient steps are timed by themselves.
  const seconds =
    key === 'steps' && run.trainSeconds > 0 && stages.every(isDone) ? run.trainSeconds : busySeconds(stages, now);
  return items > 0 && seconds > 0 ? { perSecond: items / seconds, unit } : null;
}

/** Seconds left of stages; null while that is not known of each. */
export function secondsLeft(stages) {
  const open = stages.filter((stage) => !isDone(stage));
  return open.some(({ etaSeconds }) => etaSeconds === null) ? null : sum(open, ({ etaSeconds }) => etaSeconds);
}

/** What the run does now: the group of its running stages that comes last in the pipeline. */
export function currentGroup(run) {
  const groups = groupsOf(run);
  const open = groups.filter(({ stages }) => stages.some((stage) => !isDone(stage)));
  return open.findLast(({ stages }) => stages.some(({ state }) => state === 'running')) ?? open.at(-1) ?? null;
}

/** What a stage is called where all are listed: `score training short` -> Score training short */
export const stageTitle = ({ label }) => label.charAt(0).toUpperCase() + label.slice(1);

const isDone = ({ state }) => state === 'done';
const sum = (items, value) => items.reduce((total, item) => total + value(item), 0);
