import { describe, expect, it } from 'vitest';
import { createLogger, NestLogger } from './logger.ts';

function capture(level = 'info'): {
  logger: ReturnType<typeof createLogger>;
  lines: () => Record<string, unknown>[];
  raw: () => string;
} {
  const written: string[] = [];
  const logger = createLogger('reward', level, { write: (line) => void written.push(line) });
  return {
    logger,
    raw: () => written.join(''),
    lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

describe('logging', () => {
  it('writes one JSON line an event, with the service and the level by name', () => {
    const { logger, lines } = capture();
    logger.info({ run: 'r1' }, 'a step');
    expect(lines()).toEqual([
      { level: 'info', time: expect.stringMatching(/^\d{4}-/) as string, service: 'reward', run: 'r1', msg: 'a step' },
    ]);
  });

  it('lets no secret through: by name, nested, in a URL, in an error and its cause', () => {
    const { logger, raw } = capture();
    logger.info(
      { password: 'hunter2', headers: { authorization: 'hunter2' }, url: 'postgres://solopo:hunter2@db/x' },
      'at nats://u:hunter2@n:4222',
    );
    logger.error(
      { error: new Error('no answer from postgres://a:hunter2@db', { cause: new Error('https://b:hunter2@c/d') }) },
      'failed',
    );
    expect(raw()).toContain('postgres://[redacted]@db/x');
    expect(raw()).not.toContain('hunter2');
  });

  it('keeps contexts, objects and stacks of what Nest logs, and its start-up chatter out of sight', () => {
    const { logger, lines } = capture();
    const nest = new NestLogger(logger);
    nest.log('Mapped {/x, GET} route', 'RouterExplorer');
    nest.log({ run: 'r1', message: 'started' }, 'Trainer');
    nest.warn({ error: new Error('away') }, 'waiting for NATS', 'Relay');
    nest.error(new Error('broken'), 'Trainer');
    nest.error('broken too', 'Error: broken too\n    at x.ts:1', 'Trainer');
    expect(lines()).toMatchObject([
      { level: 'info', context: 'Trainer', run: 'r1', message: 'started' },
      { level: 'warn', context: 'Relay', msg: 'waiting for NATS', error: { message: 'away' } },
      { level: 'error', context: 'Trainer', msg: 'broken', error: { type: 'Error', message: 'broken' } },
      { level: 'error', context: 'Trainer', msg: 'broken too', stack: 'Error: broken too\n    at x.ts:1' },
    ]);
  });
});
