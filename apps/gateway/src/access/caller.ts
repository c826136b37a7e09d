import type { Request } from 'express';

/** Who asks: whose token it is, or from where where none is asked for. */
export interface Caller {
  readonly key: string;
  /** Of a token that may be revoked. */
  readonly tokenHash?: Buffer;
}

const callers = new WeakMap<Request, Caller>();

export function noteCaller(request: Request, caller: Caller): void {
  callers.set(request, caller);
}

export function callerOf(request: Request): Caller {
  return callers.get(request) ?? { key: request.socket.remoteAddress ?? 'unknown' };
}
