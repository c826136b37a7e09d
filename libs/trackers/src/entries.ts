import type { Repositories, TimedEvaluation, TimedMetrics, TimedStep } from '@solopo/ledger';
import { ACCURACY, HELD_OUT, PHASES, TRAIN, type Entry, type Tracked } from './tracker.ts';

const STEPS_AT_ONCE = 1000;

/** What the ledger has of a run and a tracker has not, in portions. */
export async function* newEntries(
  { tracking }: Pick<Repositories, 'tracking'>,
  run: string,
  { step: last, keys }: Tracked,
): AsyncGenerator<readonly Entry[], void, undefined> {
  const isNew = ({ key }: Entry): boolean => !keys.has(key);
  for (let after = last; ;) {
    const steps = await tracking.steps(run, after, STEPS_AT_ONCE);
    const latest = steps.at(-1);
    if (latest === undefined) break;
    yield steps.map(stepEntry);
    after = latest.step;
  }
  const heldOut = (await tracking.heldOut(run)).map((version) => metricsEntry(HELD_OUT, version));
  const evaluations = (await tracking.evaluations(run)).map(evaluationEntry);
  const rest = [...heldOut, ...evaluations].filter(isNew);
  if (rest.length > 0) yield rest;
}

function stepEntry({ phaseSeconds, ...step }: TimedStep): Entry {
  const entry = metricsEntry(TRAIN, step);
  return { ...entry, values: { ...entry.values, ...named(PHASES, phaseSeconds ?? {}) } };
}

function metricsEntry(group: string, { step, at, metrics }: TimedMetrics): Entry {
  return { key: `${group}/${step}`, step, at, values: named(group, metrics) };
}

function named(group: string, values: Readonly<Record<string, number>>): Entry['values'] {
  const finite = Object.entries(values).filter(([, value]) => Number.isFinite(value));
  return Object.fromEntries(finite.map(([name, value]) => [`${group}/${name}`, value]));
}

function evaluationEntry({ step, documents, at, n, correct }: TimedEvaluation): Entry {
  const name = `${ACCURACY}/${documents}_documents`;
  return { key: `${name}/${step}`, step, at, values: { [name]: n === 0 ? 0 : correct / n } };
}
