import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { SCOPES, SolopoError, type Scope } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { CONFIG, demandLocal } from '@solopo/platform';
import type { Request, Response } from 'express';
import type { GatewayConfig } from '../gateway.config.ts';
import { operationOf, type OperationDescription } from '../openapi/operation.decorator.ts';
import { accessModeOf } from './access-mode.ts';
import { noteCaller } from './caller.ts';
import { hashOf } from './token.ts';

const NOT_FROM_HERE =
  'Without tokens this gateway answers only programs and pages of this machine; set SOLOPO_AUTH=required and send a token.';

/** What the token in the environment may do. */
const ADMIN: readonly Scope[] = ['admin'];

/** Asks for a token where the operation names a scope. Health, metrics and the dashboard's files are no operations. */
@Injectable()
export class AccessGuard implements CanActivate {
  readonly #adminHash: Buffer | undefined;

  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {
    this.#adminHash = config.adminToken === undefined ? undefined : hashOf(config.adminToken);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const [request, response] = [http.getRequest<Request>(), http.getResponse<Response>()];
    const mode = accessModeOf(this.config);
    if (mode === 'local') demandLocal(request.headers, NOT_FROM_HERE);
    const operation = operationOf(context.getHandler());
    const scope = scopeOf(operation, request);
    if (scope === null || mode !== 'required') return true;

    const token = tokenOf(request, operation);
    if (token === undefined)
      return refuse(
        response,
        '',
        'unauthorized',
        `Send a token that has the scope ${scope}: Authorization: Bearer TOKEN.`,
      );
    const scopes = await this.#scopesOf(token, request);
    if (scopes === null)
      return refuse(
        response,
        ', error="invalid_token"',
        'unauthorized',
        'This token is not valid any more, or never was; ask an administrator for another.',
      );
    if (!holds(scopes, scope))
      return refuse(
        response,
        `, error="insufficient_scope", scope="${scope}"`,
        'forbidden',
        `This token lacks the scope ${scope}; ask an administrator for one that has it.`,
      );
    return true;
  }

  async #scopesOf(token: string, request: Request): Promise<readonly Scope[] | null> {
    const hash = hashOf(token);
    const key = hash.toString('hex');
    if (this.#adminHash !== undefined && timingSafeEqual(hash, this.#adminHash)) {
      noteCaller(request, { key });
      return ADMIN;
    }
    const found = await this.ledger.tokens.use(hash);
    if (found === null) return null;
    noteCaller(request, { key, tokenHash: hash });
    return found.scopes;
  }
}

/** A route under /v1 that forgot to say whom it serves serves administrators. */
function scopeOf(operation: OperationDescription | undefined, { path }: Request): Scope | null {
  if (operation !== undefined) return operation.scope;
  return /^\/v1(\/|$)/i.test(path) ? 'admin' : null;
}

function holds(scopes: readonly Scope[], wanted: Scope): boolean {
  return scopes.some((scope) => SCOPES.indexOf(scope) >= SCOPES.indexOf(wanted));
}

/** From the header; from the query only for streams of events, which browsers ask for without headers of ours. */
function tokenOf({ headers, query }: Request, operation: OperationDescription | undefined): string | undefined {
  const [, bearer] = /^Bearer +([\w.~+/=-]+)$/i.exec(headers.authorization ?? '') ?? [];
  if (bearer !== undefined) return bearer;
  const { access_token: inQuery } = query;
  return isEventStream(operation) && typeof inQuery === 'string' ? inQuery : undefined;
}

function isEventStream(operation: OperationDescription | undefined): boolean {
  const { answer } = operation ?? {};
  return answer !== undefined && answer !== null && 'type' in answer && answer.type === 'text/event-stream';
}

function refuse(response: Response, challenge: string, code: 'unauthorized' | 'forbidden', message: string): never {
  response.setHeader('www-authenticate', `Bearer realm="solopo"${challenge}`);
  throw new SolopoError(code, message);
}
