import type { ExceptionFilter, INestApplication, RpcExceptionFilter } from '@nestjs/common';
import type { MicroserviceOptions, NestMicroservice } from '@nestjs/microservices';

/**
 * Connects a transport with an exception filter of its own. Nest would bind the handlers at once, before a filter can
 * be given, so that is deferred; the application has run the init hooks by then, and they must not run twice.
 */
export function connectTransport(
  app: INestApplication,
  options: MicroserviceOptions,
  filter: RpcExceptionFilter & ExceptionFilter,
): void {
  const microservice = app.connectMicroservice(options, { deferInitialization: true }) as unknown as NestMicroservice;
  microservice.setIsInitHookCalled(true);
  microservice.useGlobalFilters(filter);
}
