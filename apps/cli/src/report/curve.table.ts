import type { ArmResult } from '../demo/demo.result.ts';
import { table } from './table.ts';

type Points = ArmResult['curve'];

const CURVE = ['loss', 'solo/loss_po', 'rewards/margins', 'rewards/accuracies', 'solo/gap_abs'];
const ALIGNMENT = [
  'solo/margin_short',
  'solo/accuracy_short',
  'solo/gap_abs',
  'solo/logp_gap_per_token',
  'solo/margin_long',
  'solo/accuracy_long',
];

const MAX_ROWS = 21;

/** The training curve: every step, or every so many when there are too many to read. The first and the last are always there. */
export function curveTable(curve: Points): string {
  const every = Math.ceil(curve.length / MAX_ROWS);
  return metricsTable(
    'step',
    CURVE,
    curve.filter((_, index) => index % every === 0 || index === curve.length - 1).map(labelled),
  );
}

/** Held-out pairs, by policy version. Step 0 is the base. */
export function alignmentTable(alignments: Points): string {
  return metricsTable('step', ALIGNMENT, alignments.map(labelled));
}

/** Held-out pairs: the base, and each arm's last version. */
export function lastAlignmentTable(arms: readonly ArmResult[]): string {
  const base = arms[0]?.alignments[0];
  const last = arms.map(({ name, alignments }) => ({ label: name, metrics: alignments.at(-1)?.metrics ?? {} }));
  return metricsTable('', ALIGNMENT, [{ label: 'base', metrics: base?.metrics ?? {} }, ...last]);
}

function labelled({ step, metrics }: Points[number]) {
  return { label: `${step}`, metrics };
}

interface Row {
  readonly label: string;
  readonly metrics: Readonly<Record<string, number>>;
}

function metricsTable(title: string, names: readonly string[], rows: readonly Row[]): string {
  return table([
    [title, ...names.map((name) => name.split(/(?<=\/)/))],
    ...rows.map(({ label, metrics }) => [label, ...names.map((name) => metrics[name]?.toFixed(3) ?? '-')]),
  ]);
}
