// A batch of cases as a check of fast-check's: a fault that was not seen before ends it and is shrunk; then all goes on.
import fc from 'fast-check';
import { faultOf, signatureOf } from './faults.mjs';

/**
 * @param batch `kind`, `seed`, `cases`; `path` of one case
 * @param run what is done with a case; what it returns is the outcome, in a word
 * @param known signatures of faults that were told
 * @param begin is told of each case
 */
export async function checkBatch(
  { kind, seed, cases, path, endOnFailure = false },
  arbitrary,
  run,
  known,
  begin = () => undefined,
) {
  const faults = [];
  const started = performance.now();
  for (;;) {
    let begun = 0;
    let slowest = { ms: 0, seed, path: '0' };
    const outcomes = {};
    const property = fc.asyncProperty(arbitrary, async (input) => {
      begin(begun++);
      const asked = performance.now();
      try {
        count(outcomes, (await run(input)) ?? 'read');
      } catch (error) {
        const fault = faultOf(error);
        count(outcomes, fault === null ? [error.name, error.code].filter(Boolean).join(' ') : `FAULT ${fault.name}`);
        if (fault !== null && !known.has(`${kind} ${signatureOf(fault)}`)) throw error;
      } finally {
        const ms = performance.now() - asked;
        if (ms > slowest.ms) slowest = { ms, seed, path: String(begun - 1) };
      }
    });
    const result = await fc.check(property, {
      seed,
      endOnFailure,
      ...(path === undefined ? { numRuns: cases } : { path, numRuns: 1 }),
    });
    if (!result.failed)
      return { kind, cases: result.numRuns, outcomes, faults, slowest, seconds: (performance.now() - started) / 1000 };
    const fault = faultOf(result.errorInstance) ?? { name: 'Error', message: String(result.error), place: '' };
    known.add(`${kind} ${signatureOf(fault)}`);
    const [input] = result.counterexample ?? [];
    faults.push({ ...fault, seed: result.seed, path: result.counterexamplePath ?? '0', case: shown(input) });
  }
}

function count(outcomes, outcome) {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}

function shown(input) {
  const text = JSON.stringify(input, (_, value) =>
    value?.type === 'Buffer' && Array.isArray(value.data) ? Buffer.from(value.data).toString('latin1') : value,
  );
  return text === undefined || text.length <= 1500 ? text : `${text.slice(0, 1500)}...`;
}
