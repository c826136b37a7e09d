import { format } from 'node:util';
import type { LoggerService } from '@nestjs/common';
import { traceIds } from '@solopo/tracing';
import { pino, type DestinationStream, type Logger } from 'pino';

export type { Logger } from 'pino';

const SECRETS = ['password', 'token', 'secret', 'authorization', 'cookie'];

/** One JSON line an event on stdout, with the ids of the trace that it is part of; secrets by name, and credentials in URLs, never reach it. */
export function createLogger(service: string, level = 'info', destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service },
    mixin: () => traceIds() ?? {},
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.errWithCause, err: pino.stdSerializers.errWithCause },
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    hooks: { streamWrite: (line: string) => line.replace(/(\w:\/\/)[^\s/@"\\]+@/g, '$1[redacted]@') },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** How Nest came up is of interest only to its debugger. */
const CHATTER = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestMicroservice',
  'NestApplication',
]);

/** Lets Nest, and everything that uses Nest's `Logger`, write to pino. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    const { context } = split(rest);
    this.#write(context !== undefined && CHATTER.has(context) ? 'debug' : 'info', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.#write('fatal', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.#write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.#write('trace', message, rest);
  }

  #write(
    level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace',
    message: unknown,
    rest: readonly unknown[],
  ): void {
    const { context, details } = split(rest);
    const fields: Record<string, unknown> = context === undefined ? {} : { context };
    let text = message instanceof Error ? message.message : undefined;
    for (const part of [message, ...details]) {
      if (part instanceof Error) fields['error'] = part;
      else if (typeof part === 'object') Object.assign(fields, part);
      else if (text === undefined) text = format(part);
      else if (part !== undefined) fields['stack'] = part;
    }
    if (text === undefined) this.logger[level](fields);
    else this.logger[level](fields, text);
  }
}

/** Nest appends the context to what it logs; an error's stack comes before it. */
function split(rest: readonly unknown[]): { context: string | undefined; details: readonly unknown[] } {
  const last = rest.at(-1);
  if (typeof last === 'string' && !last.includes('\n')) return { context: last, details: rest.slice(0, -1) };
  return { context: undefined, details: rest };
}
