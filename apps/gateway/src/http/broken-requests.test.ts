import { once } from 'node:events';
import { connect } from 'node:net';
import { problemSchema } from '@solopo/contracts';
import { expect, it } from 'vitest';
import { useGateway } from '../testing/gateway.fixture.ts';

const gateway = useGateway();

async function answerTo(text: string): Promise<{ readonly head: string; readonly body: string }> {
  const client = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  client.on('error', () => undefined);
  client.write(text);
  let received = '';
  client.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
  await once(client, 'close');
  const [head = '', body = ''] = received.split('\r\n\r\n');
  return { head, body };
}

it.each([
  [400, 'no HTTP', 'what is this\r\n\r\n'],
  [400, 'a body of no length', `POST /v1/runs HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n{}`],
  [431, 'a long address', `GET /v1/runs?${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`],
])('answers %i as a problem to %s', async (status, _, text) => {
  const { head, body } = await answerTo(text);
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} .*\r\ncontent-type: application/problem\\+json`));
  expect(problemSchema.parse(JSON.parse(body))).toMatchObject({ status });
});

it('a key without an end is not sent back whole', async () => {
  const response = await fetch(`${gateway.url}/v1/models`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ['k'.repeat(200_000)]: 1 }),
  });
  expect(response.status).toBe(400);
  expect((await response.text()).length).toBeLessThan(10_000);
});
