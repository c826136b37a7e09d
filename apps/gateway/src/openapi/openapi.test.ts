import { generateKeyPairSync } from 'node:crypto';
import type { RunView } from '@solopo/contracts';
import request from 'supertest';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { API_CONTROLLERS } from '../gateway.module.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerInputs } from '../testing/register.fixture.ts';
import { openApiDocument } from './document.ts';
import { routesOf } from './routes.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const gateway = useGateway({ signingKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() });

it('is served, and has every route under /v1 that there is', async () => {
  const { body } = await request(gateway.url).get('/v1/openapi.json').expect(200);
  expect(body).toEqual(openApiDocument(API_CONTROLLERS));
  const { router } = gateway.app.getHttpAdapter().getInstance();
  const served = router.stack.flatMap(({ route }) =>
    route?.path.startsWith('/v1') === true && !route.path.endsWith('/')
      ? route.stack.map(({ method }) => `${method} ${route.path.replace(/:(\w+)/g, '{$1}')}`)
      : [],
  );
  const described = Object.entries(body.paths as Record<string, object>).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method} ${path}`),
  );
  expect(described.sort()).toEqual([...new Set(served)].sort());
  expect(described.length).toBeGreaterThan(20);
});

it('names each operation once', () => {
  const ids = routesOf(API_CONTROLLERS).map(({ operation }) => operation?.id);
  expect(ids).toEqual([...new Set(ids)]);
  expect(ids).not.toContain(undefined);
});

it('describes the answers that are given', async () => {
  const { model, dataset } = await registerInputs(gateway.url);
  const config = { name: 'a run', model: 'tiny', dataset: 'questions', contexts: { long: { documents: 4 } } };
  const run = (await request(gateway.url).post('/v1/runs').send(config).expect(201)).body as RunView;
  await gateway.ledger.deadLetters.add({ subject: 'jobs.x', job: null, reason: 'No.', code: 'internal', attempts: 1 });
  const [letter] = await gateway.ledger.deadLetters.list(1);
  const values: Record<string, string> = { ':id': run.id, ':nameOrDigest': model.digest };
  const asked: string[] = [];
  for (const { method, path, operation } of routesOf(API_CONTROLLERS)) {
    const { answer } = operation ?? {};
    if (method !== 'get' || !(answer instanceof z.ZodType) || /:digest|:replay|\/policy/.test(path)) continue;
    const place: Readonly<Record<string, string>> = {
      ...values,
      ...(path.startsWith('/v1/datasets') && { ':nameOrDigest': dataset.digest }),
      ...(path.startsWith('/v1/dead-letters') && { ':id': String(letter?.id) }),
    };
    const { body } = await request(gateway.url)
      .get(path.replace(/:\w+/g, (name) => place[name] ?? name))
      .expect(200);
    expect(answer.safeParse(body).error, path).toBeUndefined();
    asked.push(path);
  }
  expect(asked.length).toBeGreaterThan(12);
});
