export interface TracingOptions {
  /** As traces call the process. */
  readonly service: string;
  /** Of a collector: spans are posted to `/v1/traces` under it, as OTLP in JSON. */
  readonly otlpUrl: string;
  /** Share of the traces that are kept, decided where they begin. */
  readonly ratio: number;
  readonly onError?: (message: string) => void;
}

export interface Tracing {
  /** Sends what is still here. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

const DELAY_MS = 1000;

/** From now on spans are exported. Nothing of the SDK is loaded before: without tracing, spans cost a call that does nothing. */
export async function startTracing({ service, otlpUrl, ratio, onError }: TracingOptions): Promise<Tracing> {
  const { context, diag, DiagLogLevel, propagation, trace } = await import('@opentelemetry/api');
  const { AsyncLocalStorageContextManager } = await import('@opentelemetry/context-async-hooks');
  const { W3CTraceContextPropagator } = await import('@opentelemetry/core');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } =
    await import('@opentelemetry/sdk-trace');

  const say = (message: string): void => onError?.(message);
  const silent = (): void => undefined;
  diag.setLogger({ error: say, warn: say, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN);
  const exporter = new OTLPTraceExporter({ url: `${otlpUrl.replace(/\/$/, '')}/v1/traces` });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.namespace': 'solopo' }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: DELAY_MS })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return { flush: () => provider.forceFlush(), stop: () => provider.shutdown() };
}
