// npm run bench -- NAME [--quick] [--threads N] [--json FILE]
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { block } from './block.mjs';
import { coldstart } from './coldstart.mjs';

const BENCHES = { block, coldstart };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    threads: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const [name = 'all'] = positionals;
const chosen = name === 'all' ? Object.keys(BENCHES) : [name];
const unknown = chosen.find((each) => !(each in BENCHES));
if (unknown) {
  console.error(`there is no bench "${unknown}"; choose ${Object.keys(BENCHES).join(', ')} or all`);
  process.exit(2);
}

const require = createRequire(import.meta.url);
const threads = Number(values.threads);
const reports = [];
for (const bench of chosen) {
  const figures = await BENCHES[bench]({ quick: values.quick, threads });
  for (const { name: figure, value, unit, goal, reached } of figures) {
    const verdict = goal === null ? '' : `  goal ${goal}: ${reached ? 'reached' : 'NOT REACHED'}`;
    console.log(`${bench}  ${figure.padEnd(44)} ${String(value).padStart(9)} ${unit}${verdict}`);
  }
  reports.push({
    bench,
    hardware: {
      cpu: cpus()[0].model.trim(),
      cores: cpus().length,
      threads,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      arch: arch(),
    },
    versions: { node: process.version, onnxruntime: require('onnxruntime-node/package.json').version },
    figures,
  });
}
if (values.json)
  writeFileSync(values.json, `${JSON.stringify(reports.length === 1 ? reports[0] : reports, null, 2)}\n`);
