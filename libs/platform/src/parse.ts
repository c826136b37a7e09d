import { SolopoError, type ErrorCode } from '@solopo/contracts';
import type { z } from 'zod';

const MAX_LENGTH = 1000;

export interface FieldError {
  /** `training.pairsPerStep`; empty for the whole value. */
  readonly path: string;
  readonly reason: string;
}

export function fieldErrors(error: z.ZodError): readonly FieldError[] {
  return error.issues.flatMap((issue) => {
    const path = short(issue.path.map(String).join('.'));
    if (issue.code !== 'unrecognized_keys') return [{ path, reason: short(issue.message) }];
    return issue.keys.map((key) => ({
      path: short(path === '' ? key : `${path}.${key}`),
      reason: 'is not a known key',
    }));
  });
}

/** An answer does not send back what somebody called a key, however long that is. */
function short(text: string): string {
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH).toWellFormed()}...`;
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
