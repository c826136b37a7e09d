import { setTimeout as sleep } from 'node:timers/promises';
import { EventBus } from '@solopo/bus';
import type { EvidencePlaces, Inspection, PairView, RunConfigInput, RunView, SystemView } from '@solopo/contracts';
import { composeAt, retrievalExamples, retrievalTokenizer } from '@solopo/corpus';
import { TextModel } from '@solopo/text';
import { beginChunk } from '@solopo/workflow';
import type { Page } from 'playwright-core';
import request from 'supertest';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { finishRun } from '../testing/finish-run.fixture.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerInputs } from '../testing/register.fixture.ts';
import { useBrowser } from './testing/browser.fixture.ts';
import { answerInspections, inspectionOf } from './testing/inspection.fixture.ts';
import { LEARNING } from './testing/learning.fixture.ts';

const QUESTIONS = 60;
const gateway = useGateway({ heartbeatMs: 200 });
const browser = useBrowser();
const { test } = browser;
let runs: RunView[];

beforeAll(async () => {
  await registerInputs(gateway.url, QUESTIONS);
  runs = [];
  for (const arm of ['solo', 'short'] as const) {
    const { id } = await createRun({ name: `the ${arm} run`, arm });
    await finishRun(gateway, id, LEARNING);
    runs.push(await gateway.ledger.runs.view(id));
  }
});

afterEach(() => {
  expect(browser.takeFaults()).toEqual([]);
});

async function createRun(changes: Partial<RunConfigInput>): Promise<RunView> {
  const config: RunConfigInput = {
    name: 'a run',
    model: 'tiny',
    dataset: 'questions',
    contexts: { short: { distractors: 2 }, long: { documents: 8 } },
    pairing: { heldOutPairs: 12 },
    training: { pairsPerStep: 6, stepsPerSlice: 2 },
    evaluation: { dataset: 'questions', documents: [2, 8] },
    ...changes,
  };
  return (await request(gateway.url).post('/v1/runs').send(config).expect(201)).body as RunView;
}

const get = async <T>(path: string): Promise<T> => (await request(gateway.url).get(path).expect(200)).body as T;
const open = async (hash: string): Promise<Page> => browser.open(`${gateway.url}/#${hash}`);
const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 15_000 });
const solo = (): RunView => runs[0] as RunView;

describe('the evaluation of a run', () => {
  it('places the evidence of every question as the evaluation composed it', async () => {
    const evidence = await get<EvidencePlaces[]>(`/v1/runs/${solo().id}/evaluations/places`);
    expect(evidence.map(({ documents, places }) => [documents, places.length])).toEqual([
      [2, QUESTIONS],
      [8, QUESTIONS],
    ]);
    const options = {
      prompt: solo().config.prompt,
      text: TextModel.fromFiles(retrievalTokenizer()),
      seed: solo().config.seed,
    };
    const examples = [...retrievalExamples({ seed: 1, count: QUESTIONS, documents: 8 })];
    for (const { documents, places } of evidence)
      examples.forEach((example, index) => {
        const made = composeAt(example, documents, options);
        if ('refused' in made) throw new Error(made.refused);
        const order = made.documents.flatMap((document, place) =>
          example.documents[document]?.relevant === true ? [(place + 0.5) / documents] : [],
        );
        const mean = order.reduce((sum, place) => sum + place, 0) / order.length;
        expect(places[index]).toBeCloseTo(mean, 3);
      });
  });

  test('is a heat map whose cells say what their ground says', async () => {
    const page = await open(`/runs/${solo().id}/evaluation`);
    for (const map of ['before', 'after', 'difference']) {
      const rows = page.locator(`.heat-map.${map} tbody tr`);
      await eventually(() => rows.count()).toBe(2);
      expect(await rows.locator('th').allInnerTexts()).toEqual([
        expect.stringMatching(/^2/),
        expect.stringMatching(/^8/),
      ]);
    }
    const cells = await page.locator('.heat-map.after tbody tr').last().locator('td:not(.none)').all();
    const told = await Promise.all(cells.map((cell) => cell.getAttribute('title')));
    const asked = told.map((text) => Number(/(\d+) questions/.exec(text ?? '')?.[1]));
    expect(asked.reduce((sum, n) => sum + n, 0)).toBe(QUESTIONS);
    await page.close();
  });
});

