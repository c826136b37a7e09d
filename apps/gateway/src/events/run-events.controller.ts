import { Controller, Get, Headers, Inject, Param, Query, Req, Res } from '@nestjs/common';
import { eventSchema, sequencedEventSchema, type RecentEvent } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { CONFIG, parse } from '@solopo/platform';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { GatewayConfig } from '../gateway.config.ts';
import { Valid, validName } from '../http/valid.pipe.ts';
import { Operation } from '../openapi/operation.decorator.ts';
import { eventIdSchema, placeOfEvent } from './event-id.ts';
import type { EventStart } from './event-log.ts';
import { streamEvents } from './event-stream.ts';
import { OpenStreams } from './open-streams.service.ts';
import { RunEvents } from './run-events.service.ts';

const headers = {
  'Last-Event-ID': eventIdSchema.describe(
    'Only events later than this one. Where the stream that it is of was lost, an event of the type `restarted` comes first: read again what the ledger says',
  ),
};

const querySchema = z.strictObject({
  from: z.enum(['start', 'now']).default('start').describe('`now` spares a client what it has read as history'),
  access_token: z.string().optional().describe('For browsers, whose EventSource sends no Authorization header'),
});

const recentQuerySchema = z.strictObject({
  run: z.string().min(1).max(200).optional(),
  type: eventSchema.shape.type.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});

type EventsQuery = z.infer<typeof querySchema>;

@Controller('v1')
export class RunEventsController {
  constructor(
    @Inject(RunEvents) private readonly events: RunEvents,
    @Inject(OpenStreams) private readonly streams: OpenStreams,
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  @Get('runs/:id/events')
  @Operation('streamEvents', {
    summary: 'What happens to a run, live: `data` is a RunEvent. Reconnecting clients miss nothing',
    scope: 'read',
    answer: { type: 'text/event-stream', description: 'Server-sent events' },
    headers,
  })
  async ofRun(
    @Param('id', validName) id: string,
    @Query(new Valid(querySchema)) query: EventsQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const start = startOf(query, lastEventId);
    await this.ledger.runs.require(id);
    await this.#stream({ ...start, run: id }, request, response);
  }

  @Get('events')
  @Operation('streamAllEvents', {
    summary: 'What happens to all runs, live',
    scope: 'read',
    answer: { type: 'text/event-stream', description: 'Server-sent events' },
    headers,
  })
  async ofAll(
    @Query(new Valid(querySchema)) query: EventsQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await this.#stream(startOf(query, lastEventId), request, response);
  }

  @Get('events/recent')
  @Operation('listRecentEvents', {
    summary: 'What happened lately, latest first; at most a day is kept',
    scope: 'read',
    answer: z.array(sequencedEventSchema),
  })
  recent(
    @Query(new Valid(recentQuerySchema)) { run, type, limit }: z.infer<typeof recentQuerySchema>,
  ): readonly RecentEvent[] {
    return this.events
      .recent(limit, (event) => (run === undefined || event.run === run) && (type === undefined || event.type === type))
      .map(({ sequence, event }) => ({ id: sequence, ...event }));
  }

  async #stream(start: EventStart, request: Request, response: Response): Promise<void> {
    const signal = this.streams.open(request, response);
    await streamEvents(this.events.read(start, signal), response, signal, this.config);
  }
}

/** Who comes back goes on where it was. */
function startOf({ from }: EventsQuery, lastEventId: string | undefined): EventStart {
  const id = parse(eventIdSchema.optional(), lastEventId);
  return { from, after: id === undefined ? undefined : placeOfEvent(id) };
}
