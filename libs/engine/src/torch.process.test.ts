import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Engine, type EngineKinds, type EngineListeners, type EngineState, type Hello } from './index.ts';

const FAKE = fileURLToPath(new URL('fakes/torch.fake.mjs', import.meta.url));
const engines: Engine[] = [];
/** The real Engine over a fake of the process of Python, which says what a test wants and computes nothing. */
function engineOver(behaviour: string, listeners: EngineListeners & EngineKinds = {}): Engine {
  const torch = { python: process.execPath, command: [FAKE, behaviour] };
  const made = new Engine({ threads: 2, torch, ...listeners });
  engines.push(made);
  return made;
}
afterEach(() => engines.splice(0).forEach((each) => each.close()));

const torch = { engine: 'torch' } as const;
const trees = [
  { prompt: Int32Array.of(1, 2), branches: [Int32Array.of(3), Int32Array.of(4, 5)] },
  {
    prompt: Int32Array.from({ length: 50_000 }, (_, i) => i),
    branches: [Int32Array.from({ length: 30_000 }, (_, i) => -1 - i)],
  },
];
const model = { folder: 'somewhere' };

describe('an engine that is a process of Python', () => {
  test('is greeted, given its options, and answers with arrays, progress and its state', async () => {
    const [progress, states, hellos]: [unknown[], EngineState[], Hello[]] = [[], [], []];
    const engine = engineOver('honest', {
      onState: (state) => states.push(state),
      onHello: (hello) => hellos.push(hello),
    });
    const fingerprint = await engine.run('fingerprint', {}, torch);
    expect(fingerprint).toBe('fake; {"threads":2,"device":"cpu"}; 2; undefined');
    const { logps, tokens } = await engine.run(
      'score',
      { model, trees, batchTokens: 9 },
      { ...torch, onProgress: (told) => progress.push(told) },
    );
    expect(tokens).toBe(5);
    expect(logps[0]).toEqual([Float32Array.of(3), Float32Array.of(4, 5)]);
    expect(logps[1]?.[0]).toEqual(Float32Array.from({ length: 30_000 }, (_, i) => -1 - i));
    expect(progress).toEqual([{ kind: 'loading' }, { kind: 'done', count: 2 }]);
    expect(hellos).toEqual([expect.objectContaining({ protocol: 1, engine: 'torch' })]);
    expect(states.at(-1)).toMatchObject({ device: 'cpu', allocatedBytes: 7 });
    expect(engine.state).toEqual(states.at(-1));
  });

  test('its output goes to the log, line by line, and not among its answers', async () => {
    const lines: string[] = [];
    const engine = engineOver('honest', { onLog: (line) => lines.push(line) });
    await engine.run('fingerprint', {}, torch);
    await vi.waitFor(() => expect(lines).toEqual(['a line on standard output']));
  });

  test.each([
    ['ModelError', 'model-invalid'],
    ['LogitsNotFiniteError', 'model-invalid'],
    ['LossNotFiniteError', 'loss-not-finite'],
    ['DeviceError', 'device-missing'],
    ['DeviceMemoryError', 'device-memory'],
    ['EngineError', 'engine-failed'],
  ])('its %s is %s to a job', async (folder, code) => {
    const options = { samplesPerPrompt: 1, temperature: 0, topP: 1, maxNewTokens: 1, eosIds: [], seed: 0 };
    const asked = engineOver('honest').run(
      'sample',
      { model: { folder }, prompts: [], options, batchTokens: 1 },
      torch,
    );
    await expect(asked).rejects.toMatchObject({ code, message: 'told by the fake; do as it says' });
  });

  test('a disk that it finds full is nobody else’s fault, and the job waits for room', async () => {
    const options = { samplesPerPrompt: 1, temperature: 0, topP: 1, maxNewTokens: 1, eosIds: [], seed: 0 };
    const input = { model: { folder: 'OSError' }, prompts: [], options, batchTokens: 1 };
    await expect(engineOver('honest').run('sample', input, torch)).rejects.toMatchObject({
      code: 'store-full',
      message: expect.stringMatching(/No space left on device.*make room/) as string,
    });
  });

  test('an abort kills it, and the next task gets a new one', async () => {
    const engine = engineOver('honest');
    const abort = new AbortController();
    const measured = engine.run(
      'measure',
      { model, trees: [], batchTokens: 1, scorePrompt: false },
      { ...torch, signal: abort.signal, onProgress: () => abort.abort() },
    );
    await expect(measured).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringContaining('SIGKILL'),
    });
    expect(await engine.run('fingerprint', {}, torch)).toContain('fake');
  });

  test('one that ends in the middle fails its task as retryable, with the last that it wrote', async () => {
    const ended = engineOver('honest').run('inspect', { model, rows: [] }, torch);
    await expect(ended).rejects.toMatchObject({
      code: 'engine-failed',
      retryable: true,
      message: expect.stringMatching(/exit code 3: a fault of its own/),
    });
  });

  test.each(['rank-dies', 'rank-never-came'])(
    'one whose ranks ended names the first, and is tried again: %s',
    async (b) => {
      const ended = engineOver(b).run('inspect', { model, rows: [] }, torch);
      await expect(ended).rejects.toMatchObject({
        code: 'engine-failed',
        message:
          'the engine process ended (rank 1 of 2 (process 4711) ended by SIGKILL; all ranks start again); the job is tried again with a new one',
      });
    },
  );

  test('one of several ranks is told of them', async () => {
    const ranks = { ranks: 4, nodes: 2, rendezvous: 'first:29500', sequenceRanks: 2 };
    const engine = engineOver('honest', { torch: { python: process.execPath, command: [FAKE], ...ranks } });
    expect(await engine.run('fingerprint', {}, torch)).toContain(
      '"device":"cpu","ranks":4,"nodes":2,"rendezvous":"first:29500","sequenceRanks":2}',
    );
  });

  test.each([
    [
      'no-torch',
      /node did not start the torch engine \(exit code 1: ModuleNotFoundError: No module named 'torch'\); .*\.\/solopo engine add/,
    ],
    ['silent', /node did not start the torch engine \(exit code 0\); .*SOLOPO_TORCH_PYTHON/],
    ['newer', /speaks protocol 2, and this program protocol 1; .*run \.\/solopo engine add torch again/i],
    ['noise', /wrote what is no message/],
  ])('one that cannot be used is missing, and is not tried again: %s', async (behaviour, message) => {
    const asked = engineOver(behaviour).run('fingerprint', {}, torch);
    await expect(asked).rejects.toMatchObject({
      code: 'engine-missing',
      retryable: false,
      message: expect.stringMatching(message),
    });
  });

  test('a Python that is not there is named', async () => {
    const engine = engineOver('honest', { torch: { python: '/nowhere/python' } });
    await expect(engine.run('fingerprint', {}, torch)).rejects.toMatchObject({
      code: 'engine-missing',
      message: expect.stringContaining('/nowhere/python could not be started (ENOENT)'),
    });
  });

  test('a worker that has none says so', async () => {
    const engine = engineOver('honest', { torch: undefined });
    await expect(engine.run('fingerprint', {}, torch)).rejects.toMatchObject({
      code: 'engine-missing',
      message: expect.stringContaining('this worker has no torch engine; run ./solopo engine add torch'),
    });
  });
});

describe('an engine of two kinds', () => {
  test('does one task at a time, in the order given, and keeps one process', async () => {
    const order: string[] = [];
    const engine = engineOver('honest', { onTask: ({ task }) => order.push(task) });
    const first = engine.run('fingerprint', {});
    const second = engine.run('score', { model, trees, batchTokens: 9 }, torch);
    const third = engine.run('fingerprint', {});
    expect(await first).toContain('onnxruntime');
    const onnx = engine.pid;
    await second;
    expect(engine.pid).not.toBe(onnx);
    expect(await third).toContain('onnxruntime');
    expect(order).toEqual(['fingerprint', 'score', 'fingerprint']);
    expect(engine.pid).not.toBe(onnx);
  });

  test('a task that is aborted while it waits for another kind leaves that one alone', async () => {
    const engine = engineOver('honest');
    const abort = new AbortController();
    const first = engine.run('score', { model, trees, batchTokens: 9 }, torch);
    const waiting = engine.run('fingerprint', {}, { signal: abort.signal });
    abort.abort(new Error('no longer wanted'));
    await expect(waiting).rejects.toThrow('no longer wanted');
    expect((await first).tokens).toBe(5);
  });
});