describe('a pair under a policy version', () => {
  const pair = async (): Promise<PairView> =>
    (await get<PairView[]>(`/v1/runs/${solo().id}/pairs?split=held-out&limit=1`))[0] as PairView;

  it('is not ready while no reward worker is up, and says when to come back', async () => {
    const wished = Promise.withResolvers<string>();
    const wishes = gateway.connection.subscribe('wanted.*', {
      callback: (_, { subject }) => wished.resolve(subject),
    });
    const { digest } = await pair();
    const path = `/v1/runs/${solo().id}/pairs/${digest}/inspection`;
    const { headers, body } = await request(gateway.url).get(path).expect(503);
    expect(headers['retry-after']).toBe('5');
    expect(body).toMatchObject({ code: 'not-ready', detail: expect.stringContaining('reward worker') as string });
    expect(await wished.promise).toBe('wanted.reward');
    wishes.unsubscribe();
  });

  test('is shown token by token and layer by layer, as soon as a worker answers', async () => {
    const { digest } = await pair();
    const page = await open(`/runs/${solo().id}/pairs/${digest}`);
    await page.getByRole('button', { name: 'Compute' }).click();
    await page.getByText('Starting a reward worker…').waitFor();
    const progress = page.getByRole('progressbar', { name: 'Inspection' });
    expect(await progress.getAttribute('value')).toBeNull();
    await eventually(() => page.locator('.inspection-progress').innerText()).toMatch(/worker…\s+[1-9]\d* s$/);
    const asked = answerInspections(gateway.connection);
    const strips = page.locator('.strips.chosen .strip');
    await eventually(() => strips.count()).toBe(6);
    expect(await progress.isVisible()).toBe(false);
    expect(page.url()).toContain('?step=8');
    expect(asked.questions.map(({ step }) => step)).toEqual([0, 8]);

    const [before, after] = [inspectionOf(0), inspectionOf(8)];
    const sum = (view: Inspection) => view.short.chosen.logps.reduce((total, logp) => total + logp, 0);
    const difference = (sum(after) - sum(before)).toFixed(4);
    expect(await strips.nth(2).locator('.sum').innerText()).toBe(`Σ +${difference}`);
    const attention = page.getByRole('figure', { name: 'Attention on the evidence for the chosen answer' });
    await attention.getByText('Values').click();
    const cells = attention.locator('tbody tr');
    expect(await cells.count()).toBe(2);
    expect(await cells.first().locator('td').allInnerTexts()).toEqual(
      [before.short, after.short, before.long, after.long].map(
        ({ chosen }) => `${(100 * chosen.attention[0]!.evidence).toFixed(1)} %`,
      ),
    );
    await page.reload();
    await eventually(() => strips.count()).toBe(6);
    asked.stop();
    await page.close();
  });

  test('is found by the length of its long context', async () => {
    const all = await get<PairView[]>(`/v1/runs/${solo().id}/pairs`);
    const longest = Math.max(...all.map(({ longTokens }) => longTokens));
    const page = await open(`/runs/${solo().id}/pairs`);
    await page.getByLabel('Long context, tokens at least').fill(String(longest));
    const rows = page.locator('.pairs tbody tr');
    await eventually(() => rows.count()).toBe(all.filter(({ longTokens }) => longTokens === longest).length);
    await page.close();
  });
});

