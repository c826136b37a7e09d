import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerJson, LocalServer } from '../client/local-server.fixture.ts';
import { ran, type Ran } from '../command-line/terminal.fixture.ts';
import { runOf } from '../demo/run.fixture.ts';

const BUNDLED = join(import.meta.dirname, '../../../../data/models/retrieval-144k');
const RUN = 'name: r\nmodel: m\ndataset: d\ncontexts: { long: { documents: 4 } }\n';

let server: LocalServer | undefined;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-cli-'));
});
afterEach(async () => {
  await server?.close();
  rmSync(folder, { recursive: true });
});

type Answers = Readonly<Record<string, unknown>>;

/** Answers by `METHOD /path`; a function answers itself. */
async function serve(answers: Answers): Promise<void> {
  server = await LocalServer.start(({ line }, response) => {
    const answer = answers[line.replace(/\?.*/, '')];
    if (typeof answer === 'function') (answer as (response: ServerResponse) => void)(response);
    else answerJson(response, answer === undefined ? 404 : 200, answer ?? { detail: `There is no ${line}.` });
  });
}

const solopo = (...args: string[]): Promise<Ran> => ran(args, { SOLOPO_API: server?.url ?? '' });

describe('a command against the API', () => {
  it('sends its token, from the option before that of the environment', async () => {
    const seen: (string | undefined)[] = [];
    server = await LocalServer.start(({ headers }, response) => {
      seen.push(headers.authorization);
      answerJson(response, 200, []);
    });
    const env = { SOLOPO_API: server.url, SOLOPO_TOKEN: 'two' };
    await ran(['runs', 'list', '--token', 'one'], env);
    await ran(['runs', 'list'], env);
    await ran(['--token', 'three', 'runs', 'list'], env);
    await ran(['runs', 'list'], { SOLOPO_API: server.url });
    expect(seen).toEqual(['Bearer one', 'Bearer two', 'Bearer three', undefined]);
  });

  it('without a token says how to name one', async () => {
    await serve({
      'GET /v1/runs': (response: ServerResponse) => answerJson(response, 401, { detail: 'Send a token.' }),
    });
    expect(await solopo('runs', 'list')).toEqual({
      code: 1,
      out: '',
      err: 'solopo: GET /v1/runs: Send a token.\n  Name a token with --token or SOLOPO_TOKEN.',
    });
  });

  it('says so when something else answers', async () => {
    await serve({ 'GET /v1/runs': (response: ServerResponse) => response.end('<h1>hello</h1>') });
    const { code, err } = await solopo('runs', 'list');
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/answered with no JSON; name the address of a Solopo gateway/),
    ]);
  });

  it('lists runs as a table, or as the API has them', async () => {
    const runs = [runOf('solo', { step: 3, steps: 20 })];
    await serve({ 'GET /v1/runs': runs });
    expect((await solopo('runs', 'list', '--state', 'running')).out).toBe(
      'id    name  arm   objective  state    created           step\nsolo  solo  solo  dpo        running  2025-01-01T00:00  3/20\n',
    );
    expect(server?.received[0]?.line).toBe('GET /v1/runs?limit=20&state=running');
    expect(JSON.parse((await solopo('runs', 'list', '--json')).out)).toEqual(runs);
  });

  it('reads an empty list as an invitation', async () => {
    await serve({ 'GET /v1/models': [], 'GET /v1/datasets': [], 'GET /v1/tokens': [], 'GET /v1/runs': [] });
    for (const [noun, way] of [
      ['models', 'models add'],
      ['datasets', 'datasets import'],
      ['tokens', 'tokens create'],
      ['runs', 'runs create'],
    ] as const)
      expect((await solopo(noun, 'list')).out).toContain(`solopo ${way}`);
  });

  it('creates a run from a file with settings, and refuses a wrong file before it asks', async () => {
    await serve({ 'POST /v1/runs': runOf('short') });
    const file = join(folder, 'run.yaml');
    writeFileSync(file, RUN);
    const { out } = await solopo(
      'runs',
      'create',
      '-f',
      file,
      '--set',
      'arm=short',
      '--set',
      'training.pairsPerStep=4',
    );
    expect(out).toContain('Run short started');
    expect(JSON.parse(String(server?.received[0]?.body))).toEqual({
      name: 'r',
      model: 'm',
      dataset: 'd',
      contexts: { long: { documents: 4 } },
      arm: 'short',
      training: { pairsPerStep: 4 },
    });
    writeFileSync(file, `${RUN}pairs: 3\n`);
    const refused = await solopo('runs', 'create', '-f', file);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining(`${file}:5:1: pairs: is not a known key`)]);
    expect((await solopo('runs', 'create', '-f', join(folder, 'none.yaml'))).code).toBe(2);
    expect(server?.received).toHaveLength(1);
  });

  it('uploads of a model folder what is not there yet', async () => {
    cpSync(BUNDLED, folder, { recursive: true });
    const digests = Object.fromEntries(
      ['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'].map(
        (file) =>
          [
            file,
            createHash('sha256')
              .update(readFileSync(join(folder, file)))
              .digest('hex'),
          ] as const,
      ),
    );
    const { 'model.safetensors': _, ...there } = digests;
    const warnings = ['Look at this.'];
    await serve({
      ...Object.fromEntries(Object.values(there).map((digest) => [`HEAD /v1/artifacts/${digest}`, {}])),
      'POST /v1/artifacts': { digest: 'w', bytes: 7 },
      'POST /v1/models': {
        digest: 'm'.repeat(64),
        name: 'x',
        family: 'llama',
        parameters: 1000,
        source: null,
        warnings,
      },
    });
    const { out, err } = await solopo('models', 'add', folder, '--name', 'x');
    expect(out).toMatch(/^Model x: llama, 1,000 parameters\nm+\nwarning: Look at this\.\n$/);
    // What the folder is comes before what is sent.
    expect(err).toMatch(/^Model\n[^]*^Files\n[^]*^Lengths\n[^]*^config\.json: there already$/m);
    expect(err).not.toContain('Verdict');
    expect(err.match(/^.*: uploading$/gm)).toEqual(['model.safetensors: uploading']);
    const last = server?.received.at(-1);
    expect(JSON.parse(String(last?.body))).toEqual({ name: 'x', files: { ...digests, 'model.safetensors': 'w' } });
    rmSync(join(folder, 'config.json'));
    expect((await solopo('models', 'add', folder)).err).toMatch(/has no config.json; name a Hugging Face model folder/);
  });

  it('refuses weights that are not finite by the name of their tensor, and sends none', async () => {
    cpSync(BUNDLED, folder, { recursive: true });
    const path = join(folder, 'model.safetensors');
    const bytes = readFileSync(path);
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE()))) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    const [name, { data_offsets: offsets }] = Object.entries(header).find(([tensor]) =>
      tensor.endsWith('o_proj.weight'),
    )!;
    bytes.writeFloatLE(NaN, 8 + Number(bytes.readBigUInt64LE()) + offsets[0] + 4);
    writeFileSync(path, bytes);
    await serve({ 'POST /v1/artifacts': { digest: 'w', bytes: 7 } });
    const { code, err } = await solopo('models', 'add', folder);
    expect([code, err]).toEqual([
      1,
      expect.stringContaining(
        `model.safetensors: tensor "${name}" has numbers that are NaN or infinite; fetch the file again`,
      ),
    ]);
    expect(err).not.toContain('model.safetensors: uploading');
    expect(server?.received.map(({ line }) => line)).not.toContain('POST /v1/models');
  });

  it('refuses a folder that is no model before anything is sent', async () => {
    cpSync(BUNDLED, folder, { recursive: true });
    writeFileSync(join(folder, 'tokenizer.json'), '{}');
    await serve({});
    const { code, err } = await solopo('models', 'add', folder);
    expect([code, err]).toEqual([1, expect.stringMatching(/cannot be registered; mend it.*\n- tokenizer\.json: /)]);
    expect(server?.received).toEqual([]);
  });

  it('imports a data set under the name of its file, line by line as it is', async () => {
    const dataset = {
      name: 'q',
      digest: 'd',
      examples: 1,
      rejectedCount: 1,
      rejected: [{ line: 2, reason: 'is not JSON' }],
    };
    await serve({ 'POST /v1/datasets': dataset });
    const file = join(folder, 'q.jsonl');
    writeFileSync(file, '{"id":1}\nx\n');
    expect((await solopo('datasets', 'import', file, '--format', 'musique')).out).toBe(
      'Data set q: 1 examples; 1 lines refused\n  line 2: is not JSON\nd\n',
    );
    expect(server?.received[0]).toMatchObject({
      line: 'POST /v1/datasets?name=q&format=musique',
      body: Buffer.from('{"id":1}\nx\n'),
    });
    expect((await solopo('datasets', 'import', join(folder, 'none'))).code).toBe(2);
  });

  it('exports pairs to standard output or to a file that is whole or not there', async () => {
    let breaks = false;
    await serve({
      'GET /v1/runs/r/pairs.jsonl': (response: ServerResponse) => {
        response.write('{"prompt":"a"}\n');
        if (breaks) setTimeout(() => response.destroy(), 20);
        else response.end('{"prompt":"b"}\n');
      },
    });
    const file = join(folder, 'pairs.jsonl');
    const lines = '{"prompt":"a"}\n{"prompt":"b"}\n';
    expect((await solopo('pairs', 'export', 'r', '--format', 'llama-factory', '--split', 'held-out')).out).toBe(lines);
    expect(server?.received[0]?.line).toBe(
      'GET /v1/runs/r/pairs.jsonl?format=llama-factory&split=held-out&context=short',
    );
    const { out } = await solopo('pairs', 'export', 'r', '-o', file, '--json');
    expect(JSON.parse(out)).toEqual({ file, pairs: 2, bytes: 30 });
    expect(server?.received[1]?.line).toBe('GET /v1/runs/r/pairs.jsonl?format=trl&split=training&context=short');
    expect(readFileSync(file, 'utf8')).toBe(lines);
    rmSync(file);
    breaks = true;
    expect((await solopo('pairs', 'export', 'r', '-o', file)).code).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('verifies, and fails when a check does', async () => {
    const checks = [
      { name: 'steps', ok: true, detail: '4 steps' },
      { name: 'pairs', ok: false, detail: 'pair 3 was altered' },
    ];
    await serve({
      'GET /v1/runs/good/verify': { ok: true, checks: checks.slice(0, 1) },
      'GET /v1/runs/bad/verify': { ok: false, checks },
    });
    expect(await solopo('verify', 'good')).toEqual({ code: 0, out: 'ok      steps  4 steps\n', err: '' });
    expect(await solopo('verify', 'bad')).toEqual({
      code: 1,
      out: 'ok      steps  4 steps\nFAILED  pairs  pair 3 was altered\n',
      err: '',
    });
  });

  it('has slices taken again, waits for that, and fails when training does not give what was recorded', async () => {
    const at = { slice: 1, from: 3, to: 4, recordedBy: 'a cpu', replayedBy: 'a cpu' };
    const replay = { id: 'x', run: 'r', seed: 7, slices: [1], error: null, createdAt: '2025-01-01T00:00:00Z' };
    const waiting = { ...replay, state: 'pending', ok: null, replayed: [] };
    const ended = (ok: boolean, slice: object) => ({ ...replay, state: 'done', ok, replayed: [{ ...at, ...slice }] });
    const answers: object[] = [];
    await serve({
      'GET /v1/runs/r/verify': { ok: true, checks: [{ name: 'steps', ok: true, detail: '4 steps' }] },
      'POST /v1/runs/r/replays': waiting,
      'GET /v1/runs/r/replays/x': (response: ServerResponse) => answerJson(response, 200, answers.shift()),
    });
    const verify = (...seen: object[]) => {
      answers.splice(0, Infinity, ...seen);
      return solopo('verify', 'r', '--replay', '1', '--seed', '7');
    };
    const equal = ended(true, { outcome: 'equal', detail: 'the same parameters' });
    expect(await verify({ ...waiting, state: 'running' }, equal)).toMatchObject({
      code: 0,
      out: 'ok      steps  4 steps\nok      replay  steps 3 to 4, taken again: the same parameters, by a cpu\nThe slices were drawn with --seed 7.\n',
    });
    expect(JSON.parse(String(server?.received[1]?.body))).toEqual({ slices: 1, seed: 7 });
    expect(await verify(ended(false, { outcome: 'differs', detail: 'other parameters' }))).toMatchObject({
      code: 1,
      out: expect.stringContaining('FAILED  replay  steps 3 to 4, taken again: other parameters, by a cpu') as string,
    });
    const elsewhere = ended(true, { outcome: 'other-engine', replayedBy: 'a gpu', detail: 'other parameters' });
    expect(await verify(elsewhere)).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^told .*, by a gpu, where a cpu took them for the run: .* proves nothing; /m,
      ) as string,
    });
    expect(await verify({ ...waiting, state: 'failed', error: 'It broke.' })).toMatchObject({
      code: 1,
      out: expect.stringContaining('FAILED  replay  It broke.') as string,
    });
  });

  it('shows a new token on standard output alone', async () => {
    await serve({ 'POST /v1/tokens': { name: 'ann', scopes: ['run'], token: 'solopo_x' } });
    const { out, err } = await solopo('tokens', 'create', 'ann', '--scope', 'run', 'read');
    expect([out, err]).toEqual(['solopo_x\n', 'Keep this; it is not shown again:']);
    expect(JSON.parse(String(server?.received[0]?.body))).toEqual({ name: 'ann', scopes: ['run', 'read'] });
  });

  it('lists, shows, retries and discards dead letters', async () => {
    const letter = {
      id: 3,
      subject: 'jobs.trainer.train',
      job: { id: 'job_1', stage: 'a', chunk: 0 },
      reason: `The loss of step 3 is not finite. ${'Lower the learning rate. '.repeat(9)}`,
      code: 'loss-not-finite',
      attempts: 1,
      createdAt: '2025-01-01T00:00:00Z',
      retriedAt: null,
    };
    await serve({
      'GET /v1/dead-letters': [letter],
      'GET /v1/dead-letters/3': letter,
      'POST /v1/dead-letters/3/retry': { runs: ['run_a', 'run_b'] },
      'DELETE /v1/dead-letters/3': (response: ServerResponse) => response.writeHead(204).end(),
    });
    expect((await solopo('dead-letters', 'list', '--limit', '5')).out).toMatch(
      /^3 +jobs\.trainer\.train +loss-not-finite +1 +2025-01-01T00:00 +- +The loss of step 3 is not finite\. .*…$/m,
    );
    expect(server?.received[0]?.line).toBe('GET /v1/dead-letters?limit=5');
    expect((await solopo('dead-letters', 'show', '3')).out).toContain(letter.reason.trim());
    expect(JSON.parse((await solopo('dead-letters', 'show', '3', '--json')).out)).toEqual(letter);
    expect((await solopo('dead-letters', 'retry', '3')).out).toContain('going on: run_a, run_b.');
    expect(await solopo('dead-letters', 'discard', '3')).toMatchObject({
      code: 0,
      out: 'Dead letter 3 is discarded.\n',
    });
    expect(await solopo('dead-letters', 'discard', '4')).toMatchObject({ code: 1 });
    expect(await solopo('dead-letters', 'retry', 'x')).toMatchObject({ code: 2 });
  });

  it('shows what names and errors would make a terminal do, and does not do it', async () => {
    const name = 'evil\u001b]0;owned\u0007\u001b[2J\u009b31m\nsecond line\u202e';
    const run = runOf('solo', { error: `${name}: it broke.`, state: 'failed' });
    const runs = [{ ...run, config: { ...run.config, name } }];
    await serve({
      'GET /v1/runs': runs,
      'GET /v1/tokens': (response: ServerResponse) => answerJson(response, 403, { detail: `No, ${name}` }),
    });
    const unsafe = /(?!\n)[\p{Cc}\u202e]/u;
    const list = await solopo('runs', 'list');
    expect(list.out).not.toMatch(unsafe);
    expect(list.out.trimEnd().split('\n')).toHaveLength(2);
    expect(list.out).toContain('evil\\u001b]0;owned\\u0007\\u001b[2J\\u009b31m\\u000asecond line\\u202e');
    const { out } = await solopo('runs', 'list', '--json');
    expect(out).not.toMatch(unsafe);
    expect(JSON.parse(out)).toEqual(runs);
    for (const json of [[], ['--json']]) {
      const { code, err } = await solopo('tokens', 'list', ...json);
      expect([code, err]).toEqual([1, expect.not.stringMatching(unsafe)]);
    }
  });
});
