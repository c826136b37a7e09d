import type { ArmResult, DemoResult, StageCounts } from '../demo/demo.result.ts';
import { accuracyTable, differenceTable } from './accuracy.table.ts';
import { alignmentTable, curveTable, lastAlignmentTable } from './curve.table.ts';
import { whole } from './numbers.ts';
import { sections, type Section } from './sections.ts';
import { table } from './table.ts';

/** The end of a demo, for people. */
export function demoReport(result: DemoResult): string {
  const { base, arms, sharing, stages, rows, seconds } = result;
  const questions = base.accuracy[0]?.n ?? 0;
  const [only] = arms.length === 1 ? arms : [];
  const training: Section[] = only
    ? [
        ['Training, by step', curveTable(only.curve)],
        ['Held-out pairs, by policy version (step 0 is the base)', alignmentTable(only.alignments)],
      ]
    : [['Held-out pairs, last policy versions', lastAlignmentTable(arms)]];
  const comparison: Section[] = [
    [`Accuracy in %, with 95 % intervals, on ${whole(questions)} held-out questions a length`, accuracyTable(result)],
    ['Differences in points, with 95 % intervals, paired by question', differenceTable(result)],
  ];
  const parts: Section[] = [
    ...(only ? [...training, ...comparison] : [...comparison, ...training]),
    ['Cost', costTable(arms)],
    ['Counts', countTable(stages)],
    ['Rows of the evidence tables', rowsTable(rows)],
  ];
  const shared =
    sharing.run < sharing.wanted
      ? `The runs asked for ${sharing.wanted} stages and share ${sharing.wanted - sharing.run} of them: ${sharing.run} were run. `
      : '';
  return `${sections(parts)}\n${shared}${Math.round(seconds)} seconds in all.\n`;
}

export function costTable(arms: readonly ArmResult[]): string {
  return table([
    ['', 'pairs', 'steps', 'policy tokens', 'reference tokens', 'training seconds'],
    ...arms.map(({ name, pairs, leftOver, steps, policyTokens, referenceTokens, seconds }) => [
      name,
      leftOver === 0 ? whole(pairs) : `${whole(pairs)} (${whole(leftOver)} left over)`,
      whole(steps),
      whole(policyTokens),
      whole(referenceTokens),
      seconds.toFixed(1),
    ]),
  ]);
}

function rowsTable(rows: DemoResult['rows']): string {
  const byName = Object.entries(rows).sort(([a], [b]) => (a < b ? -1 : 1));
  return table(byName.map(([name, count]) => [name, whole(count)]));
}

const REFUSED = 'refused/';

/** What each stage made, and what it refused and why. */
export function countTable(stages: readonly StageCounts[]): string {
  return stages
    .filter(({ counts }) => Object.keys(counts).length > 0)
    .map(({ kind, counts }) => {
      const entries = Object.entries(counts);
      const made = entries
        .filter(([name]) => !name.startsWith(REFUSED))
        .sort(([a], [b]) => Number(a === 'refused') - Number(b === 'refused'))
        .map(([name, count]) => `${words(name)} ${whole(count)}`);
      const reasons = entries
        .filter(([name]) => name.startsWith(REFUSED))
        .map(([name, count]) => `${name.slice(REFUSED.length)} ${whole(count)}`);
      return `${kind.padEnd(8)} ${made.join(', ')}${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`;
    })
    .join('\n');
}

/** heldOut: held out */
const words = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
