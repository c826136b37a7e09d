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

const LOOKS = [
  { look: 'light', colorScheme: 'light', viewport: { width: 1360, height: 850 } },
  { look: 'dark', colorScheme: 'dark', viewport: { width: 1360, height: 850 } },
  { look: 'phone', colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
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

const run = await showcase();
await mkdir(folder, { recursive: true });
for (const { look, ...options } of LOOKS) {
  const profile = await mkdtemp(join(tmpdir(), 'solopo-browser-'));
  const browser = await chromium.launchPersistentContext(profile, { ...BROWSER, executablePath, ...options });
  try {
    if (token !== undefined)
      await browser.addInitScript((value) => sessionStorage.setItem('solopo.token', value), token);
    await take(await browser.newPage(), look);
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function take(page, look) {
  // A phone shows a page a screen at a time.
  const whole = look !== 'phone';
  const shoot = async (name, hash, ready, fullPage = whole) => {
    await page.goto(`${api}/${hash}`);
    await page.waitForSelector(ready);
    await page.waitForTimeout(400);
    const path = `${folder}dashboard-${name}-${look}.png`;
    await page.screenshot({ path, fullPage });
    console.log(path);
  };
  await shoot('overview', '#/', 'tbody tr');
  await shoot('run', `#/runs/${run}`, '.accuracy-plot svg');
  await shoot('pairs', `#/runs/${run}/pairs`, '.pairs tbody tr', false);
  const pair = await page.getAttribute('.pairs .row-link', 'href');
  await shoot('pair', pair ?? '#/', '.context-text mark');
}

/** The latest finished run, of the solo arm if there is one. */
async function showcase() {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${api}/v1/runs`, { headers }).catch(() =>
    fail(`Nothing answers at ${api}; run ./solopo demo --keep.`),
  );
  if (!response.ok) fail(`${api} answered with status ${response.status}; set SOLOPO_TOKEN if it asks for tokens.`);
  const finished = (await response.json()).filter(({ state }) => state === 'succeeded');
  const best = finished.find(({ config }) => config.arm === 'solo') ?? finished[0];
  return best?.id ?? fail('No run has finished yet; run ./solopo demo --keep and wait for its report.');
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
