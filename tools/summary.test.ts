import { describe, expect, it } from 'vitest';
import { summarize } from './summary.mjs';

describe('the last lines of a test run', () => {
  it('sums checks and tests', () => {
    const { failed, lines } = summarize([
      { name: 'lint', state: 'passed' },
      { name: 'a', state: 'passed' },
      { name: 'b', state: 'failed' },
    ]);
    expect(failed).toBe(1);
    expect(lines).toEqual(['2 passed, 1 failed']);
  });

  it('says why a test was skipped, and fails a skip without a reason', () => {
    const { failed, lines } = summarize([
      { name: 'a', state: 'passed' },
      { name: 'gpu', state: 'skipped', note: 'needs a GPU' },
      { name: 'quiet', state: 'skipped' },
      { name: 'never ran', state: 'pending' },
    ]);
    expect(failed).toBe(2);
    expect(lines).toEqual([
      'skipped without a reason: quiet',
      'skipped: gpu: needs a GPU',
      '1 passed, 2 failed, 1 skipped',
    ]);
  });
});
