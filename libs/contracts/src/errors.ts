/** What a consumer of jobs does with a failed job, and what a client of the public API sees. */
export const ERROR_CODES = {
  'input-invalid': { status: 400, job: 'dead-letter' },
  'config-invalid': { status: 422, job: 'dead-letter' },
  'not-found': { status: 404, job: 'dead-letter' },
  unauthorized: { status: 401, job: 'dead-letter' },
  forbidden: { status: 403, job: 'dead-letter' },
  conflict: { status: 409, job: 'dead-letter' },
  'model-invalid': { status: 422, job: 'dead-letter' },
  'dataset-invalid': { status: 422, job: 'dead-letter' },
  'loss-not-finite': { status: 500, job: 'dead-letter' },
  'device-missing': { status: 500, job: 'dead-letter' },
  'device-memory': { status: 500, job: 'dead-letter' },
  'engine-missing': { status: 500, job: 'dead-letter' },
  // Of the artifact store: no room on its disk or in its bucket, less in its cache than a job needs, not let in, other bytes than promised.
  'store-full': { status: 507, job: 'retry' },
  'cache-full': { status: 507, job: 'retry' },
  'store-refused': { status: 502, job: 'retry' },
  'artifact-damaged': { status: 500, job: 'retry' },
  'sampler-refused': { status: 502, job: 'dead-letter' },
  'sampler-mismatch': { status: 502, job: 'dead-letter' },
  'sampler-failed': { status: 503, job: 'retry' },
  'lease-lost': { status: 409, job: 'retry' },
  'not-ready': { status: 503, job: 'retry' },
  'queue-full': { status: 503, job: 'retry' },
  // Of streams that stay open: all that there may be are, or all of one client.
  'streams-full': { status: 503, job: 'retry' },
  'too-many-streams': { status: 429, job: 'retry' },
  timeout: { status: 504, job: 'retry' },
  'engine-failed': { status: 500, job: 'retry' },
  internal: { status: 500, job: 'retry' },
} as const satisfies Record<string, { status: number; job: 'retry' | 'dead-letter' }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Every error that crosses a boundary of the system. The message ends with what to do next. */
export class SolopoError extends Error {
  override readonly name = 'SolopoError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions & { readonly details?: Readonly<Record<string, unknown>> },
  ) {
    super(message, options);
    this.details = options?.details ?? {};
  }

  readonly details: Readonly<Record<string, unknown>>;

  get retryable(): boolean {
    return ERROR_CODES[this.code].job === 'retry';
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  static from(error: unknown): SolopoError {
    if (error instanceof SolopoError) return error;
    const { code } = (error ?? {}) as { code?: unknown };
    // Libraries that know nothing of this one give their errors a code of the table.
    if (error instanceof Error && typeof code === 'string' && code in ERROR_CODES) {
      return new SolopoError(code as ErrorCode, error.message, { cause: error });
    }
    return new SolopoError('internal', error instanceof Error ? error.message : String(error), { cause: error });
  }
}
