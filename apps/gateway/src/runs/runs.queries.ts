import { z } from 'zod';

const whole = z.coerce.number().int().min(0);
const limit = (standard: number, most: number) => z.coerce.number().int().min(1).max(most).default(standard);

export const listRunsQuerySchema = z.strictObject({ limit: limit(100, 1000) });

/** Steps later than `after`. */
export const listStepsQuerySchema = z.strictObject({ after: whole.default(0), limit: limit(10_000, 10_000) });

export const listPairsQuerySchema = z.strictObject({ offset: whole.default(0), limit: limit(100, 1000) });
