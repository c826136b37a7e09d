import { Catch, type INestApplication, type RpcExceptionFilter } from '@nestjs/common';
import { Transport, type NatsOptions } from '@nestjs/microservices';
import { SolopoError } from '@solopo/contracts';
import { throwError, type Observable } from 'rxjs';
import { lasting, parseNatsUrl } from './connection.ts';
import { connectTransport } from './microservice.ts';

/** A question by `@MessagePattern('reward.score', Transport.NATS)`; replicas of a service share its queue group. */
export function rpcOptions(url: string, service: string): NatsOptions {
  return {
    transport: Transport.NATS,
    options: {
      ...parseNatsUrl(url),
      ...lasting(),
      name: `${service}-rpc`,
      queue: service,
      gracefulShutdown: true,
      gracePeriod: 500,
    },
  };
}

/** How an error travels in an answer. */
export interface RpcError {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

@Catch()
export class RpcErrorFilter implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    const { code, message, details } = SolopoError.from(error);
    return throwError((): RpcError => ({ code, message, details }));
  }
}

export function connectRpc(app: INestApplication, url: string, service: string): void {
  connectTransport(app, rpcOptions(url, service), new RpcErrorFilter());
}
