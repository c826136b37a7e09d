// npm run fuzz -- [--cases N] [--seed N] [--only KIND,...] [--path PATH] [--json FILE]: bad input for all that takes input of others.
// A fault is told with its seed and path: --only KIND --seed SEED --path PATH runs that case alone.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runReaders } from './readers-run.mjs';
import { SHARES } from './shares.mjs';
import { tell } from './tell.mjs';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    path: { type: 'string' },
    json: { type: 'string' },
    limit: { type: 'string' },
  },
});
const seed = Number(values.seed);
const chosen = values.only?.split(',') ?? Object.keys(SHARES);
const unknown = chosen.find((kind) => !(kind in SHARES) && !kind.startsWith('planted-'));
if (unknown !== undefined || !Number.isSafeInteger(seed)) {
  console.error(
    `there is no kind "${unknown}"; choose of ${Object.keys(SHARES).join(', ')}, and a whole number as seed`,
  );
  process.exit(2);
}

const sum = chosen.reduce((total, kind) => total + (SHARES[kind] ?? 1), 0);
const wanted = chosen.map((kind) =>
  values.path === undefined
    ? { kind, cases: Math.max(1, Math.round((Number(values.cases) * (SHARES[kind] ?? 1)) / sum)) }
    : { kind, seed, path: values.path },
);
const began = performance.now();
const reports = await runReaders(
  wanted.filter(({ kind }) => kind !== 'routes' && kind !== 'messages'),
  { seed, limitMs: values.limit === undefined ? undefined : Number(values.limit) },
);
const served = wanted.filter(({ kind }) => kind === 'routes' || kind === 'messages');
if (served.length > 0) {
  // The servers, and what the gateway is made of, are for these alone.
  const { FuzzedSystem } = await import('./system.mjs');
  const fuzzed = await FuzzedSystem.start();
  try {
    for (const each of served) {
      const run =
        each.kind === 'routes'
          ? (await import('./routes.mjs')).runRoutes
          : (await import('./messages.mjs')).runMessages;
      reports.push(await run(fuzzed, each, { seed }));
    }
  } finally {
    await fuzzed.close();
  }
}
const report = { seed, seconds: (performance.now() - began) / 1000, kinds: reports };
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
for (const line of tell(report)) console.log(line);
process.exit(reports.some(({ faults }) => faults.length > 0) ? 1 : 0);
