import { EventBus } from '@solopo/bus';
import axe, { type AxeResults } from 'axe-core';
import type { PairView, RunConfigInput, RunView, StepView } from '@solopo/contracts';
import { failStage } from '@solopo/workflow';
import type { Locator, Page, Request } from 'playwright-core';
import request from 'supertest';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { finishRun, type MadeUp } from '../testing/finish-run.fixture.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerInputs } from '../testing/register.fixture.ts';
import { useBrowser } from './testing/browser.fixture.ts';
import { LEARNING } from './testing/learning.fixture.ts';

const gateway = useGateway({ heartbeatMs: 200 });
const browser = useBrowser();
const { test } = browser;
let finished: RunView;

beforeAll(async () => {
  // A restarted gateway must be found where it was.
  Object.assign(gateway.config, { httpPort: Number(new URL(gateway.url).port) });
  await registerInputs(gateway.url, 60);
  finished = await createRun({ name: 'the first' });
  await finishRun(gateway, finished.id, LEARNING);
  finished = await gateway.ledger.runs.view(finished.id);
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

/** Does a run's work up to the slice of training, and the rest when told to. */
function workInTwo(run: string, slice: number): { readonly goOn: () => void; readonly done: Promise<void> } {
  const rest = Promise.withResolvers<void>();
  const before: MadeUp['before'] = ({ kind, chunk }) =>
    kind === 'train' && chunk >= slice ? rest.promise : Promise.resolve();
  return { goOn: rest.resolve, done: finishRun(gateway, run, { ...LEARNING, before }) };
}

const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 15_000 });

/** The table is filled after it opened. */
async function showValues(figure: Locator): Promise<void> {
  await figure.getByText('Values').click();
  await figure.locator('tbody td').first().waitFor();
}

/** A page that was loaded anew has lost it. */
const mark = (page: Page) => page.evaluate('document.body.dataset.mark = "kept"');
const isMarked = (page: Page) => page.evaluate<boolean>('document.body.dataset.mark === "kept"');

/** Pixels of a chart's canvas that are not empty. */
const inkOf = (page: Page, chart: string): Promise<number> =>
  page.evaluate(`(() => {
    const canvas = document.querySelector('figure[aria-label="${chart}"] canvas');
    if (canvas === null) return 0;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((ink, value, index) => ink + (index % 4 === 3 && value > 0), 0);
  })()`);

describe('the files of the dashboard', () => {
  it.each(['/', '/app.js', '/styles/base.css', '/vendor/uplot/uPlot.esm.js', '/vendor/uplot/uPlot.min.css'])(
    '%s may load from here alone',
    async (path) => {
      const { headers } = await request(gateway.url).get(path).expect(200);
      expect(headers['content-security-policy']).toBe("default-src 'self'");
      expect(headers['x-content-type-options']).toBe('nosniff');
    },
  );

  it('are these alone', async () => {
    for (const path of ['/package.json', '/vendor/uplot/..%2f..%2fpackage.json', '/..%2fpackage.json', '/styles'])
      await request(gateway.url)
        .get(path)
        .expect(404)
        .expect('content-type', /problem/);
  });
});

describe('the page of runs', () => {
  test('lists them, newest first, with what came of them', async () => {
    const second = await createRun({ name: 'the second', arm: 'short', seed: 2 });
    const page = await open('/');
    const rows = page.locator('tbody tr');
    await eventually(() => rows.count()).toBe(2);
    expect(await rows.nth(0).innerText()).toMatch(/the second[^]*short[^]*dpo · β 0.1[^]*running/);
    expect(await rows.nth(1).innerText()).toMatch(
      /the first[^]*succeeded[^]*8 \/ 8 steps[^]*% *\n?[+−][\d.]+ at 8 documents/,
    );

    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.getByRole('link', { name: 'the first' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'the first', level: 1 }).waitFor();
    expect(page.url()).toContain(`#/runs/${finished.id}`);
    await request(gateway.url).post(`/v1/runs/${second.id}/cancel`).expect(200);
    await page.close();
  });

  test('follows new runs to their end without being loaded again', async () => {
    const page = await open('/');
    await page.getByText('Live', { exact: true }).waitFor();
    await mark(page);
    const run = await createRun({ name: 'watched', seed: 3 });
    const work = workInTwo(run.id, 2);
    const row = page.locator('tbody tr').filter({ hasText: 'watched' });
    await row.getByText('4 / 8 steps').waitFor();
    await eventually(() => row.innerText()).toMatch(/running[^]*Train[^]*left/);
    work.goOn();
    await row.getByText('succeeded').waitFor();
    expect(await page.locator('#announcer').textContent()).toContain('Run watched succeeded');
    await work.done;
    expect(await isMarked(page)).toBe(true);
    await page.close();
  });
});

