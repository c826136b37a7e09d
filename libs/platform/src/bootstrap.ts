import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NestApplicationOptions, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { startTracing, type Tracing } from '@solopo/tracing';
import type { ServiceConfig } from './config.ts';
import { Health } from './health.service.ts';
import { createLogger, NestLogger, type Logger } from './logger.ts';
import { PlatformModule } from './platform.module.ts';
import { ProblemFilter } from './problem.filter.ts';

export interface ServiceOptions {
  /** As it appears in logs and as the queue group of its RPC. */
  readonly name: string;
  readonly module: Type;
  readonly config: Pick<ServiceConfig, 'httpHost' | 'httpPort' | 'logLevel'> &
    Partial<Pick<ServiceConfig, 'headersMs' | 'otlpUrl' | 'traceRatio'>>;
  /** Connects microservices and sets the HTTP side up, before anything is served. */
  readonly configure?: (app: NestExpressApplication) => Promise<void> | void;
  readonly nest?: NestApplicationOptions;
  readonly logger?: Logger;
}

export interface Service {
  readonly app: NestExpressApplication;
  readonly url: string;
  /** Not ready any more; HTTP and jobs come to rest; then the resources, last opened first. */
  close(): Promise<void>;
}

const HTTP_GRACE_MS = 3000;
/** For the headers of a request, where the configuration does not say, and for the whole of one. */
const HEADERS_MS = 15_000;
const REQUEST_MS = 60_000;
const STOP_LIMIT_MS = 60_000;

export async function startService(options: ServiceOptions): Promise<Service> {
  const { config, name, module } = options;
  const logger = options.logger ?? createLogger(name, config.logLevel);
  const tracing = await trace(options, logger);
  class RootModule {}
  const root = { module: RootModule, imports: [PlatformModule.forRoot(config, logger), module] };
  const app = await NestFactory.create<NestExpressApplication>(root, {
    abortOnError: false,
    ...options.nest,
    logger: new NestLogger(logger),
  });
  try {
    app.disable('x-powered-by');
    app.useGlobalFilters(new ProblemFilter(logger));
    limitRequests(app.getHttpServer(), config.headersMs);
    await options.configure?.(app);
    await app.init();
    await app.startAllMicroservices();
    await app.listen(config.httpPort, config.httpHost);
  } catch (error) {
    await app.close().catch((late: unknown) => logger.warn({ error: late }, 'closing after a failed start failed too'));
    await tracing?.stop();
    throw error;
  }
  const server = app.getHttpServer();
  const url = `http://${config.httpHost}:${(server.address() as AddressInfo).port}`;
  logger.info({ url, pid: process.pid }, 'ready');

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    app.get(Health).stop();
    const idle = setInterval(() => server.closeIdleConnections(), 50);
    const patience = setTimeout(() => server.closeAllConnections(), HTTP_GRACE_MS);
    try {
      await app.close();
      await tracing?.stop().catch((error: unknown) => logger.warn({ error }, 'the last spans are lost'));
    } finally {
      clearInterval(idle);
      clearTimeout(patience);
    }
    logger.info('stopped');
  };
  return { app, url, close: () => (closing ??= close()) };
}

/** Who sends a request byte by byte is cut off. */
function limitRequests(server: Server, headersMs = HEADERS_MS): void {
  server.headersTimeout = headersMs;
  server.requestTimeout = REQUEST_MS;
  // Nest takes no options for its server; the property is read when it begins to listen.
  Object.assign(server, { connectionsCheckingInterval: Math.ceil(headersMs / 4) });
}

async function trace({ name, config }: ServiceOptions, logger: Logger): Promise<Tracing | undefined> {
  const { otlpUrl, traceRatio: ratio = 1 } = config;
  if (otlpUrl === undefined) return undefined;
  const onError = (reason: string): void => logger.warn({ reason }, 'spans could not be exported');
  return startTracing({ service: name, otlpUrl, ratio, onError });
}

/** The whole life of a service process: start, serve, stop in order on SIGTERM or SIGINT. The second signal ends it at once. */
export async function bootstrap(options: ServiceOptions): Promise<void> {
  const logger = options.logger ?? createLogger(options.name, options.config.logLevel);
  const die = (error: unknown, message: string): never => {
    logger.fatal({ error }, message);
    process.exit(1);
  };
  process.on('uncaughtException', (error) => die(error, 'unforeseen error; the process ends'));

  const service = startService({ ...options, logger });
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, 'stopping');
    setTimeout(() => die(undefined, 'did not come to rest in time; the process ends'), STOP_LIMIT_MS).unref();
    service
      .then((running) => running.close())
      .then(
        () => process.exit(0),
        (error: unknown) => die(error, 'the shutdown failed'),
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  await service.catch((error: unknown) => die(error, 'the service could not start'));
}
