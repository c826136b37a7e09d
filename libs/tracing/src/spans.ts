import {
  context,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
} from '@opentelemetry/api';

export { SpanKind, type Attributes, type Span } from '@opentelemetry/api';

export interface SpanOptions {
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** W3C: what this span follows from. The active span when absent; a trace of its own without either. */
  readonly parent?: string | null | undefined;
}

const tracer = trace.getTracer('solopo');

/** Does the work inside of a span, which is the active one meanwhile. Without tracing, just does it. */
export async function withSpan<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T> {
  const { span, within } = open(name, options);
  try {
    return await context.with(within, () => work(span));
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** A span that its opener ends, for work that is called back. */
export function openSpan(
  name: string,
  options: SpanOptions,
): { readonly span: Span; readonly enter: <T>(work: () => T) => T } {
  const { span, within } = open(name, options);
  return { span, enter: (work) => context.with(within, work) };
}

/** What is over already, told as part of the active span. Alone, it would be a trace of nothing: then it is not told. */
export function recordSpan(
  name: string,
  { kind = SpanKind.INTERNAL, attributes = {}, seconds, error }: SpanOptions & { seconds: number; error?: unknown },
): void {
  if (traceIds() === undefined) return;
  const end = Date.now();
  const span = tracer.startSpan(name, { kind, attributes, startTime: end - 1000 * seconds });
  if (error !== undefined) fail(span, error);
  span.end(end);
}

/** W3C `traceparent` of the active span, to be sent along or kept. */
export function activeTraceparent(): string | undefined {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent;
}

/** Of the active span, for logs. */
export function traceIds(): { readonly trace: string; readonly span: string } | undefined {
  const active = trace.getActiveSpan()?.spanContext();
  return active && trace.isSpanContextValid(active) ? { trace: active.traceId, span: active.spanId } : undefined;
}

function open(name: string, { kind = SpanKind.INTERNAL, attributes = {}, parent }: SpanOptions) {
  const from: Context = parent ? propagation.extract(context.active(), { traceparent: parent }) : context.active();
  const span = tracer.startSpan(name, { kind, attributes }, from);
  return { span, within: trace.setSpan(from, span) };
}

function fail(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
}