describe('the page of a run', () => {
  test('draws what was measured, and says it in tables', async () => {
    const page = await open(`/runs/${finished.id}`);
    const steps = await get<StepView[]>(`/v1/runs/${finished.id}/steps`);
    for (const chart of [
      'Loss',
      'Reward margin',
      'Reward accuracy',
      'Margin, short and long',
      'Log-probability per token',
    ])
      await eventually(() => inkOf(page, chart)).toBeGreaterThan(500);

    const loss = page.getByRole('figure', { name: 'Loss', exact: true });
    await showValues(loss);
    const cells = await loss.locator('tbody td:first-of-type').allInnerTexts();
    expect(cells).toEqual(steps.map(({ metrics }) => metrics['loss']?.toFixed(4)));

    const phases = page.getByRole('figure', { name: 'Step time by phase' });
    await eventually(() => inkOf(page, 'Step time by phase')).toBeGreaterThan(5000);
    await showValues(phases);
    expect((await phases.locator('thead th').allInnerTexts()).slice(1)).toEqual(
      expect.arrayContaining(['forward', 'backward', 'optimizer', 'load', 'checkpoint']),
    );
    expect(await phases.locator('tbody td:first-of-type').allInnerTexts()).toEqual(
      steps.map(({ phaseSeconds }) => phaseSeconds!['forward']!.toFixed(4)),
    );

    expect(await page.locator('.accuracy-plot circle').count()).toBe(4);
    const accuracy = await page.locator('.accuracy tbody tr').last().innerText();
    expect(accuracy).toMatch(/8 documents[^]*60 questions[^]*\d+\.\d %[^]*\d+\.\d % to \d+\.\d %[^]*[+−]\d/);
    expect(await page.locator('.timeline li.done').count()).toBe(8);
    expect(await page.locator('.config').innerText()).toMatch(/learning rate\s+0.000001[^]*long documents\s+8/);
    await page.close();
  });

  test('shows steps as they are taken, also after the gateway was away', async () => {
    const run = await createRun({ name: 'live', seed: 4 });
    const work = workInTwo(run.id, 1);
    const page = await open(`/runs/${run.id}`);
    const step = page.locator('.key-figures dd').first();
    await eventually(() => step.innerText()).toBe('2 / 8');
    await mark(page);
    await gateway.restart();
    await page.locator('.connection.live').waitFor();
    work.goOn();
    await eventually(() => step.innerText()).toBe('8 / 8');
    await page.locator('.state.succeeded').waitFor();
    const margins = page.getByRole('figure', { name: 'Margin, short and long' });
    await showValues(margins);
    await eventually(() => margins.locator('tbody tr').count()).toBe(5);
    await eventually(() => page.locator('.accuracy-plot .accuracy-policy circle').count()).toBe(2);
    expect(await isMarked(page)).toBe(true);
    await work.done;
    await page.close();
  });

  test('warns as soon as there is reason to, and whoever comes later', async () => {
    const page = await open(`/runs/${finished.id}`);
    await page.getByText('Live', { exact: true }).waitFor();
    const data = { kind: 'collapse', step: 4, message: 'The short answers have collapsed; lower alignment.alpha.' };
    const warning = { type: 'run.warning', run: finished.id, at: new Date().toISOString(), data } as const;
    new EventBus(gateway.connection).publish(warning);
    await page.getByRole('alert').filter({ hasText: data.message }).waitFor();
    await page.reload();
    await page.getByRole('alert').filter({ hasText: data.message }).waitFor();
    await page.close();
  });

  test('cancels it on the second press', async () => {
    const run = await createRun({ name: 'too much', seed: 5 });
    const page = await open(`/runs/${run.id}`);
    await page.getByRole('button', { name: 'Cancel run' }).click();
    expect((await gateway.ledger.runs.view(run.id)).state).toBe('running');
    await page.getByRole('button', { name: 'Press again to cancel' }).click();
    await page.locator('.state.cancelled').waitFor();
    expect((await gateway.ledger.runs.view(run.id)).state).toBe('cancelled');
    await page.close();
  });
});

