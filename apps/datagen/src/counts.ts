/** How often each reason was given, as `refused/REASON`, with their total. */
export function countRefusals(reasons: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = { refused: reasons.length };
  for (const reason of reasons) counts[`refused/${reason}`] = (counts[`refused/${reason}`] ?? 0) + 1;
  return counts;
}

/** Which engine drew how many answers, and of how many matrices its format could not hold some. */
export function sampledBy(
  engine: string,
  answers: number,
  exactWeights: number,
): { readonly engines: Readonly<Record<string, number>>; readonly exactWeights?: Readonly<Record<string, number>> } {
  return {
    engines: { [engine]: answers },
    ...(exactWeights === 0 ? {} : { exactWeights: { [exactWeights]: answers } }),
  };
}
