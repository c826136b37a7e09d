import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { SolopoError } from '@solopo/contracts';
import type { Request, Response } from 'express';
import { ZodError } from 'zod';
import type { Logger } from './logger.ts';
import { isDatabaseFull, isOutage } from './outage.ts';
import { invalid } from './parse.ts';

/** RFC 9457. `code` is stable; `errors` lists paths and reasons of a refused body. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
}

const RETRY_AFTER_S = 5;
const ASK_AGAIN = new Set([429, 503]);

/** Every error of the HTTP side leaves as `application/problem+json`. What was not foreseen is logged under an id and told by it. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    const told = { ...this.#describe(error), instance: request.originalUrl.replace(/\?.*/s, '') };
    if (response.headersSent) {
      this.logger.warn({ error, path: request.path }, 'a response broke off');
      response.destroy();
      return;
    }
    if (ASK_AGAIN.has(told.status)) response.setHeader('retry-after', RETRY_AFTER_S);
    response.status(told.status).type('application/problem+json').send(JSON.stringify(told));
  }

  #describe(error: unknown): Omit<Problem, 'instance'> & Readonly<Record<string, unknown>> {
    if (error instanceof ZodError) return this.#describe(invalid(error));
    if (error instanceof SolopoError) {
      if (error.status >= 500) this.logger.error({ error }, error.message);
      return { ...basics(error.status, error.code, error.message), ...error.details };
    }
    if (error instanceof HttpException)
      return basics(error.getStatus(), codeOf(error.getStatus()), `${error.message}. Look at the API's description.`);
    if (isClientError(error))
      return basics(error.status, codeOf(error.status), `${error.message}. Correct the request.`);

    if (isDatabaseFull(error)) {
      this.logger.error({ error }, 'the disk of the database is full');
      return basics(507, 'store-full', 'The disk of the database is full; make room on it, then try again.');
    }
    if (isOutage(error)) {
      this.logger.error({ error }, 'what a request needs is away');
      return basics(
        503,
        'not-ready',
        'The database, or something else that this needs, does not answer; try again in a moment.',
      );
    }
    const id = randomUUID();
    this.logger.error({ error, errorId: id }, 'unforeseen error');
    return {
      ...basics(500, 'internal', `Something unforeseen went wrong; look for ${id} in the log of the service.`),
      errorId: id,
    };
  }
}

/** A problem for those who answer a request outside of its handler. */
export function problem(status: number, detail: string): Omit<Problem, 'instance'> {
  return basics(status, codeOf(status), detail);
}

function basics(status: number, code: string, detail: string): Omit<Problem, 'instance'> {
  return { type: `urn:solopo:problem:${code}`, title: STATUS_CODES[status] ?? 'Error', status, detail, code };
}

function codeOf(status: number): string {
  return (STATUS_CODES[status] ?? 'error').toLowerCase().replace(/[^a-z]+/g, '-');
}

/** As the body parsers throw them: too large, malformed JSON. */
function isClientError(error: unknown): error is Error & { status: number } {
  return (
    error instanceof Error &&
    'status' in error &&
    typeof error.status === 'number' &&
    error.status >= 400 &&
    error.status < 500
  );
}
