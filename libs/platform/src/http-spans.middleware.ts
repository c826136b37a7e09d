import { Injectable, type NestMiddleware } from '@nestjs/common';
import { openSpan, SpanKind } from '@solopo/tracing';
import type { NextFunction, Request, Response } from 'express';

/** What a probe or a scrape asks again and again is no trace. */
const UNTOLD = new Set(['/healthz', '/readyz', '/metrics']);

/** A request is a span; it goes on with the trace of a client that sends a `traceparent`. */
@Injectable()
export class HttpSpans implements NestMiddleware {
  use(request: Request, response: Response, next: NextFunction): void {
    // Without its query, which may hold a token.
    const path = request.originalUrl.replace(/\?.*/s, '');
    if (UNTOLD.has(path)) return next();
    const { span, enter } = openSpan(request.method, {
      kind: SpanKind.SERVER,
      attributes: { 'http.request.method': request.method, 'url.path': path },
      parent: request.get('traceparent'),
    });
    response.once('close', () => {
      const route = (request.route as { path?: string } | undefined)?.path ?? 'none';
      span.updateName(`${request.method} ${route}`);
      span.setAttributes({ 'http.route': route, 'http.response.status_code': response.statusCode });
      span.end();
    });
    enter(next);
  }
}
