import { setTimeout as sleep } from 'node:timers/promises';
import { Body, Controller, Get, Inject, Module, Post, type BeforeApplicationShutdown } from '@nestjs/common';
import { SolopoError } from '@solopo/contracts';
import { z } from 'zod';
import { bootstrap } from './bootstrap.ts';
import { Health } from './health.service.ts';
import type { Logger } from './logger.ts';
import { parse } from './parse.ts';
import { Resources } from './resources.service.ts';
import { LOGGER } from './tokens.ts';

const bodySchema = z.strictObject({ training: z.strictObject({ steps: z.int().min(1) }) });

@Controller()
class FixtureController implements BeforeApplicationShutdown {
  constructor(
    @Inject(Health) health: Health,
    @Inject(Resources) resources: Resources,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    health.register('database', () => {
      if (this.broken) throw new Error('no connection to the database');
    });
    const closed: string[] = [];
    // Opened first, so closed last: by then all of the order is known, whatever order a busy pipe gives the lines.
    resources.defer('order', () => logger.info(`closed ${closed.join(', ')}`));
    resources.defer('database', () => void closed.push('database'));
    resources.defer('relay', () => {
      closed.push('relay');
      throw new Error('the relay broke off');
    });
  }

  private broken = false;

  beforeApplicationShutdown(): void {
    this.logger.info('before shutdown');
  }

  @Post('break')
  break(): void {
    this.broken = true;
  }

  @Get('slow')
  async slow(): Promise<string> {
    this.logger.info('slow begins');
    await sleep(400);
    return 'slow but whole';
  }

  @Get('full')
  full(): never {
    throw new SolopoError('queue-full', 'The queue is full; try again in a moment.');
  }

  @Get('crash')
  crash(): never {
    throw new TypeError('a secret detail');
  }

  @Get('things/:id')
  thing(): string {
    return 'a thing';
  }

  @Post('runs')
  create(@Body() body: unknown): unknown {
    return parse(bodySchema, body, 'config-invalid');
  }
}

@Module({ controllers: [FixtureController] })
export class FixtureModule {}

export const FIXTURE_CONFIG = { httpHost: '127.0.0.1', httpPort: 0, logLevel: 'info' } as const;

if (process.argv[2] === 'run') await bootstrap({ name: 'fixture', module: FixtureModule, config: FIXTURE_CONFIG });