describe('the pages of pairs', () => {
  test('list them by split, page and words', async () => {
    const page = await open(`/runs/${finished.id}/pairs`);
    const rows = page.locator('.pairs tbody tr');
    const where = page.locator('.where');
    await eventually(() => where.innerText()).toBe('1–50 of 60');
    await page.getByRole('button', { name: 'Next' }).click();
    await eventually(() => where.innerText()).toBe('51–60 of 60');
    await page.getByRole('radio', { name: 'Held out' }).check();
    await eventually(() => where.innerText()).toBe('1–12 of 12');
    const [pair] = await get<PairView[]>(`/v1/runs/${finished.id}/pairs?split=held-out&limit=1`);
    await page.getByRole('searchbox').fill(pair!.chosen.toUpperCase());
    await eventually(() => rows.count()).toBe(1);
    expect(page.url()).toContain('split=held-out');
    await page.reload();
    await eventually(() => rows.count()).toBe(1);
    expect(await rows.innerText()).toContain(pair!.chosen);
    await page.close();
  });

  test('show one with its evidence under both contexts', async () => {
    const [pair] = await get<PairView[]>(`/v1/runs/${finished.id}/pairs?split=held-out&limit=1`);
    const page = await open(`/runs/${finished.id}/pairs/${pair!.digest}`);
    await page.getByRole('heading', { name: pair!.question }).waitFor();
    for (const context of ['short', 'long']) {
      const text = page.locator(`.context.${context} .context-text`);
      expect(await text.locator('mark').allInnerTexts()).toEqual([expect.stringContaining(pair!.chosen)]);
      expect(await text.innerText()).toContain(pair!.question);
    }
    const shown = await page.locator('.context.long .context-text').innerText();
    expect(shown.length).toBeGreaterThan((await page.locator('.context.short .context-text').innerText()).length);
    expect(await page.locator('.response.chosen .answer-text').innerText()).toBe(pair!.chosen);
    expect(await page.locator('.response.chosen .strip').count()).toBe(2);
    expect(await page.locator('.response.chosen .strip').first().locator('.token').count()).toBe(3);
    await page.close();
  });
});

