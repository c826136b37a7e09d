/** The 97.5th percentile of the standard normal distribution. */
const Z = 1.959963984540054;

/** Wilson's 95 % interval of a proportion: (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n) */
export function wilson(correct, n) {
  const p = correct / n;
  const centre = p + Z ** 2 / (2 * n);
  const half = Z * Math.sqrt((p * (1 - p)) / n + Z ** 2 / (4 * n * n));
  const scale = 1 + Z ** 2 / n;
  return {
    mean: p,
    low: correct === 0 ? 0 : (centre - half) / scale,
    high: correct === n ? 1 : (centre + half) / scale,
  };
}

/**
 * After minus before on the same questions, with the 95 % interval of Bonett & Price (2012): b and c are the questions
 * on which only one is right; p = (b + 1)/(n + 2), q = (c + 1)/(n + 2), p - q ± z √((p + q - (p - q)²)/(n + 2)).
 */
export function pairedDifference(after, before) {
  const n = after.length;
  if (n === 0 || before.length !== n) return null;
  let [b, c] = [0, 0];
  for (let i = 0; i < n; i++) {
    if (after[i] === before[i]) continue;
    if (after[i] === '1') b += 1;
    else c += 1;
  }
  const [p, q] = [(b + 1) / (n + 2), (c + 1) / (n + 2)];
  const half = Z * Math.sqrt((p + q - (p - q) ** 2) / (n + 2));
  const [low, high] = [Math.max(-1, p - q - half), Math.min(1, p - q + half)];
  return { difference: (b - c) / n, low, high, separated: low > 0 || high < 0 };
}

/** One row a context length: the base model and the last policy version, with the difference where both are there. */
export function accuracyByLength(evaluations) {
  const rows = [...Map.groupBy(evaluations, ({ documents }) => documents)].sort(([a], [b]) => a - b);
  return rows.map(([documents, views]) => {
    const base = views.find(({ step }) => step === 'base');
    const policy = views.filter(({ step }) => step !== 'base').sort((a, b) => b.step - a.step)[0];
    const { tokens, n } = views[0];
    return {
      documents,
      n,
      tokens: n === 0 ? null : Math.round(tokens / n),
      base: intervalOf(base),
      policy: intervalOf(policy),
      difference: base && policy ? pairedDifference(policy.outcomes, base.outcomes) : null,
    };
  });
}

/** The same from a run's stages alone, without intervals: `evaluate base 16` and `evaluate 125 16`. */
export function accuracyOfStages(stages) {
  const lengths = new Map();
  for (const { kind, label, state, result } of stages) {
    if (kind !== 'evaluate' || state !== 'done' || !result?.asked) continue;
    const [, policy, documents] = label.split(' ');
    const row = lengths.get(Number(documents)) ?? {};
    lengths.set(Number(documents), { ...row, [policy === 'base' ? 'base' : 'policy']: result.correct / result.asked });
  }
  return [...lengths].sort(([a], [b]) => a - b).map(([documents, row]) => ({ documents, ...row }));
}

const intervalOf = (view) => (view === undefined || view.n === 0 ? null : wilson(view.correct, view.n));
