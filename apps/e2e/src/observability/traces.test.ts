import { exampleLine, retrievalExamples } from '@solopo/corpus';
import { startOtlpReceiver, waitFor, type OtlpReceiver, type ReceivedSpan } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareRetrieval, retrievalRun } from '../retrieval-run.ts';
import { System } from '../system.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CLIENT_SPAN = 'b7ad6b7169203331';
const traceparent = `00-${TRACE}-${CLIENT_SPAN}-01`;

let receiver: OtlpReceiver;
let system: System;

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  system = await System.start({ SOLOPO_OTLP_URL: receiver.url, SOLOPO_LOG_LEVEL: 'info' });
  await prepareRetrieval(system);
  const lines = [...retrievalExamples({ seed: 7, count: 60, documents: 8 })].map(exampleLine).join('');
  const post = (path: string) => system.api.post(path).set('traceparent', traceparent);
  await post('/v1/datasets').query({ name: 'traced' }).type('application/x-ndjson').send(lines).expect(201);
  system.startWorkers('datagen', 'reward', 'trainer');
  const config = retrievalRun({ dataset: 'traced', evaluation: null, training: { pairsPerStep: 4, maxSteps: 2 } });
  const { body } = await post('/v1/runs').send(config).expect(201);
  const { id } = body as { id: string };
  expect((await system.finished(id)).state).toBe('succeeded');
}, 120_000);

afterAll(async () => {
  await system.close();
  await receiver.stop();
});

const trace = (): readonly ReceivedSpan[] => receiver.spans.filter(({ traceId }) => traceId === TRACE);
const named = (service: string, name: string): Promise<ReceivedSpan> =>
  waitFor(`${service} tells of ${name}`, () => trace().find((span) => span.service === service && span.name === name));

/** From a span up to its trace's beginning. */
async function ancestors(span: ReceivedSpan): Promise<readonly string[]> {
  const path = [`${span.service}: ${span.name}`];
  for (let at = span; at.parentSpanId !== CLIENT_SPAN;) {
    const parent = at.parentSpanId;
    at = await waitFor(`the parent of ${at.name}`, () => trace().find(({ spanId }) => spanId === parent));
    path.push(`${at.service}: ${at.name}`);
  }
  return path;
}

describe('one trace', () => {
  it('follows a pair from its import to the gradient step: HTTP, outbox, JetStream, SQL, session.run', async () => {
    expect(await ancestors(await named('gateway', 'POST /v1/datasets'))).toHaveLength(1);
    const step = await waitFor('a backward pass', () =>
      trace().find(({ name, attributes }) => name === 'session.run' && attributes['solopo.graph'] === 'block-backward'),
    );
    const path = await ancestors(step);
    expect(path.slice(0, 4)).toEqual([
      'engine: session.run',
      'engine: execute trainSlice',
      'trainer: engine trainSlice',
      'trainer: process jobs.trainer.train',
    ]);
    expect(path.at(-1)).toBe('gateway: POST /v1/runs');
    // Whichever process relays, publishes.
    const jobs = path.slice(3).map((place) => place.replace(/^\w+: (publish|process) jobs\.\w+\.(\w+)$/, '$1 $2'));
    expect(jobs.filter((place) => !place.includes('score'))).toEqual([
      'process train',
      'publish train',
      'process pair',
      'publish pair',
      'process sample',
      'publish sample',
      'process compose',
      'publish compose',
      'gateway: POST /v1/runs',
    ]);
    expect(jobs.filter((place) => place.includes('score'))).toEqual(['process score', 'publish score']);
  });

  it('has the statements of each part, without values', async () => {
    const { spanId } = await named('trainer', 'process jobs.trainer.train');
    const steps = await waitFor('the steps are written', () =>
      trace().find(
        ({ parentSpanId, attributes }) =>
          parentSpanId === spanId && String(attributes['db.query.text']).startsWith('insert into "steps"'),
      ),
    );
    expect(steps).toMatchObject({ service: 'trainer', name: 'SQL insert', kind: 3 });
    expect(steps.attributes['db.query.text']).toMatch(/values \(\$1, \$2/);
    await named('gateway', 'SQL insert');
  });

  it('is named in the logs', async () => {
    const line = await waitFor('the log of the job', () =>
      system.output
        .join('')
        .split('\n')
        .find((entry) => entry.includes('"jobs.trainer.train"') && entry.includes('"outcome":"done"')),
    );
    expect(line).toContain(`"trace":"${TRACE}"`);
  });

  it('is not made of what nobody asked for: probes, and the relay that looks for work', async () => {
    await system.api.get('/readyz').expect(200);
    await named('gateway', 'POST /v1/runs');
    const roots = receiver.spans.filter(({ parentSpanId }) => !parentSpanId).map(({ name }) => name);
    expect([...new Set(roots)].sort()).toEqual(['POST /v1/artifacts', 'POST /v1/datasets', 'POST /v1/models']);
  });
});
