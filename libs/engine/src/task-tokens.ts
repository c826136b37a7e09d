import { treeLength } from '@solopo/lm';
import type { TaskName, Tasks } from './tasks.ts';

const COUNTS: { readonly [K in TaskName]: (input: Tasks[K]['input'], output: Tasks[K]['output']) => number } = {
  fingerprint: () => 0,
  sample: ({ prompts }, { samples }) =>
    sum(prompts.slice(0, samples.length).map(({ tokens }) => tokens.length)) +
    sum(samples.flat().map(({ tokens }) => tokens.length)),
  score: (_, { tokens }) => tokens,
  measure: ({ trees, from = 0 }, { length }) => sum(trees.slice(from, from + length).map(treeLength)),
  inspect: ({ rows }) => sum(rows.map(({ prompt, response }) => prompt.length + response.length)),
  trainSlice: (_, { steps }) => sum(steps.map(({ policyTokens }) => policyTokens)),
};

/** Tokens that the policy or the reference ran or drew, padding not counted. */
export function tokensOf<K extends TaskName>(task: K, input: Tasks[K]['input'], output: Tasks[K]['output']): number {
  return COUNTS[task](input, output);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
