import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ApiClient } from './api.client.ts';
import { ApiError, ConnectionError } from './api.error.ts';
import { answerJson, LocalServer } from './local-server.fixture.ts';

let server: LocalServer | undefined;
afterEach(() => server?.close());

const RUN = { name: 'r', model: 'm', dataset: 'd', contexts: { long: { documents: 4 } } };

describe('an error of the API', () => {
  it('tells its detail, and each field that the detail leaves out', async () => {
    const problem = {
      title: 'Unprocessable Content',
      detail: 'training.learningRate: Too big. Correct this and send it again.',
      code: 'config-invalid',
      errors: [
        { path: 'training.learningRate', reason: 'Too big' },
        { path: 'training.pairsPerBatch', reason: 'is not a known key' },
      ],
    };
    server = await LocalServer.start((_, response) => answerJson(response, 422, problem));
    const error = (await new ApiClient(server.url).createRun(RUN).catch((caught: unknown) => caught)) as ApiError;
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 422, code: 'config-invalid' });
    expect(error.message).toBe(
      'POST /v1/runs: training.learningRate: Too big. Correct this and send it again.\n  training.pairsPerBatch: is not a known key',
    );
    expect(server.received).toHaveLength(1);
  });

  it('may be no JSON at all', async () => {
    server = await LocalServer.start((_, response) => response.writeHead(502).end('<h1>Bad gateway</h1>\n'));
    await expect(new ApiClient(server.url).run('1')).rejects.toThrow('GET /v1/runs/1: <h1>Bad gateway</h1>');
    await server.close();
    server = await LocalServer.start((_, response) => response.writeHead(500).end());
    await expect(new ApiClient(server.url).run('1')).rejects.toThrow('GET /v1/runs/1: status 500');
  });
});

describe('a busy server', () => {
  it('is asked again after the time it names, and the body is sent anew', async () => {
    let asked = 0;
    server = await LocalServer.start((_, response) => {
      if (++asked < 3) answerJson(response, 503, { detail: 'The queue is full.' }, { 'retry-after': '0.02' });
      else answerJson(response, 201, { digest: 'd', bytes: 3 });
    });
    const folder = mkdtempSync(join(tmpdir(), 'solopo-cli-'));
    try {
      writeFileSync(join(folder, 'weights'), Buffer.from([1, 2, 3]));
      const client = new ApiClient(server.url, { retryDelayMs: 60_000 });
      await expect(client.uploadFile(join(folder, 'weights'))).resolves.toEqual({ digest: 'd', bytes: 3 });
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(server.received.map(({ body }) => [...body])).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  it('is given up at last', async () => {
    server = await LocalServer.start((_, response) =>
      answerJson(response, 503, { detail: 'The queue is full.' }, { 'retry-after': '0' }),
    );
    await expect(new ApiClient(server.url, { maxAttempts: 3 }).run('1')).rejects.toThrow('The queue is full.');
    expect(server.received).toHaveLength(3);
  });
});

describe('a server that is not there', () => {
  it('is named, with what to do', async () => {
    server = await LocalServer.start(() => undefined);
    const { url } = server;
    await server.close();
    server = undefined;
    const client = new ApiClient(url, { maxAttempts: 2, retryDelayMs: 1 });
    const error = await client.run('1').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConnectionError);
    expect((error as Error).message).toBe(
      `Nothing answers at ${url} (ECONNREFUSED); start the system with ./solopo up, or name another address with --api or SOLOPO_API.`,
    );
  });

  it('may come back while something is read, but nothing is posted twice', async () => {
    let asked = 0;
    server = await LocalServer.start((_, response) => {
      if (++asked % 2 === 1) response.socket?.destroy();
      else answerJson(response, 200, { id: '1' });
    });
    const client = new ApiClient(server.url, { retryDelayMs: 1 });
    await expect(client.run('1')).resolves.toEqual({ id: '1' });
    await expect(client.createRun(RUN)).rejects.toThrow(ConnectionError);
    expect(server.received.map(({ line }) => line)).toEqual(['GET /v1/runs/1', 'GET /v1/runs/1', 'POST /v1/runs']);
  });
});

describe('a request under way', () => {
  it('ends with its signal', async () => {
    server = await LocalServer.start(() => undefined);
    const interrupt = new AbortController();
    const asked = new ApiClient(server.url, { signal: interrupt.signal }).run('1');
    setTimeout(() => interrupt.abort(new Error('Interrupted')), 20);
    await expect(asked).rejects.toThrow('Interrupted');
  });
});

describe('what is long', () => {
  it('is sent line by line, and read page by page', async () => {
    server = await LocalServer.start(({ line }, response) => {
      if (line.startsWith('POST')) return answerJson(response, 201, { name: 'd', examples: 2 });
      const after = Number(new URL(line.slice(4), 'http://h').searchParams.get('after'));
      return answerJson(
        response,
        200,
        [1, 2, 3]
          .filter((step) => step > after)
          .slice(0, 2)
          .map((step) => ({ step })),
      );
    });
    const client = new ApiClient(server.url);
    await client.createDataset({ name: 'a b', format: 'solopo', lines: () => ['{"id":"1"}\n', '{"id":"2"}\n'] });
    expect(server.received[0]).toMatchObject({
      line: 'POST /v1/datasets?name=a+b&format=solopo',
      body: Buffer.from('{"id":"1"}\n{"id":"2"}\n'),
    });
    expect((await client.steps('1')).map(({ step }) => step)).toEqual([1, 2, 3]);
  });
});
