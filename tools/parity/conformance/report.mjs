import { FAILURES, OUTCOMES } from './compare.mjs';

const DETAILS = 4;

export function failed(results) {
  return results.some(({ outcome }) => FAILURES.has(outcome));
}

/** Counts by kind, then what differs, one after another. */
export function printReport({ kinds, results, versions, unneeded }) {
  for (const { kind, name, outcome, message, details, folder } of results.filter((each) =>
    FAILURES.has(each.outcome),
  )) {
    console.log(`\n${outcome}: ${kind}/${name}\n  ${folder}`);
    for (const line of (details ?? [message]).slice(0, DETAILS)) console.log(`  ${line}`);
    if (details?.length > DETAILS) console.log(`  and ${details.length - DETAILS} more`);
  }
  if (unneeded.length > 0)
    console.log(
      `\nequal, so that expected-refusals.json need not name them: ${unneeded.map(({ kind, name }) => `${kind}/${name}`).join('; ')}`,
    );
  const row = (cells) => console.log(`| ${cells.join(' | ')} |`);
  console.log();
  row(['kind', 'items', ...OUTCOMES, 'greatest difference']);
  row(Array(OUTCOMES.length + 3).fill('---'));
  for (const kind of kinds) {
    const own = results.filter((result) => result.kind === kind);
    if (own.length === 0) continue;
    const worst = Math.max(...own.filter(({ outcome }) => outcome === 'equal').map(({ difference }) => difference));
    const counts = OUTCOMES.map((name) => own.filter(({ outcome }) => outcome === name).length);
    row([kind, own.length, ...counts, worst > 0 ? worst.toExponential(1) : '']);
  }
  const known = Object.entries(versions ?? {}).map(([library, version]) => `${library} ${version ?? 'missing'}`);
  console.log(`\n${known.join(', ')}`);
}