describe('the page that compares', () => {
  test('shows the chosen runs in one chart, keeps the choice in its address, and takes what comes live', async () => {
    const ids = runs.map(({ id }) => id);
    const page = await open(`/compare?runs=${ids.join(',')}`);
    const loss = page.getByRole('figure', { name: 'loss', exact: true });
    await eventually(() => loss.locator('.legend li').count()).toBe(2);
    expect(await page.locator('.comparison tbody tr').count()).toBe(2);

    await page.getByRole('checkbox', { name: /the short run/ }).uncheck();
    await eventually(() => loss.locator('.legend li').allInnerTexts()).toEqual([
      expect.stringContaining('the solo run'),
    ]);
    expect(page.url()).not.toContain(ids[1]);
    await page.getByRole('checkbox', { name: /the short run/ }).check();
    await eventually(() => loss.locator('.legend li').count()).toBe(2);

    const add = page.getByLabel('Add a metric to Training, by step');
    await add.fill('learning_rate');
    await add.press('Enter');
    await page.getByRole('figure', { name: 'learning_rate', exact: true }).waitFor();
    expect(page.url()).toContain('steps=learning_rate');

    await page.getByText('Live', { exact: true }).waitFor();
    const data = { step: 9, digest: 'e'.repeat(64), metrics: { loss: 0.4321 } };
    new EventBus(gateway.connection).publish({
      type: 'run.step',
      run: solo().id,
      at: new Date().toISOString(),
      data,
    });
    await loss.getByText('0.4321').waitFor();
    await page.close();
  });
});

describe('the metrics of a run', () => {
  test('are all there, by group, and narrowed down by a search', async () => {
    const page = await open(`/runs/${solo().id}/metrics`);
    await page.getByRole('searchbox', { name: 'Search metrics' }).fill('gap_abs');
    await eventually(() => page.locator('.chart h3').allInnerTexts()).toEqual(['solo/gap_abs', 'solo/gap_abs']);
    await page.reload();
    await eventually(() => page.locator('.chart h3').count()).toBe(2);
    await page.close();
  });

  test('stay smooth with 50,000 points: no more are drawn than can be told apart', async () => {
    const { id } = await createRun({ name: 'a long run', seed: 9 });
    const count = 50_000;
    await appendSteps(id, count);
    const page = await open(`/runs/${id}/metrics?search=loss`);
    const frame = page.getByRole('figure', { name: 'loss', exact: true }).locator('.chart-frame');
    const drawn = async () => Number(await frame.getAttribute('data-drawn'));
    await eventually(drawn).toBeGreaterThan(1000);
    expect(await drawn()).toBeLessThanOrEqual(2000);

    await frame.focus();
    await page.keyboard.press('+');
    await page.evaluate(WATCH_FRAMES);
    for (let press = 0; press < 40; press++) await page.keyboard.press(press % 20 < 10 ? 'ArrowRight' : 'ArrowLeft');
    await sleep(200);
    const figures = await page.evaluate<string>('report()');
    console.log(`50,000 points, 40 moves along the axis: ${figures}`);
    expect(await drawn()).toBeLessThanOrEqual(2000);

    // Close by, every point is drawn.
    for (let press = 0; press < 6; press++) await page.keyboard.press('+');
    await eventually(drawn).toBeLessThan(500);
    await page.keyboard.press('0');
    await eventually(drawn).toBeGreaterThan(1000);
    await request(gateway.url).post(`/v1/runs/${id}/cancel`).expect(200);
    await page.close();
  });
});

/** Times between frames and tasks of more than 50 ms, until `report()`. */
const WATCH_FRAMES = `(() => {
  const [frames, tasks] = [[], []];
  let last = performance.now();
  let on = true;
  const tick = (now) => { frames.push(now - last); last = now; if (on) requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
  globalThis.report = () => {
    on = false;
    frames.sort((a, b) => a - b);
    const at = (share) => frames[Math.floor(share * (frames.length - 1))].toFixed(0);
    return frames.length + ' frames, median ' + at(0.5) + ' ms, 95th percentile ' + at(0.95) + ' ms; ' +
      tasks.length + ' long tasks, the longest ' + Math.max(0, ...tasks).toFixed(0) + ' ms';
  };
})()`;

async function appendSteps(run: string, count: number): Promise<void> {
  const digestOf = (step: number) => step.toString(16).padStart(64, '0');
  const BATCH = 10_000;
  for (let from = 0; from < count; from += BATCH)
    await gateway.ledger.steps.append(
      run,
      Array.from({ length: BATCH }, (_, index) => {
        const step = from + index + 1;
        return {
          step,
          digest: digestOf(step),
          previousDigest: digestOf(step - 1),
          pairDigests: [],
          engine: 'a fake',
          metrics: { loss: Math.exp(-step / 9000) + 0.05 * Math.sin(step) },
        };
      }),
    );
}

