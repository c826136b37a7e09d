import { existsSync, readFileSync } from 'node:fs';
import { spawnSource } from '@solopo/testing';
import { expect, it } from 'vitest';
import { readEvents } from './testing/event-reader.fixture.ts';
import { useGateway } from './testing/gateway.fixture.ts';
import { registerInputs } from './testing/register.fixture.ts';

const gateway = useGateway();

it('is a process without a numeric engine that stops in order while someone watches', async () => {
  await registerInputs(gateway.url);
  const { databaseUrl, natsUrl, artifacts } = gateway.config;
  const child = spawnSource(new URL('./main.ts', import.meta.url), [], {
    SOLOPO_DATABASE_URL: databaseUrl,
    SOLOPO_NATS_URL: natsUrl,
    SOLOPO_ARTIFACTS: artifacts,
  });
  const { url } = JSON.parse(await child.line('"msg":"ready"')) as { url: string };
  const config = { name: 'a run', model: 'tiny', dataset: 'questions', contexts: { long: { documents: 4 } } };
  const created = await fetch(`${url}/v1/runs`, {
    method: 'POST',
    body: JSON.stringify(config),
    headers: { 'content-type': 'application/json' },
  });
  expect(created.status).toBe(201);
  const reader = await readEvents(`${url}${created.headers.get('location')}/events`);
  await reader.count(1);

  const maps = `/proc/${child.pid}/maps`;
  if (existsSync(maps)) expect(readFileSync(maps, 'utf8')).not.toContain('onnxruntime');
  child.kill('SIGTERM');
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.lines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
});
