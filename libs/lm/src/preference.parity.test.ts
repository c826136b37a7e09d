import { afterAll, describe, expect, test } from 'vitest';
import { Runtime } from './index.ts';
import { caseDifferences, curveDifferences } from './testing/pair-differences.fixture.ts';
import { CURVES, PAIR_CASES } from './testing/reference-pairs.fixture.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

function demandMetrics(differences: Readonly<Record<string, number>>): void {
  for (const [name, difference] of Object.entries(differences)) expect(difference, name).toBeLessThan(1e-4);
}

describe.each(Object.keys(PAIR_CASES))('%s', (name) => {
  test.each(['full', 'lora'] as const)(
    'loss, rewards and every gradient are those of PyTorch, PEFT and TRL: %s',
    async (trained) => {
      const { metrics, gradients } = await caseDifferences(runtime, name, trained);
      expect(Object.keys(metrics)).toContain('loss');
      demandMetrics(metrics);
      expect(gradients).toBeLessThan(1e-3);
    },
  );
});

describe.each(Object.keys(CURVES))('%s', (name) => {
  test("ten steps are PyTorch's ten steps", async () => {
    const { metrics, weights, losses } = await curveDifferences(runtime, name);
    demandMetrics(metrics);
    expect(weights).toBeLessThan(1e-4);
    // It is a curve: the weights do move, and the schedule with them.
    expect(losses).toHaveLength(10);
    expect(metrics).toHaveProperty('learning_rate');
  });
});
