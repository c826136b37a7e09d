import { Controller, Get, Headers, Inject, Param, Res } from '@nestjs/common';
import { Ledger } from '@solopo/ledger';
import { CONFIG, parse } from '@solopo/platform';
import type { Response } from 'express';
import { z } from 'zod';
import type { GatewayConfig } from '../gateway.config.ts';
import { validName } from '../http/valid.pipe.ts';
import { streamEvents } from './event-stream.ts';
import { RunEvents } from './run-events.service.ts';

const lastEventIdSchema = z.coerce
  .number({ error: 'Last-Event-ID must be the id of an event' })
  .int()
  .min(0)
  .default(0);

@Controller('v1/runs')
export class RunEventsController {
  constructor(
    @Inject(RunEvents) private readonly events: RunEvents,
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  @Get(':id/events')
  async stream(
    @Param('id', validName) id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() response: Response,
  ): Promise<void> {
    const after = parse(lastEventIdSchema, lastEventId);
    await this.ledger.runs.require(id);
    streamEvents(this.events.watch(id, after), response, this.config.heartbeatMs);
  }
}
