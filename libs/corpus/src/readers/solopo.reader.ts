import type { Example } from '@solopo/contracts';
import { exampleSchema } from '@solopo/contracts';
import type { z } from 'zod';

/** The project's own JSON lines: one example a line, as it is. */
export const solopoSchema = exampleSchema satisfies z.ZodType<Example>;

export function exampleLine(example: Example): string {
  return `${JSON.stringify(example)}\n`;
}
