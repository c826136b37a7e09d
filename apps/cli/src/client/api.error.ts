export interface FieldProblem {
  readonly path: string;
  readonly reason: string;
}

/** `application/problem+json` (RFC 9457), as far as it is there. */
export interface Problem {
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  readonly errors?: readonly FieldProblem[];
}

/** The API said no. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: string;

  constructor(
    readonly request: string,
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(`${request}: ${explain(status, problem)}`);
    this.code = problem.code ?? 'unknown';
  }

  static async from(request: string, response: Response): Promise<ApiError> {
    const body = await response.text();
    return new ApiError(request, response.status, problemOf(body));
  }
}

/** Nothing answered. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** The request never left: nobody listens. */
  readonly unsent: boolean;

  constructor(base: string, cause: unknown) {
    super(
      `Nothing answers at ${base} (${reasonOf(cause)}); start the system with ./solopo up, or name another address with --api or SOLOPO_API.`,
      { cause },
    );
    this.unsent = reasonOf(cause) === 'ECONNREFUSED';
  }
}

/** Something answered that is no Solopo. */
export class StrangeAnswerError extends Error {
  override readonly name = 'StrangeAnswerError';

  constructor(base: string, request: string, cause: unknown) {
    super(`${request}: ${base} answered with no JSON; name the address of a Solopo gateway with --api or SOLOPO_API.`, {
      cause,
    });
  }
}

/** The detail, and below it each refused field that the detail leaves out. */
function explain(status: number, { title, detail, errors = [] }: Problem): string {
  const told = detail ?? title ?? `status ${status}`;
  const more = errors.filter(({ path, reason }) => !told.includes(path) || !told.includes(reason));
  const hint = status === 401 ? ['  Name a token with --token or SOLOPO_TOKEN.'] : [];
  return [told, ...more.map(({ path, reason }) => `  ${path === '' ? '' : `${path}: `}${reason}`), ...hint].join('\n');
}

function problemOf(body: string): Problem {
  try {
    const problem: unknown = JSON.parse(body);
    if (problem !== null && typeof problem === 'object') return problem;
  } catch {
    // Not JSON: shown as it is.
  }
  return body.trim() === '' ? {} : { detail: body.trim().slice(0, 300) };
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (cause instanceof Error) return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
  return String(cause);
}
