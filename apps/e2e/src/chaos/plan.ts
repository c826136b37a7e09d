import { Random } from '@solopo/random';

/** Each with how often it comes in a round of all. */
const ROUND = {
  'kill-worker': 3,
  'kill-engine': 2,
  'freeze-worker': 1,
  'kill-gateway': 1,
  'kill-nats': 1,
  'kill-postgres': 1,
  'slow-nats': 1,
  'slow-postgres': 1,
  'cut-nats': 1,
  'cut-postgres': 1,
  'silence-nats': 1,
  'silence-postgres': 1,
  'fill-disk': 1,
  'lose-nats-tail': 1,
  'publish-again': 2,
  'jump-clock': 1,
} as const;

export type FaultKind = keyof typeof ROUND;
export const FAULT_KINDS = Object.keys(ROUND) as readonly FaultKind[];

/** A process that is kept: what is done to it, and when it is well again, goes by its name. */
export const KEPT_WORKERS = ['datagen', 'datagen-2', 'reward', 'trainer'] as const;
export type KeptWorker = (typeof KEPT_WORKERS)[number];
export type Target = KeptWorker | 'gateway' | 'nats' | 'postgres' | 'disk';

export interface Fault {
  /** From 1. */
  readonly number: number;
  readonly kind: FaultKind;
  readonly target: Target;
  /** From the beginning. It waits for an earlier one of its target. */
  readonly atMs: number;
  /** From 0 to 1: how much, or for how long. */
  readonly amount: number;
}

/** What happens, and when: equal seeds give equal faults, whatever the machine can do of them. */
export function planFaults(seed: number, faults: number, minutes: number): readonly Fault[] {
  const random = new Random('chaos', seed);
  const meanMs = (minutes * 60_000) / faults;
  let round: FaultKind[] = [];
  let atMs = 0;
  return Array.from({ length: faults }, (_, index) => {
    if (round.length === 0)
      round = shuffled(
        FAULT_KINDS.flatMap((kind) => Array<FaultKind>(ROUND[kind]).fill(kind)),
        random,
      );
    const kind = round.pop()!;
    atMs += meanMs * (0.5 + random.float());
    return {
      number: index + 1,
      kind,
      target: drawTarget(kind, random),
      atMs: Math.round(atMs),
      amount: random.float(),
    };
  });
}

function drawTarget(kind: FaultKind, random: Random): Target {
  if (kind === 'fill-disk') return 'disk';
  if (kind === 'publish-again' || kind.endsWith('-nats') || kind === 'lose-nats-tail') return 'nats';
  if (kind.endsWith('-postgres')) return 'postgres';
  if (kind === 'kill-gateway') return 'gateway';
  const targets: readonly Target[] = kind === 'jump-clock' ? [...KEPT_WORKERS, 'gateway'] : KEPT_WORKERS;
  return targets[random.below(targets.length)]!;
}

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const all = [...items];
  for (let last = all.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [all[last], all[other]] = [all[other]!, all[last]!];
  }
  return all;
}
