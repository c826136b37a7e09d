import { ClientNats } from '@nestjs/microservices';
import { ERROR_CODES, SolopoError, type ErrorCode } from '@solopo/contracts';
import { lastValueFrom, timeout, TimeoutError } from 'rxjs';
import { lasting, parseNatsUrl } from './connection.ts';
import type { RpcError } from './rpc.ts';

/** Asks other services questions that need an answer now. Connects at the first one. */
export class RpcClient {
  readonly #client: ClientNats;

  constructor(url: string, service: string, { pingMs }: { readonly pingMs?: number } = {}) {
    this.#client = new ClientNats({ ...parseNatsUrl(url), ...lasting(pingMs), name: `${service}-rpc-client` });
  }

  /** The answer, which the caller still has to parse. Nobody there: `not-ready`; no answer in time: `timeout`. */
  async call(pattern: string, question: unknown, limitMs: number): Promise<unknown> {
    try {
      return await lastValueFrom(this.#client.send<unknown>(pattern, question).pipe(timeout(limitMs)));
    } catch (error) {
      throw translate(error, pattern, limitMs);
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

function translate(error: unknown, pattern: string, limitMs: number): SolopoError {
  if (error instanceof TimeoutError) {
    return new SolopoError('timeout', `${pattern} gave no answer in ${limitMs / 1000} s; try again with less.`, {
      cause: error,
    });
  }
  if (isRpcError(error)) return new SolopoError(error.code, error.message, { details: error.details });
  return new SolopoError('not-ready', `Nobody answers ${pattern}; start its service, then try again.`, {
    cause: error,
  });
}

function isRpcError(error: unknown): error is RpcError & { readonly code: ErrorCode } {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    String(error.code) in ERROR_CODES &&
    'message' in error
  );
}
