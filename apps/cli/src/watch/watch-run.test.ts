import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { ApiClient } from '../client/api.client.ts';
import { answerJson, LocalServer } from '../client/local-server.fixture.ts';
import { runOf } from '../demo/run.fixture.ts';
import { watchRun } from './watch-run.ts';

let server: LocalServer;
afterEach(() => server.close());

/** A run whose state the test changes, and its stream of events. */
async function serve() {
  const state = {
    run: runOf('solo', { steps: 20 }),
    streams: [] as ServerResponse[],
    lastIds: [] as unknown[],
    looks: 0,
    away: false,
  };
  server = await LocalServer.start(({ line, headers }, response) => {
    if (!line.startsWith('GET /v1/runs/solo/events')) {
      state.looks++;
      if (state.away)
        return answerJson(
          response,
          503,
          { code: 'not-ready', detail: 'The database is away.' },
          { 'retry-after': '0' },
        );
      return answerJson(response, 200, state.run);
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    state.lastIds.push(headers['last-event-id']);
    state.streams.push(response);
  });
  return state;
}

function watch() {
  const shown: [step: number, note: string | undefined][] = [];
  const said: string[] = [];
  const stop = new AbortController();
  const ended = watchRun(new ApiClient(server.url, { retryDelayMs: 5, signal: stop.signal }), 'solo', {
    signal: stop.signal,
    progress: {
      show: ([run], notes = {}) => shown.push([run?.step ?? -1, notes['solo']]),
      close: () => said.push('closed'),
    },
    say: (line) => said.push(line),
    pollMs: 60_000,
    restMs: 1,
  });
  return { shown, said, stop, ended };
}

function send(response: ServerResponse | undefined, id: number, type: string, data: object): void {
  response?.write(`id: ${id}\ndata: ${JSON.stringify({ type, run: 'solo', at: '', data })}\n\n`);
}

const until = (what: () => boolean) => expect.poll(what, { timeout: 5000, interval: 5 }).toBe(true);

describe('watching a run', () => {
  it('looks when an event says so, and tells the loss, the margin and warnings', async () => {
    const state = await serve();
    const { shown, said, ended } = watch();
    await until(() => state.streams.length === 1);
    await until(() => shown.length === 2);
    expect(shown[0]).toEqual([0, undefined]);
    state.run = { ...state.run, step: 10 };
    send(state.streams[0], 1, 'run.step', { step: 10, metrics: { loss: 0.69315, 'rewards/margins': 0.5 } });
    await until(() => shown.length >= 3);
    expect(shown.at(-1)).toEqual([10, 'step 10 loss 0.693 margin 0.500']);
    send(state.streams[0], 2, 'run.warning', { message: 'The short answers fall.' });
    await until(() => said.length === 1);
    state.run = {
      ...state.run,
      step: 20,
      state: 'succeeded',
      warnings: [{ kind: 'cut-answers', count: 3, message: 'Many answers were cut.' }],
    };
    send(state.streams[0], 3, 'run.state', { state: 'succeeded' });
    expect(await ended).toMatchObject({ state: 'succeeded', step: 20 });
    expect(said).toEqual(['Warning: The short answers fall.', 'Warning: Many answers were cut.', 'closed']);
    expect(state.looks).toBeLessThan(8);
  });

  it('goes on behind the last event when the stream breaks', async () => {
    const state = await serve();
    const { ended, shown } = watch();
    await until(() => state.streams.length === 1);
    send(state.streams[0], 7, 'run.step', { step: 1, metrics: {} });
    await until(() => shown.at(-1)?.[1] === 'step 1');
    state.streams[0]?.destroy();
    await until(() => state.streams.length === 2);
    expect(state.lastIds).toEqual([undefined, '7']);
    state.run = { ...state.run, state: 'failed', error: 'It broke.' };
    send(state.streams[1], 8, 'run.state', { state: 'failed' });
    expect(await ended).toMatchObject({ state: 'failed' });
  });

  it('looks again when the events of before are lost', async () => {
    const state = await serve();
    const { ended, shown } = watch();
    await until(() => state.streams.length === 1);
    send(state.streams[0], 7, 'run.step', { step: 1, metrics: {} });
    await until(() => shown.at(-1)?.[1] === 'step 1');
    state.run = { ...state.run, state: 'succeeded' };
    state.streams[0]?.write('id: m1x2-0\nevent: restarted\ndata: {}\n\n');
    expect(await ended).toMatchObject({ state: 'succeeded' });
  });

  it('waits while the database of the gateway is away, and goes on', async () => {
    const state = await serve();
    const { ended, shown, said } = watch();
    await until(() => shown.length > 0);
    state.away = true;
    await until(() => state.streams.length === 1);
    send(state.streams[0], 1, 'run.step', { step: 1, metrics: {} });
    const before = state.looks;
    // Far beyond the tries that another command makes.
    await until(() => state.looks > before + 80);
    state.run = { ...state.run, state: 'succeeded' };
    state.away = false;
    expect(await ended).toMatchObject({ state: 'succeeded' });
    expect(said).toEqual([expect.stringMatching(/^Waiting, .*The database is away\.$/), 'closed']);
  });

  it('ends with its signal', async () => {
    await serve();
    const { ended, stop, said } = watch();
    setTimeout(() => stop.abort(new Error('Interrupted')), 30);
    await expect(ended).rejects.toThrow('Interrupted');
    expect(said).toEqual(['closed']);
  });

  it('of a run that is not there says so at once', async () => {
    server = await LocalServer.start((_, response) => answerJson(response, 404, { detail: 'There is no run solo.' }));
    await expect(watch().ended).rejects.toThrow('There is no run solo.');
  });
});