describe('the page of the system', () => {
  test('shows what waits as soon as it does', async () => {
    const page = await open('/system');
    const compose = page.locator('.system-table tbody tr').filter({ hasText: 'compose' });
    await page.getByText('Live', { exact: true }).waitFor();
    const before = (await get<SystemView>('/v1/system')).functions.find(({ name }) => name === 'compose')!.waiting;
    const { id, stages } = await createRun({ name: 'waits', seed: 11 });
    const waits = stages.find(({ kind }) => kind === 'compose')!;
    await eventually(() => compose.locator('td[data-label="Waiting"]').innerText()).toBe(String(before + 1));
    const job = { id: `${waits.digest}:0`, stage: waits.digest, chunk: 0 };
    const executor = { worker: 'a-host:42', version: '0.1.0', leaseMs: 600_000 };
    const begun = await gateway.ledger.transaction((tx) => beginChunk(tx, job, executor));
    if (begun.status !== 'ready') throw new Error(`The chunk is ${begun.status}.`);
    const { lease } = begun.execution;
    const working = page.locator('.timeline li').filter({ hasText: 'Compose contexts' });
    await page.goto(`${gateway.url}/#/runs/${id}`);
    await gateway.ledger.leases.renew(lease, 600_000, { phase: 'loading', done: 0, total: 60, unit: 'examples' });
    await eventually(() => working.innerText()).toMatch(/0 \/ 60 examples[^]*loading, [^]* left/);
    await gateway.ledger.leases.renew(lease, 600_000, { phase: 'composing', done: 7, total: 60, unit: 'examples' });
    await eventually(() => working.innerText()).toMatch(/7 \/ 60 examples[^]* left/);
    await page.goto(`${gateway.url}/#/system`);
    const worker = page.locator('.system-table tbody tr').filter({ hasText: 'a-host:42' });
    expect(await worker.innerText()).toMatch(
      /datagen[^]*compose chunk 0, composing, 7 of 60 examples, began [^]*no work yet/,
    );
    expect(await worker.getByRole('link').innerText()).toBe(id);
    expect((await get<SystemView>('/v1/system')).workers.find((seen) => seen.id === 'a-host:42')?.working).toEqual([
      {
        kind: 'compose',
        engine: false,
        runs: [id],
        stage: waits.digest,
        chunk: 0,
        since: expect.any(String) as string,
        progress: { phase: 'composing', done: 7, total: 60, unit: 'examples' },
      },
    ]);
    await gateway.ledger.workerDevices.tell('a-host:42', {
      device: 'webgpu',
      name: 'A GPU 3000',
      reason: 'A GPU 3000 was found',
      allocatedBytes: 1_234_000_000,
      memoryBytes: 8e9,
      memorySettings: 'glibc.malloc.hugetlb=1:glibc.malloc.arena_max=4',
    });
    await page.reload();
    expect(await worker.innerText()).toMatch(/webgpu A GPU 3000[^]*1,234 MB of 8,000 MB in use; A GPU 3000 was found/);
    expect(await worker.innerText()).toContain('hugetlb=1, arena_max=4');
    await request(gateway.url).post(`/v1/runs/${id}/cancel`).expect(200);
    await page.close();
  });
});

describe('the page of events', () => {
  test('shows them live, narrowed down, and holds still when told to', async () => {
    const say = (message: string) =>
      new EventBus(gateway.connection).publish({
        type: 'run.warning',
        run: solo().id,
        at: new Date().toISOString(),
        data: { kind: 'collapse', step: 1, message },
      });
    const page = await open('/events?type=run.warning');
    await page.getByText('Live', { exact: true }).waitFor();
    say('first words');
    await page.locator('.events tr').filter({ hasText: 'first words' }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    say('second words');
    await page.getByText('1 new').waitFor();
    expect(await page.locator('.events').innerText()).not.toContain('second words');
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.locator('.events tr').filter({ hasText: 'second words' }).waitFor();
    await page.getByLabel('Event').selectOption('run.state');
    await eventually(() => page.locator('.events').innerText()).not.toContain('words');
    expect(page.url()).toContain('type=run.state');
    await page.close();
  });
});
