import type { IssuedToken, TokenView } from '@solopo/contracts';
import { createLogger, startService } from '@solopo/platform';
import request from 'supertest';
import { beforeAll, describe, expect, it } from 'vitest';
import { API_CONTROLLERS } from '../gateway.module.ts';
import { gateway as service } from '../gateway.service.ts';
import { routesOf } from '../openapi/routes.ts';
import { useGateway } from '../testing/gateway.fixture.ts';

const ADMIN = 'an-administrators-token-of-the-environment';
const NO_ONE = `solopo_${'x'.repeat(43)}`;

const gateway = useGateway({ auth: 'required', adminToken: ADMIN });

const issue = async (name: string, scopes: readonly string[]): Promise<string> => {
  const { body } = await request(gateway.url)
    .post('/v1/tokens')
    .auth(ADMIN, { type: 'bearer' })
    .send({ name, scopes })
    .expect(201);
  return (body as IssuedToken).token;
};

describe('a gateway that asks for tokens', () => {
  const tokens: Record<string, string> = {};
  beforeAll(async () => {
    for (const scope of ['read', 'run', 'admin']) tokens[scope] = await issue(`${scope}er`, [scope]);
  });

  it.each(['/healthz', '/readyz', '/metrics', '/v1/openapi.json'])('leaves %s open', async (path) => {
    await request(gateway.url).get(path).expect(200);
  });

  it.each([
    ['/v1/runs', 401],
    ['/v1/nothing', 404],
    ['/healthz', 200],
    ['/metrics', 200],
    ['/v1/openapi.json', 200],
    ['/', 200],
    ['/no-such-page', 404],
  ])('lets no browser make more of %s than it is', async (path, status) => {
    const { headers } = await request(gateway.url).get(path).expect(status);
    expect(headers['content-security-policy']).toBe(
      path === '/' ? "default-src 'self'" : "default-src 'none'; frame-ancestors 'none'",
    );
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
  });

  it('refuses every other operation without a token, and tells how to bring one', async () => {
    const closed = routesOf(API_CONTROLLERS).filter(({ operation }) => operation?.scope !== null);
    expect(closed.length).toBeGreaterThan(20);
    for (const { method, path } of closed) {
      const response = await request(gateway.url)[method](path.replace(/:\w+/g, 'x'));
      expect([method, path, response.status]).toEqual([method, path, 401]);
      expect(response.headers['www-authenticate']).toBe('Bearer realm="solopo"');
    }
    const { body, type } = await request(gateway.url).get('/v1/runs').expect(401);
    expect(type).toBe('application/problem+json');
    expect(body).toMatchObject({ code: 'unauthorized', detail: expect.stringContaining('Bearer') });
  });

  it.each([
    ['another word', `Basic ${ADMIN}`],
    ['an unknown token', `Bearer ${NO_ONE}`],
    ['an empty token', 'Bearer '],
  ])('refuses %s', async (_, authorization) => {
    await request(gateway.url).get('/v1/runs').set({ authorization }).expect(401);
  });

  it.each([
    ['read', 'get', '/v1/runs', 200],
    ['read', 'post', '/v1/artifacts', 403],
    ['read', 'get', '/v1/tokens', 403],
    ['run', 'get', '/v1/runs', 200],
    ['run', 'post', '/v1/artifacts', 201],
    ['run', 'post', '/v1/tokens', 403],
    ['admin', 'get', '/v1/runs', 200],
    ['admin', 'post', '/v1/artifacts', 201],
    ['admin', 'get', '/v1/tokens', 200],
  ] as const)('lets %s %s %s: %i', async (scope, method, path, status) => {
    const response = await request(gateway.url)
      [method](path)
      .auth(tokens[scope] ?? '', { type: 'bearer' })
      .expect(status);
    if (status !== 403) return;
    expect(response.headers['www-authenticate']).toMatch(/error="insufficient_scope", scope="(run|admin)"/);
    expect(response.body).toMatchObject({ code: 'forbidden' });
  });

  it('takes a token in the query for streams of events only, and never says it again', async () => {
    const { read = '' } = tokens;
    const stream = request(gateway.url).get('/v1/runs/none/events');
    const { body } = await stream.query({ access_token: read }).expect(404);
    expect(JSON.stringify(body)).not.toContain(read);
    await request(gateway.url).get('/v1/runs/none/events').query({ access_token: NO_ONE }).expect(401);
    await request(gateway.url).get('/v1/runs').query({ access_token: read }).expect(401);
    await request(gateway.url).get('/v1/models/events').query({ access_token: read }).expect(401);
  });

  it('shows a token once, keeps its hash, and refuses it when it is revoked', async () => {
    const token = await issue('passing', ['run']);
    expect(token).toMatch(/^solopo_[\w-]{43}$/);
    await request(gateway.url).get('/v1/runs').auth(token, { type: 'bearer' }).expect(200);
    const { body } = await request(gateway.url).get('/v1/tokens').auth(ADMIN, { type: 'bearer' }).expect(200);
    const view = (body as TokenView[]).find(({ name }) => name === 'passing');
    expect(view).toEqual({
      name: 'passing',
      scopes: ['run'],
      createdAt: expect.any(String),
      lastUsedAt: expect.any(String),
      revokedAt: null,
    });
    await request(gateway.url).delete('/v1/tokens/passing').auth(ADMIN, { type: 'bearer' }).expect(200);
    const refused = await request(gateway.url).get('/v1/runs').auth(token, { type: 'bearer' }).expect(401);
    expect(refused.headers['www-authenticate']).toContain('error="invalid_token"');
    await request(gateway.url).delete('/v1/tokens/passing').auth(ADMIN, { type: 'bearer' }).expect(404);
  });

  it.each([
    ['no name', { scopes: ['read'] }, 'name'],
    ['an odd name', { name: 'a b' }, 'name'],
    ['an unknown scope', { name: 'ok', scopes: ['root'] }, 'scopes.0'],
    ['no scope', { name: 'ok', scopes: [] }, 'scopes'],
  ])('refuses to issue a token with %s', async (_, wanted, path) => {
    const { body } = await request(gateway.url)
      .post('/v1/tokens')
      .auth(ADMIN, { type: 'bearer' })
      .send(wanted)
      .expect(400);
    expect(body).toMatchObject({ errors: [{ path }] });
  });

  it('refuses a second token of a name', async () => {
    const again = request(gateway.url).post('/v1/tokens').auth(ADMIN, { type: 'bearer' });
    await again.send({ name: 'reader' }).expect(409);
  });
});

describe('a gateway for this machine alone', () => {
  it('says loudly that it asks for no tokens, and is deaf to the pages of others', async () => {
    const log: string[] = [];
    const logger = createLogger('gateway', 'warn', { write: (line) => void log.push(line) });
    const config = { ...gateway.config, auth: 'auto' as const };
    const { url, close } = await startService({ ...service(config), logger });
    try {
      expect(log.join('')).toContain('NO TOKENS ARE ASKED FOR');
      await request(url).get('/v1/runs').expect(200);
      await request(url).get('/v1/runs').set({ origin: url }).expect(200);
      await request(url).get('/v1/runs').set({ host: 'localhost:8080' }).expect(200);
      await request(url).post('/v1/artifacts').set({ origin: 'https://example.org' }).send('x').expect(403);
      await request(url).post('/v1/artifacts').set({ origin: 'null' }).send('x').expect(403);
      for (const path of ['/v1/runs', '/metrics', '/readyz', '/v1/openapi.json'])
        await request(url).get(path).set({ host: 'rebound.example.org' }).expect(403);
      await request(url).get('/metrics').set({ origin: 'https://example.org' }).expect(403);
    } finally {
      await close();
    }
  });
});
