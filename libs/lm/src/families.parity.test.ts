import { afterAll, describe, expect, test } from 'vitest';
import { Runtime } from './index.ts';
import { familyDifferences } from './testing/family-differences.fixture.ts';
import { REFERENCE_MODELS } from './testing/reference-models.fixture.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

describe.each(Object.keys(REFERENCE_MODELS))('%s', (name) => {
  test.each(['none', 'all'] as const)(
    'is what transformers and PEFT give, and trains by their gradients; recomputed: %s',
    async (recompute) => {
      const differences = await familyDifferences(runtime, name, { recompute, queryChunk: 7 });
      expect(differences.logps).toBeLessThan(1e-4);
      expect(differences.sums).toBeLessThan(1e-4);
      expect(differences.means).toBeLessThan(1e-4);
      expect(differences.logits).toBeLessThan(1e-4);
      expect(differences.adaptedLogps).toBeLessThan(1e-4);
      expect(differences.gradients).toBeLessThan(1e-3);
      expect(differences.adaptedGradients).toBeLessThan(1e-3);
      expect(differences.sampled).toBe(true);
      expect(differences.sampledLogp).toBeLessThan(1e-4);
    },
  );
});
