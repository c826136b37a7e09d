// Pictures of the dashboard for the documentation:
//
//     ./solopo demo --keep                                    (in another terminal; it prints its address)
//     SOLOPO_API=http://127.0.0.1:PORT npm run screenshots
//
// Options of the environment: SOLOPO_TOKEN where tokens are asked for, SOLOPO_CHROMIUM for a browser elsewhere.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ALL = [
  'overview',
  'run',
  'pairs',
  'pair',
  'evaluation',
  'compare',
  'metrics',
  'system',
  'events',
  'dead-letters',
];
const LOOKS = [
  { look: 'light', names: ALL, colorScheme: 'light', viewport: { width: 1360, height: 850 } },
  {
    look: 'dark',
    names: ['overview', 'run', 'pair', 'evaluation'],
    colorScheme: 'dark',
    viewport: { width: 1360, height: 850 },
  },
  {
    look: 'phone',
    names: ['overview', 'run', 'pairs', 'pair', 'evaluation', 'compare'],
    colorScheme: 'light',
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 1.5,
  },
];

const BROWSER = {
  headless: true,
  reducedMotion: 'reduce',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-sync'],
};

const api = process.env.SOLOPO_API;
if (api === undefined || api === '')
  fail('SOLOPO_API is not set; run ./solopo demo --keep and set it to the address it prints.');
const executablePath =
  [process.env.SOLOPO_CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
    (path) => path && existsSync(path),
  ) ?? fail('Chromium is not installed; install it, or set SOLOPO_CHROMIUM to its path.');
const token = process.env.SOLOPO_TOKEN;
const folder = fileURLToPath(new URL(process.env.SOLOPO_IMAGES ?? '../../docs/images/', import.meta.url));

const finished = await finishedRuns();
const run = showcase();
await mkdir(folder, { recursive: true });
for (const { look, names, ...options } of LOOKS) {
  const profile = await mkdtemp(join(tmpdir(), 'solopo-browser-'));
  const browser = await chromium.launchPersistentContext(profile, { ...BROWSER, executablePath, ...options });
  try {
    if (token !== undefined)
      await browser.addInitScript((value) => sessionStorage.setItem('solopo.token', value), token);
    await take(await browser.newPage(), look, names);
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function take(page, look, names) {
  // A phone shows a page a screen at a time.
  const whole = look !== 'phone';
  const shoot = async (name, hash, ready, { fullPage = whole, within = 15_000 } = {}) => {
    if (!names.includes(name)) return;
    await page.goto(`${api}/${hash}`);
    await page.waitForSelector(ready, { timeout: within });
    await page.waitForTimeout(500);
    const path = `${folder}dashboard-${name}-${look}.png`;
    await page.screenshot({ path, fullPage });
    console.log(path);
  };
  await shoot('overview', '#/', 'tbody tr');
  await shoot('run', `#/runs/${run}`, '.accuracy-plot svg');
  await shoot('pairs', `#/runs/${run}/pairs`, '.pairs tbody tr', { fullPage: false });
  const pair = `#/runs/${run}/pairs/${await firstPair()}`;
  // A reward worker starts first.
  await shoot('pair', `${pair}?step=latest`, '.attention svg', { within: 90_000 });
  await shoot('evaluation', `#/runs/${run}/evaluation`, '.heat-map.difference td');
  await shoot('compare', `#/compare?runs=${finished.map(({ id }) => id).join(',')}`, '.comparison tbody tr');
  await shoot('metrics', `#/runs/${run}/metrics`, '.metric-group .chart', { fullPage: false });
  await shoot('system', '#/system', '.system-table tbody tr');
  await shoot('events', '#/events', '.events tbody tr', { fullPage: false });
  await shoot('dead-letters', '#/dead-letters', 'h1', { fullPage: false });
}

async function firstPair() {
  const [pair] = await read(`/v1/runs/${run}/pairs?split=held-out&limit=1`);
  return (pair ?? (await read(`/v1/runs/${run}/pairs?limit=1`))[0])?.digest;
}

/** Of the solo arm if there is one. */
function showcase() {
  const best = finished.findLast(({ config }) => config.arm === 'solo') ?? finished.at(-1);
  return best?.id ?? fail('No run has finished yet; run ./solopo demo --keep and wait for its report.');
}

/** The latest few, oldest first. */
async function finishedRuns() {
  const runs = await read('/v1/runs');
  return runs
    .filter(({ state }) => state === 'succeeded')
    .slice(0, 6)
    .reverse();
}

async function read(path) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${api}${path}`, { headers }).catch(() =>
    fail(`Nothing answers at ${api}; run ./solopo demo --keep.`),
  );
  if (!response.ok) fail(`${api} answered with status ${response.status}; set SOLOPO_TOKEN if it asks for tokens.`);
  return response.json();
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
