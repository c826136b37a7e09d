import type { StageResult } from '@solopo/pipeline';

/** Adds counts, also those in nested records; of anything else the later value stays. */
export function addUp(sum: StageResult, next: StageResult): StageResult {
  const merged: Record<string, unknown> = { ...sum };
  for (const [key, value] of Object.entries(next)) {
    const before = merged[key];
    if (typeof before === 'number' && typeof value === 'number') merged[key] = before + value;
    else if (isRecord(before) && isRecord(value)) merged[key] = addUp(before, value);
    else merged[key] = value;
  }
  return merged;
}

function isRecord(value: unknown): value is StageResult {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
