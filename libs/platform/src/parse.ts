import { SolopoError, type ErrorCode } from '@solopo/contracts';
import type { z } from 'zod';

export interface FieldError {
  /** `training.pairsPerStep`; empty for the whole value. */
  readonly path: string;
  readonly reason: string;
}

export function fieldErrors(error: z.ZodError): readonly FieldError[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map(String).join('.');
    if (issue.code !== 'unrecognized_keys') return [{ path, reason: issue.message }];
    return issue.keys.map((key) => ({ path: path === '' ? key : `${path}.${key}`, reason: 'is not a known key' }));
  });
}

/** The value as the schema sees it, or an error that names every path and reason. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, code: ErrorCode = 'input-invalid'): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalid(result.error, code);
}

export function invalid(error: z.ZodError, code: ErrorCode = 'input-invalid'): SolopoError {
  const errors = fieldErrors(error);
  const list = errors.map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`)).join('; ');
  return new SolopoError(code, `${list}. Correct this and send it again.`, { details: { errors }, cause: error });
}
