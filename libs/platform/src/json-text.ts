import { z } from 'zod';

/** A setting that is written as JSON: `jsonText('a list of pools').pipe(schema)`. */
export function jsonText(what: string): z.ZodPipe<z.ZodString, z.ZodTransform<unknown, string>> {
  return z.string().transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: 'custom', message: `must be ${what} as JSON` });
      return z.NEVER;
    }
  });
}
