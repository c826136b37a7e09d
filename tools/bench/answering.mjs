// This engine as a side of the bench `answers`: node tools/bench/answering.mjs OPTIONS-AS-JSON
import { inBatches, LanguageModel, Runtime, sample } from '@solopo/lm';
import { answerInBatch } from '../../libs/lm/dist/fixed-batch.js';
import { answerRounds } from './rounds.mjs';

/** Tokens of a fixed batch, as a worker's `batchTokens` has it. */
const BATCH_TOKENS = 8192;

const { folder, weights, fixed, threads, samples, newTokens, temperature } = JSON.parse(process.argv[2]);
const lm = LanguageModel.fromFolder(folder, new Runtime({ threads }), { frozen: true, samplingWeights: weights });
const options = {
  samplesPerPrompt: samples,
  temperature,
  topP: 1,
  maxNewTokens: newTokens,
  eosIds: [],
  seed: 1,
};

async function answer(prompts) {
  if (!fixed) return sample(lm, prompts, options);
  const answers = [];
  await inBatches(
    prompts,
    ({ tokens }) => tokens.length + samples * newTokens,
    BATCH_TOKENS,
    async (group) => void answers.push(...(await answerInBatch(lm, group, options))),
  );
  return answers;
}

await answerRounds(({ prompts }) => {
  const keyed = prompts.map((tokens, i) => ({ tokens: Int32Array.from(tokens), key: [i, 0] }));
  return {
    work: async () => {
      const drawn = (await answer(keyed)).flat().reduce((sum, { tokens }) => sum + tokens.length, 0);
      if (drawn !== prompts.length * samples * newTokens) throw new Error(`only ${drawn} tokens were drawn`);
    },
  };
});
