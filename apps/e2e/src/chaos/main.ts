// npm run chaos -- --seed N --minutes M [--faults N] [--json FILE] [--log FILE]: see docs/operations.md
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chaos } from './chaos.ts';
import { describeReport, repeatWith } from './report.ts';

/** In a minute, where nobody says how many. */
const FAULTS_A_MINUTE = 15;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '2' },
    faults: { type: 'string' },
    json: { type: 'string' },
    log: { type: 'string' },
  },
});

const [seed, minutes] = [Number(values.seed), Number(values.minutes)];
const faults = Number(values.faults ?? Math.max(1, Math.round(FAULTS_A_MINUTE * minutes)));
if (!Number.isInteger(seed) || !(minutes > 0) || !Number.isInteger(faults) || faults < 1) {
  console.error(
    'chaos: --seed and --faults are whole numbers, --minutes is more than 0: npm run chaos -- --seed 1 --minutes 2',
  );
  process.exitCode = 2;
} else {
  try {
    const log = (line: string): void => console.log(line);
    const { log: output } = values;
    const report = await chaos({ seed, minutes, faults, log, ...(output === undefined ? {} : { output }) });
    console.log(`\n${describeReport(report)}`);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
    process.exitCode = report.ok ? 0 : 1;
  } catch (error) {
    console.error(`chaos: ${error instanceof Error ? error.message : String(error)}`);
    console.error(`To repeat it: ${repeatWith(seed, minutes, faults)}`);
    process.exitCode = 1;
  }
}
