import { afterEach, describe, expect, it } from 'vitest';
import { ApiClient } from '../client/api.client.ts';
import { answerJson, LocalServer } from '../client/local-server.fixture.ts';
import { cancelRuns, followRuns } from './follow-runs.ts';
import { runOf } from './run.fixture.ts';

let server: LocalServer;
afterEach(() => server.close());

describe('runs under way', () => {
  it('are followed until one fails, and the error says why', async () => {
    let polls = 0;
    server = await LocalServer.start(({ line }, response) => {
      const failed = line.endsWith('solo') && ++polls === 2;
      answerJson(
        response,
        200,
        failed ? runOf('solo', { state: 'failed', error: 'The loss of step 3 is not finite.' }) : runOf('short'),
      );
    });
    const seen: number[] = [];
    const followed = followRuns(new ApiClient(server.url), ['short', 'solo'], {
      watch: (runs) => seen.push(runs.length),
      say: () => undefined,
      signal: new AbortController().signal,
    });
    await expect(followed).rejects.toThrow('Run solo (solo) failed: The loss of step 3 is not finite.');
    expect(seen).toEqual([2, 2]);
  });

  it('are cancelled though the client itself was interrupted, and though one cancels no more', async () => {
    server = await LocalServer.start(({ line }, response) =>
      answerJson(response, line.includes('short') ? 409 : 200, {}),
    );
    const interrupted = AbortSignal.abort(new Error('Interrupted'));
    await cancelRuns(new ApiClient(server.url, { signal: interrupted }), ['short', 'solo']);
    expect(server.received.map(({ line }) => line).sort()).toEqual([
      'POST /v1/runs/short/cancel',
      'POST /v1/runs/solo/cancel',
    ]);
  });
});
