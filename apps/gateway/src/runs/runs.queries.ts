import { RUN_STATES } from '@solopo/contracts';
import { z } from 'zod';

const whole = z.coerce.number().int().min(0);
const limit = (standard: number, most: number) => z.coerce.number().int().min(1).max(most).default(standard);
const split = z.enum(['training', 'held-out']);

export const listRunsQuerySchema = z.strictObject({
  state: z.enum(RUN_STATES).optional(),
  before: z.string().min(1).max(200).optional().describe('The id of a run: only runs created before it'),
  limit: limit(100, 1000),
});

export const listStepsQuerySchema = z.strictObject({
  after: whole.default(0).describe('Only steps later than this one'),
  limit: limit(10_000, 10_000),
});

export const listPairsQuerySchema = z.strictObject({
  split: split.optional(),
  search: z.string().min(1).max(200).optional().describe('In the question and in both responses, whatever the case'),
  minLongTokens: whole.optional().describe('Of the long context'),
  maxLongTokens: whole.optional().describe('Of the long context'),
  offset: whole.default(0),
  limit: limit(100, 1000),
});

export const exportPairsQuerySchema = z.strictObject({
  format: z.enum(['trl', 'trl-tokens', 'trl-conversational', 'llama-factory']).default('trl'),
  split: split.default('training'),
  context: z.enum(['short', 'long']).default('short').describe('Whose prompts'),
});

export const policyQuerySchema = z.strictObject({
  step: z.coerce.number().int().min(1).optional().describe('Of an earlier policy version; the latest when absent'),
});

export const inspectionQuerySchema = z.strictObject({
  step: whole.optional().describe('Of a policy version, 0 for the base model; the latest when absent'),
});
