/** How often each reason was given, as `refused/REASON`, with their total. */
export function countRefusals(reasons: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = { refused: reasons.length };
  for (const reason of reasons) counts[`refused/${reason}`] = (counts[`refused/${reason}`] ?? 0) + 1;
  return counts;
}
