import { expect, it } from 'vitest';
import { newRunId } from './run-id.ts';

it('sorts by time and never comes twice', () => {
  const times = [0, 31, 32, 1_700_000_000_000, 1_700_000_000_001, 4_000_000_000_000];
  const ids = times.map((time) => newRunId(time));
  expect([...ids].reverse().sort()).toEqual(ids);
  expect(new Set(Array.from({ length: 1000 }, () => newRunId(5))).size).toBe(1000);
  for (const id of ids) expect(id).toMatch(/^run_[0-9a-hjkmnp-tv-z]{20}$/);
});
