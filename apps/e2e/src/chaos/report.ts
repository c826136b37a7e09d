import { FAULT_KINDS, type Fault } from './plan.ts';

export interface Struck extends Fault {
  /** When it came about: it may have waited for an earlier one of its target. */
  readonly struckSeconds: number;
  readonly what: string;
  readonly isSkipped: boolean;
  /** Null where nothing was left to do. */
  readonly recoverySeconds: number | null;
}

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
}

export interface ChaosReport {
  readonly seed: number;
  readonly minutes: number;
  readonly faults: readonly Struck[];
  readonly runs: number;
  /** Runs that had failed and were set going again. */
  readonly resumed: readonly string[];
  readonly jobs: number;
  readonly executions: number;
  readonly seconds: { readonly storm: number; readonly calming: number; readonly undisturbed: number };
  readonly checks: readonly Check[];
  readonly ok: boolean;
}

export function describeReport(report: ChaosReport): string {
  const { seed, faults, runs, resumed, jobs, executions, seconds, checks } = report;
  const struck = faults.filter(({ isSkipped }) => !isSkipped);
  const lines = [
    `seed ${seed}: ${struck.length} of ${faults.length} faults in ${seconds.storm.toFixed(0)} s, while ${runs} runs went on (${jobs} jobs, ${executions} executions)`,
    `all ended ${seconds.calming.toFixed(0)} s later; undisturbed they take ${seconds.undisturbed.toFixed(0)} s`,
    '',
    row('fault', 'struck', 'skipped', 'recovered in (s): median', 'most'),
    ...FAULT_KINDS.map((kind) => {
      const own = faults.filter((fault) => fault.kind === kind);
      const times = own.flatMap(({ recoverySeconds }) => recoverySeconds ?? []).toSorted((a, b) => a - b);
      const skipped = own.filter(({ isSkipped }) => isSkipped).length;
      const figure = (at: number): string => times[at]?.toFixed(1) ?? '-';
      return row(
        kind,
        String(own.length - skipped),
        skipped === 0 ? '' : String(skipped),
        figure(Math.floor((times.length - 1) / 2)),
        figure(times.length - 1),
      );
    }),
    '',
    ...faults.map(
      ({ struckSeconds, kind, what, isSkipped, recoverySeconds }) =>
        `${struckSeconds.toFixed(1).padStart(7)} s  ${kind}: ${isSkipped ? 'skipped, ' : ''}${what}${recoverySeconds === null ? '' : `; well after ${recoverySeconds.toFixed(1)} s`}`,
    ),
    ...resumed.map((each) => `resumed: ${each}`),
    '',
    ...checks.map(({ name, ok, found }) => `${ok ? 'ok  ' : 'FAIL'}  ${name}${found === '' ? '' : `: ${found}`}`),
  ];
  if (!report.ok) lines.push('', `To repeat it: ${repeatWith(seed, report.minutes, faults.length)}`);
  return lines.join('\n');
}

export function repeatWith(seed: number, minutes: number, faults: number): string {
  return `npm run chaos -- --seed ${seed} --minutes ${minutes} --faults ${faults}`;
}

function row(kind: string, ...figures: readonly string[]): string {
  const widths = [8, 9, 26, 7];
  return kind.padEnd(18) + figures.map((figure, index) => figure.padStart(widths[index] ?? 0)).join('');
}
