import request from 'supertest';
import { expect, it } from 'vitest';
import { useGateway } from '../testing/gateway.fixture.ts';

const gateway = useGateway();

it('without its database the gateway asks to try again, and says so in /readyz', async () => {
  await request(gateway.url).get('/v1/runs').expect(200);
  await gateway.stopPostgres();
  const { body } = await request(gateway.url).get('/v1/runs').expect(503).expect('retry-after', /^\d+$/);
  expect(body).toMatchObject({ code: 'not-ready', detail: expect.stringContaining('try again in a moment') as string });
  await request(gateway.url).get('/readyz').expect(503);
});
