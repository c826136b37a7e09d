import { compareRuns, type FinishedRun } from '../demo/demo.result.ts';
import { accuracyTable, differenceTable } from './accuracy.table.ts';
import { alignmentTable, curveTable } from './curve.table.ts';
import { costTable, countTable } from './demo.report.ts';
import { sections, type Section } from './sections.ts';

/** What came of one run, for people: only what there is. */
export function runReport(finished: FinishedRun): string {
  const { base, arms, stages } = compareRuns([finished]);
  const [arm] = arms;
  const parts: Section[] = [];
  const { warnings } = finished.run;
  if (warnings.length > 0) parts.push(['Warnings', warnings.map(({ message }) => message).join('\n')]);
  if (arm && arm.curve.length > 0) parts.push(['Training, by step', curveTable(arm.curve)]);
  if (arm && arm.alignments.length > 0)
    parts.push(['Held-out pairs, by policy version (step 0 is the base)', alignmentTable(arm.alignments)]);
  if (base.accuracy.length > 0) {
    parts.push([
      'Accuracy in %, with 95 % intervals',
      accuracyTable({ base, arms: arms.filter(({ accuracy }) => accuracy.length > 0) }),
    ]);
    if (arms.some(({ differenceToBase }) => differenceToBase.length > 0))
      parts.push(['Differences in points, with 95 % intervals, paired by question', differenceTable({ base, arms })]);
  }
  if (stages.some(({ counts }) => Object.keys(counts).length > 0)) parts.push(['Counts', countTable(stages)]);
  if (finished.run.step > 0) parts.push(['Cost', costTable(arms)]);
  return sections(parts);
}
