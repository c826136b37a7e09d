import { waitFor } from '@solopo/testing';
import request from 'supertest';
import { expect, it } from 'vitest';
import { API_CONTROLLERS } from '../gateway.module.ts';
import { routesOf } from '../openapi/routes.ts';
import { useGateway } from '../testing/gateway.fixture.ts';

const gateway = useGateway();

it('without NATS what needs it asks to try again, and the rest goes on', async () => {
  await request(gateway.url).get('/v1/system').expect(200);
  await gateway.nats.kill();
  const { body } = await request(gateway.url).get('/v1/system').expect(503).expect('retry-after', /^\d+$/);
  expect(body).toMatchObject({ code: 'not-ready', detail: expect.stringMatching(/^NATS does not answer;/) as string });
  await request(gateway.url).get('/v1/runs').expect(200);
  await gateway.nats.restart();
  await waitFor('the system to be told again', async () => (await request(gateway.url).get('/v1/system')).ok);
});

it('without its database the gateway asks to try again, and says so in /readyz', async () => {
  await request(gateway.url).get('/v1/runs').expect(200);
  await gateway.stopPostgres();
  const { body } = await request(gateway.url).get('/v1/runs').expect(503).expect('retry-after', /^\d+$/);
  expect(body).toMatchObject({ code: 'not-ready', detail: expect.stringContaining('try again in a moment') as string });
  await request(gateway.url).get('/readyz').expect(503);
});

it('without its database no operation calls that a fault of its own', async () => {
  const told: [method: string, path: string, status: number][] = [];
  for (const { method, path } of routesOf(API_CONTROLLERS)) {
    // A stream of all events needs no database, and has no end.
    if (method === 'head' || path === '/v1/events') continue;
    const { status, body, headers } = await request(gateway.url)[method](path.replace(/:\w+/g, '1'.repeat(64)));
    told.push([method, path, status]);
    if (status !== 503) continue;
    expect([path, (body as { code: string }).code]).toEqual([path, 'not-ready']);
    expect(headers['retry-after']).toMatch(/^\d+$/);
  }
  expect(told.filter(([, , status]) => status === 500)).toEqual([]);
  expect(told.filter(([, , status]) => status === 503).length).toBeGreaterThan(20);
});
