import type { PipeTransform } from '@nestjs/common';
import { UNSTORABLE, unstorableTexts, type ErrorCode } from '@solopo/contracts';
import { parse } from '@solopo/platform';
import { z } from 'zod';

/** What a request brings, as the schema sees it; refused with every path and reason. */
export class Valid<S extends z.ZodType> implements PipeTransform<unknown, z.output<S>> {
  readonly #schema: S;

  constructor(
    readonly schema: S,
    private readonly code: ErrorCode = 'input-invalid',
  ) {
    this.#schema = schema.superRefine((value, context) => {
      for (const path of unstorableTexts(value)) {
        context.addIssue({
          code: 'custom',
          path: [...path],
          message: UNSTORABLE,
        });
      }
    });
  }

  transform(value: unknown): z.output<S> {
    return parse(this.#schema, value, this.code);
  }
}

/** A name, digest or id in a path. */
export const validName = new Valid(z.string().min(1).max(200));
