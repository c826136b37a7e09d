import { Global, Module, type DynamicModule, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { HealthController } from './health.controller.ts';
import { Health } from './health.service.ts';
import { HttpMetrics } from './http-metrics.middleware.ts';
import { HttpSpans } from './http-spans.middleware.ts';
import type { Logger } from './logger.ts';
import { Metrics } from './metrics.service.ts';
import { Resources } from './resources.service.ts';
import { CONFIG, LOGGER } from './tokens.ts';

export { CONFIG, LOGGER } from './tokens.ts';

/** What every service has: `/healthz`, `/readyz`, `/metrics`, its configuration and its logger. */
@Global()
@Module({})
export class PlatformModule implements NestModule {
  static forRoot(config: object, logger: Logger): DynamicModule {
    const shared = [Health, Metrics, Resources];
    return {
      module: PlatformModule,
      controllers: [HealthController],
      providers: [...shared, { provide: CONFIG, useValue: config }, { provide: LOGGER, useValue: logger }],
      exports: [...shared, CONFIG, LOGGER],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(HttpMetrics, HttpSpans).forRoutes('{*path}');
  }
}
