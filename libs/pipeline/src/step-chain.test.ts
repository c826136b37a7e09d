import type { StageSpecOf } from '@solopo/contracts';
import { expect, test } from 'vitest';
import { chainConfig, chainSteps, type ChainedStep } from './step-chain.ts';

const start = '0'.repeat(64);
const setting = { config: { beta: 0.1 }, engine: 'cpu' };
const steps: ChainedStep[] = [1, 2, 3].map((step) => ({
  step,
  pairDigests: [`pair-${step}`],
  reference: [{ shortChosen: -step }],
  metrics: { loss: 1 / step },
  ...(step === 3 ? { parameters: 'p'.repeat(64) } : {}),
}));
const headOf = (changed: readonly ChainedStep[], over = setting): string =>
  chainSteps(start, over, changed).at(-1)?.digest as string;

test('a chain made in slices ends where one made at once ends', () => {
  const whole = chainSteps(start, setting, steps);
  const first = chainSteps(start, setting, steps.slice(0, 1));
  expect([...first, ...chainSteps(first[0]?.digest as string, setting, steps.slice(1))]).toEqual(whole);
});

test.each([
  ['a pair', [{ ...steps[0]!, pairDigests: ['other'] }, ...steps.slice(1)]],
  ['a reference score', [{ ...steps[0]!, reference: [{ shortChosen: -1.0000001 }] }, ...steps.slice(1)]],
  ['a metric', [{ ...steps[0]!, metrics: { loss: 1.0000001 } }, ...steps.slice(1)]],
  ['the parameters', [...steps.slice(0, 2), { ...steps[2]!, parameters: 'q'.repeat(64) }]],
  ['the state of the optimiser', [...steps.slice(0, 2), { ...steps[2]!, optimizer: 'o'.repeat(64) }]],
  ['the order', [steps[1]!, steps[0]!, steps[2]!]],
])('another value of %s gives another head', (_, changed) => {
  expect(headOf(changed)).not.toBe(headOf(steps));
});

test('another configuration or engine gives another head', () => {
  expect(headOf(steps, { ...setting, config: { beta: 0.2 } })).not.toBe(headOf(steps));
  expect(headOf(steps, { ...setting, engine: 'gpu' })).not.toBe(headOf(steps));
});

test('the digests stay what they were in the first release', () => {
  expect(headOf(steps)).toBe('c7a9a89e9fde5e69e36e1bcffa8717201069847716712e76bd2b3b3f9efb6bb8');
});

test('the configuration in the chain leaves out which run it is', () => {
  const spec = { kind: 'train', run: 'run_1', pair: 'p', model: 'm', arm: 'solo', seed: 1 } as StageSpecOf<'train'>;
  expect(chainConfig(spec)).toEqual({ model: 'm', arm: 'solo', seed: 1 });
});
