import { once } from 'node:events';
import { connect } from 'node:net';
import { spawnSource } from '@solopo/testing';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startService, type Service } from './bootstrap.ts';
import { Health } from './health.service.ts';
import { LocalGuard } from './local-host.ts';
import { createLogger } from './logger.ts';
import { FIXTURE_CONFIG, FixtureModule } from './service.fixture.ts';

describe('a service', () => {
  let service: Service;
  let log: string[];

  beforeEach(async () => {
    log = [];
    const logger = createLogger('fixture', 'info', { write: (line) => void log.push(line) });
    const config = { ...FIXTURE_CONFIG, headersMs: 200 };
    service = await startService({ name: 'fixture', module: FixtureModule, config, logger });
  });

  afterEach(() => service.close());

  it('tells alive from ready', async () => {
    await request(service.url).get('/healthz').expect(200, { status: 'ok' });
    await request(service.url)
      .get('/readyz')
      .expect(200, { ready: true, checks: { database: 'ok' } });
    await request(service.url).post('/break').expect(201);
    await request(service.url).get('/healthz').expect(200);
    await request(service.url)
      .get('/readyz')
      .expect(503, { ready: false, checks: { database: 'no connection to the database' } });
  });

  it('measures requests by route, never by raw URL', async () => {
    await request(service.url).get('/things/42').expect(200);
    const { text } = await request(service.url)
      .get('/metrics')
      .expect(200)
      .expect('content-type', /text\/plain/);
    expect(text).toContain('solopo_http_request_seconds_count{method="GET",route="/things/:id",status="200"} 1');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
    expect(text).not.toContain('/things/42');
  });

  it('refuses a body with the path and reason of every fault', async () => {
    const { body } = await request(service.url)
      .post('/runs')
      .send({ training: { steps: 0, stepz: 1 } })
      .expect(422)
      .expect('content-type', /application\/problem\+json/);
    expect(body).toMatchObject({
      type: 'urn:solopo:problem:config-invalid',
      title: 'Unprocessable Entity',
      status: 422,
      code: 'config-invalid',
      instance: '/runs',
    });
    expect((body as { errors: unknown }).errors).toEqual([
      { path: 'training.steps', reason: expect.stringContaining('>=1') as string },
      { path: 'training.stepz', reason: 'is not a known key' },
    ]);
  });

  it('asks for patience when the queue is full', async () => {
    const response = await request(service.url).get('/full').expect(503).expect('retry-after', '5');
    expect(response.body).toMatchObject({ code: 'queue-full', detail: 'The queue is full; try again in a moment.' });
  });

  it('cuts off who sends headers byte by byte', async () => {
    const client = connect(Number(new URL(service.url).port), '127.0.0.1');
    client.on('error', () => undefined);
    const drip = setInterval(() => client.write('x'), 10);
    client.write('GET /healthz HTTP/1.1\r\nx-slow: ');
    try {
      const [answer] = (await once(client, 'data')) as [Buffer];
      expect(String(answer)).toMatch(/^HTTP\/1\.1 408 /);
      await once(client, 'close');
    } finally {
      clearInterval(drip);
      client.destroy();
    }
  });

  it('tells what only some of the work needs, and stays ready for the rest', async () => {
    service.app.get(Health).watch('disk', () => {
      throw new Error('is full; make room');
    });
    await request(service.url)
      .get('/readyz')
      .expect(200, { ready: true, checks: { database: 'ok', disk: 'is full; make room' } });
  });

  it('answers unknown routes and malformed JSON as problems', async () => {
    const missing = await request(service.url)
      .get('/nowhere')
      .expect(404)
      .expect('content-type', /problem\+json/);
    expect(missing.body).toMatchObject({ status: 404, code: 'not-found' });
    const malformed = await request(service.url).post('/runs').type('json').send('{"training":').expect(400);
    expect(malformed.body).toMatchObject({ status: 400, code: 'bad-request' });
  });

  it('of this machine alone is deaf to the pages of others', async () => {
    const config = { ...FIXTURE_CONFIG, logLevel: 'silent' } as const;
    const configure = (app: Service['app']) => void app.useGlobalGuards(new LocalGuard());
    const local = await startService({ name: 'fixture', module: FixtureModule, config, configure });
    try {
      for (const path of ['/healthz', '/readyz', '/metrics']) {
        await request(local.url).get(path).expect(200);
        await request(local.url).get(path).set({ host: 'rebound.example.org' }).expect(403);
        await request(local.url).get(path).set({ origin: 'https://example.org' }).expect(403);
      }
    } finally {
      await local.close();
    }
  });

  it('hides an unforeseen error behind an id that the log explains', async () => {
    const { body } = await request(service.url).get('/crash').expect(500);
    const { errorId } = body as { errorId: string };
    expect(JSON.stringify(body)).not.toContain('secret detail');
    expect(log.find((line) => line.includes(errorId))).toContain('a secret detail');
  });
});

describe('a service process', () => {
  const start = (env: Record<string, string> = {}) =>
    spawnSource(new URL('./service.fixture.ts', import.meta.url), ['run'], env);

  it('on SIGTERM finishes its requests, then closes its resources, last opened first, past one that fails', async () => {
    const child = start();
    const { url } = JSON.parse(await child.line('"ready"')) as { url: string };
    const answer = fetch(`${url}/slow`).then((response) => response.text());
    await child.line('slow begins');
    child.kill('SIGTERM');
    expect(await answer).toBe('slow but whole');
    expect(await child.exited).toEqual({ code: 0, signal: null });
    const messages = child.lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(messages.slice(2).toSorted()).toEqual([
      'before shutdown',
      'closed relay, database',
      expect.stringMatching(/^relay could not/),
      'stopped',
      'stopping',
    ]);
  });
});
