import type { Accuracy, DemoResult, Difference } from '../demo/demo.result.ts';
import { between, percent, points, whole } from './numbers.ts';
import { table, type Cell } from './table.ts';

/** Accuracy by context length, with its 95 % interval below. */
export function accuracyTable({ base, arms }: Pick<DemoResult, 'base' | 'arms'>): string {
  const row = (name: string, accuracy: readonly Accuracy[]): Cell[] => [
    name,
    ...accuracy.map((one) => [percent(one.mean), between(one, percent)]),
  ];
  return table([
    lengths(base.accuracy),
    row('base', base.accuracy),
    ...arms.map(({ name, accuracy }) => row(name, accuracy)),
  ]);
}

/** Differences in points: each arm to the base, then solo to the other arms. */
export function differenceTable({ base, arms }: Pick<DemoResult, 'base' | 'arms'>): string {
  const row = (name: string, differences: readonly Difference[]): Cell[] => [
    name,
    ...differences.map((one) => [
      points(one.difference),
      between(one, points),
      ...(one.separated ? [] : ['not separated']),
    ]),
  ];
  return table([
    lengths(base.accuracy),
    ...arms.map(({ name, differenceToBase }) => row(`${name} - base`, differenceToBase)),
    ...arms.flatMap(({ name, differenceToArms }) =>
      Object.entries(differenceToArms).map(([other, differences]) => row(`${name} - ${other}`, differences)),
    ),
  ]);
}

function lengths(accuracy: readonly Accuracy[]): Cell[] {
  return ['', ...accuracy.map(({ documents, tokens }) => [`${documents} documents`, `${whole(tokens)} tokens`])];
}
