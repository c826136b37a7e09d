/** A report as lines of text: the cases of each kind and what came of them, then each fault with how to have it again. */
export function tell({ seed, seconds, kinds }) {
  const cases = kinds.reduce((sum, kind) => sum + kind.cases, 0);
  const faults = kinds.flatMap((kind) => kind.faults.map((fault) => ({ kind: kind.kind, ...fault })));
  return [
    ...kinds.flatMap(lines),
    ...faults.flatMap(({ kind, name, message, place, seed: own, path, case: input }) => [
      `FAULT  ${kind}: ${name}: ${message.slice(0, 400)}${place ? ` at ${place}` : ''}`,
      ...(path === undefined ? [] : [`       npm run fuzz -- --only ${kind} --seed=${own} --path ${path}`]),
      ...(input === undefined ? [] : [`       ${input.slice(0, 400)}`]),
    ]),
    `${cases} cases with seed ${seed} in ${seconds.toFixed(0)} s: ${faults.length === 0 ? 'no fault' : `${faults.length} faults`}`,
  ];
}

function lines({ kind, cases, outcomes, slowest, growthBytes, rssBytes, seconds }) {
  const sorted = Object.entries(outcomes).sort(([, a], [, b]) => b - a);
  const memory = `${megabytes(rssBytes)} resident${growthBytes === null ? '' : `, ${megabytes(growthBytes)} more in 10,000 cases`}`;
  const slow =
    slowest.path === undefined
      ? ''
      : `, slowest ${slowest.ms.toFixed(0)} ms (--seed=${slowest.seed} --path ${slowest.path})`;
  return [
    `${kind.padEnd(18)} ${String(cases).padStart(6)} cases  ${seconds.toFixed(0).padStart(4)} s  ${memory}${slow}`,
    `  ${sorted.map(([outcome, number]) => `${outcome}: ${number}`).join(', ')}`,
  ];
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
