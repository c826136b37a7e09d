import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import { CONFIG, problem } from '@solopo/platform';
import type { NextFunction, Request, Response } from 'express';
import type { GatewayConfig } from '../gateway.config.ts';

/** In each window, of a body that is waited for. */
const LEAST_BYTES = 1024;

/** A body may be as large as it is, and take its time; one that drips holds a connection for nothing, and is cut off. */
@Injectable()
export class SlowBodies implements NestMiddleware {
  constructor(@Inject(CONFIG) private readonly config: GatewayConfig) {}

  use(request: Request, response: Response, next: NextFunction): void {
    const { headers, socket } = request;
    if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) return next();
    let before = socket.bytesRead;
    const timer = setInterval(() => {
      const bytes = socket.bytesRead - before;
      before = socket.bytesRead;
      // What has come and is not read yet waits for this process, not for the client.
      if (request.readableLength > 0 || (bytes >= LEAST_BYTES && !request.complete)) return;
      clearInterval(timer);
      if (!request.complete) this.#cut(request, response);
    }, this.config.slowBodyMs);
    request.once('close', () => clearInterval(timer));
    next();
  }

  #cut(request: Request, response: Response): void {
    if (response.headersSent) {
      request.destroy();
      return;
    }
    const seconds = this.config.slowBodyMs / 1000;
    const detail = `Of the body came less than ${LEAST_BYTES} bytes in ${seconds} s; send it again, over a faster connection.`;
    const told = { ...problem(408, detail), instance: request.originalUrl.replace(/\?.*/s, '') };
    // The connection ends with the answer, and with it what reads the body.
    response.set('connection', 'close').status(408).type('application/problem+json').send(JSON.stringify(told));
  }
}
