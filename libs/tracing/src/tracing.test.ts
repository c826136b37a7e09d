import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { activeTraceparent, openSpan, recordSpan, traceIds, withSpan } from './spans.ts';
import { startTracing, type Tracing } from './tracing.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

interface Body {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[];
}

const spans: Span[] = [];
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => (body += chunk.toString()));
  request.on('end', () => {
    const { resourceSpans } = JSON.parse(body) as Body;
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => void server.close());

let tracing: Tracing;

it('without tracing work is done as ever, and nothing is known of a trace', async () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  expect(await withSpan('work', { parent }, async () => [activeTraceparent(), traceIds()])).toEqual([
    undefined,
    undefined,
  ]);
  await expect(withSpan('work', {}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
});

it('spans go on with the trace of a traceparent, over every await, and are sent to the collector', async () => {
  const { port } = server.address() as AddressInfo;
  tracing = await startTracing({ service: 'test', otlpUrl: `http://127.0.0.1:${port}/`, ratio: 1 });
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await withSpan('outer', { parent }, async () => {
    await sleep(5);
    await withSpan('inner', {}, async () => {
      expect(activeTraceparent()).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-\w{16}-01$/);
      expect(traceIds()?.trace).toBe('0af7651916cd43dd8448eb211c80319c');
    });
    recordSpan('before', { seconds: 2 });
  });
  const { span, enter } = openSpan('called back', {});
  expect(enter(() => traceIds()?.span)).toBe(span.spanContext().spanId);
  span.end();
  await expect(withSpan('failing', {}, () => Promise.reject(new Error('the reason')))).rejects.toThrow();
  await tracing.flush();

  const found = (name: string) => spans.find((candidate) => candidate.name === name);
  expect(found('outer')).toMatchObject({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentSpanId: 'b7ad6b7169203331',
  });
  expect(found('inner')?.parentSpanId).toBe(found('outer')?.spanId);
  expect(found('before')?.parentSpanId).toBe(found('outer')?.spanId);
  const { startTimeUnixNano = '', endTimeUnixNano = '' } = found('before') ?? {};
  expect(Number(endTimeUnixNano) - Number(startTimeUnixNano)).toBeCloseTo(2e9, -7);
  expect(found('failing')?.status).toEqual({ code: 2, message: 'the reason' });
  expect(found('called back')?.parentSpanId).toBeFalsy();
});

it('a trace that its beginning did not keep is kept nowhere', async () => {
  const before = spans.length;
  const parent = '00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
  await withSpan('left out', { parent }, async () => expect(activeTraceparent()).toMatch(/-00$/));
  await tracing.flush();
  expect(spans.length).toBe(before);
});

it('what is over and part of no trace is not told', async () => {
  recordSpan('alone', { seconds: 1 });
  await tracing.stop();
  expect(spans.map(({ name }) => name)).not.toContain('alone');
});