test('the pages that alerts link to are there, as text', async () => {
  const { headers, text } = await request(gateway.url).get('/runbooks/SolopoDeadLetters.md').expect(200);
  expect(headers['content-type']).toBe('text/plain; charset=utf-8');
  expect(text).toMatch(/^# SolopoDeadLetters\n/);
  await request(gateway.url).get('/runbooks/../metrics.md').expect(404);
  await request(gateway.url).get('/runbooks/..%2fmetrics.md').expect(404);
});

test('the page of models says what each is, and what to know of it', async () => {
  const page = await open('/models');
  const row = page.locator('tbody tr').filter({ hasText: 'tiny' });
  await row
    .getByText(/^qwen2|seed_oss|llama/)
    .first()
    .waitFor();
  await row.getByText(/parameters$/).waitFor();
  await row.getByText(/tokenizer\.json/).waitFor();
  await page.close();
});

describe('the page of dead letters', () => {
  test('discards a letter on the second press', async () => {
    const letter = {
      subject: 'jobs.datagen.compose',
      job: null,
      code: 'internal',
      reason: 'Nobody wants it.',
      attempts: 5,
    };
    await gateway.ledger.deadLetters.add(letter);
    const page = await open('/dead-letters');
    const row = page.locator('tbody tr').filter({ hasText: letter.reason });
    await row.getByRole('button', { name: /^Discard dead letter/ }).click();
    const again = row.getByRole('button', { name: /^Press again to discard/ });
    await again.waitFor();
    expect(await gateway.ledger.deadLetters.list()).toContainEqual(expect.objectContaining({ reason: letter.reason }));
    // What happens meanwhile leaves the letters as they are, and the first press counts.
    const read = page.waitForResponse((response) => response.url().includes('/v1/dead-letters'));
    const state = { type: 'run.state', run: finished.id, at: new Date().toISOString(), data: {} } as const;
    new EventBus(gateway.connection).publish(state);
    await (await read).finished();
    await again.click({ timeout: 3000 });
    await row.waitFor({ state: 'detached' });
    expect(await gateway.ledger.deadLetters.list()).not.toContainEqual(
      expect.objectContaining({ reason: letter.reason }),
    );
    await page.close();
  });

  test('says why a run failed, and sets it going again', async () => {
    const run = await createRun({ name: 'broken', seed: 6 });
    const { digest } = (await gateway.ledger.runs.stages(run.id))[0]!;
    const reason = 'The model has no chat template; add one and register it again.';
    const letter = {
      subject: 'jobs.datagen.compose',
      job: { id: 'x', stage: digest, chunk: 0 },
      code: 'model-invalid',
    };
    const page = await open(`/runs/${run.id}`);
    await page.locator('.state.running').waitFor();
    await gateway.ledger.transaction(async (tx) => {
      await tx.deadLetters.add({ ...letter, reason, attempts: 1 });
      await failStage(tx, digest, reason, 0);
    });
    await page.getByRole('alert').filter({ hasText: reason }).waitFor();

    await page.getByRole('link', { name: 'Dead letters' }).click();
    await page.getByText(reason).waitFor();
    const row = page.locator('tbody tr').filter({ hasText: reason });
    await row.getByRole('button', { name: /Retry/ }).click();
    await row.getByText(/^retried/).waitFor();
    expect((await gateway.ledger.runs.view(run.id)).state).toBe('running');
    await page.close();
  });
});

describe('every page', () => {
  const pages = async (): Promise<string[]> => {
    const [pair] = await get<PairView[]>(`/v1/runs/${finished.id}/pairs?limit=1`);
    const run = `/runs/${finished.id}`;
    return [
      run,
      `${run}/pairs`,
      `${run}/pairs/${pair!.digest}`,
      `${run}/evaluation`,
      `${run}/metrics`,
      '/compare',
      '/models',
      '/system',
      '/events',
      '/dead-letters',
      '/runs/nobody',
    ];
  };

  test('fits on a phone', async () => {
    const page = await open('/');
    await page.setViewportSize({ width: 375, height: 700 });
    for (const hash of await pages()) {
      await page.evaluate('document.querySelector("main > *").setAttribute("data-old", "")');
      await page.goto(`${gateway.url}/#${hash}`);
      await page.locator('main > :not([data-old]) :is(h1, .problem)').first().waitFor();
      expect([hash, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([hash, 375]);
    }
    await page.close();
  });

  // Of all that axe looks at, contrast alone depends on the theme.
  const rules = { light: {}, dark: { runOnly: ['color-contrast'] } };
  test.each(['light', 'dark'] as const)('has nothing that axe objects to, %s', async (theme) => {
    const options = JSON.stringify({ resultTypes: ['violations'], ...rules[theme] });
    const page = await open('/');
    await page.emulateMedia({ colorScheme: theme });
    await page.evaluate(axe.source);
    for (const hash of await pages()) {
      await page.evaluate('document.querySelector("main > *").setAttribute("data-old", "")');
      await page.goto(`${gateway.url}/#${hash}`);
      await page.locator('main > :not([data-old]) :is(h1, .problem)').first().waitFor();
      const { violations } = await page.evaluate<AxeResults>(`axe.run(document, ${options})`);
      const told = violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`,
      );
      expect([hash, told]).toEqual([hash, []]);
    }
    await page.close();
  });

  test('is reached by keyboard alone, in the order it is read', async () => {
    const page = await open('/');
    const focused = () => page.evaluate<string>('document.activeElement.textContent.trim()');
    const seen: string[] = [];
    for (let tabs = 0; tabs < 8; tabs++) {
      await page.keyboard.press('Tab');
      seen.push(await focused());
    }
    expect(seen).toEqual([
      'Skip to the content',
      'Solopo',
      'Runs',
      'Compare',
      'Models',
      'System',
      'Events',
      expect.stringMatching(/^Dead letters/),
    ]);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Events', level: 1 }).waitFor();
    // Whoever follows a link goes on in the page itself.
    expect(await page.evaluate('document.activeElement.id')).toBe('main');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('SELECT');
    await page.close();
  });

  test('is dark or light as chosen, and stays so', async () => {
    const page = await open(`/runs/${finished.id}`);
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const before = await ground();
    await page.getByRole('button', { name: /dark and light/ }).click();
    const after = await ground();
    expect(after).not.toBe(before);
    await page.reload();
    expect(await ground()).toBe(after);
    await page.close();
  });

  describe('where the gateway wants a token', () => {
    const adminToken = 'a'.repeat(40);
    beforeAll(async () => {
      Object.assign(gateway.config, { auth: 'required', adminToken });
      await gateway.restart();
    });

    test('asks for one', async () => {
      const page = await open(`/runs/${finished.id}`);
      const token = page.getByLabel('Token', { exact: true });
      await token.fill('wrong');
      await token.press('Enter');
      await page.getByRole('alert').waitFor();
      await token.fill(adminToken);
      await token.press('Enter');
      await page.getByRole('heading', { name: 'the first' }).waitFor();
      await page.getByText('Live', { exact: true }).waitFor();
      expect(await page.evaluate('[sessionStorage.length, JSON.stringify(localStorage)]')).toEqual([
        1,
        expect.not.stringContaining(adminToken) as string,
      ]);
      await page.close();
    });

    test('keeps the right one when a wrong one is refused late', async () => {
      const page = await open(`/runs/${finished.id}`);
      const right = Promise.withResolvers<void>();
      const isWrong = (asked: Request) => asked.headers()['authorization'] === 'Bearer wrong';
      await page.route('**/v1/models', async (route) => {
        if (isWrong(route.request())) await right.promise;
        await route.continue();
      });
      const refusal = page.waitForResponse(
        (response) => response.url().endsWith('/v1/models') && isWrong(response.request()),
      );
      const token = page.getByLabel('Token', { exact: true });
      await token.fill('wrong');
      await token.press('Enter');
      await page.getByRole('alert').waitFor();
      await token.fill(adminToken);
      await token.press('Enter');
      right.resolve();
      expect((await refusal).status()).toBe(401);
      await page.getByText('Live', { exact: true }).waitFor();
      expect(await page.evaluate('Object.values(sessionStorage)')).toEqual([adminToken]);
      await page.close();
    });
  });
});
