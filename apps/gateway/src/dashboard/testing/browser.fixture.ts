import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, it } from 'vitest';
import { findChromium, installChromium, openChromium } from './chromium.ts';

let chromium = findChromium();
const REPORT_VIOLATIONS =
  "addEventListener('securitypolicyviolation', (event) => console.error('CSP: ' + event.violatedDirective))";
const WHY_NOT = 'Chromium is not installed; install it, or set SOLOPO_CHROMIUM to its path.';
const INSTALL_MS = 300_000;

export interface BrowserFixture {
  /** A new tab, watched for what a page must not do. */
  open(url: string): Promise<Page>;
  /** Errors, violations of the content security policy, and requests to any other host, of all tabs. */
  takeFaults(): readonly string[];
  /** Skipped, with the reason, where there is no browser. */
  readonly test: BrowserTest;
}

interface BrowserTest {
  (name: string, run: () => Promise<void>): void;
  each<T>(cases: readonly T[]): (name: string, run: (value: T) => Promise<void>) => void;
}

/** One real browser for all tests of a file. */
export function useBrowser(): BrowserFixture {
  let browser: Awaited<ReturnType<typeof openChromium>>;
  const faults: string[] = [];

  beforeAll(async () => {
    chromium ??= installChromium();
    if (chromium === undefined) return;
    browser = await openChromium(chromium);
    await browser.context.addInitScript(REPORT_VIOLATIONS);
  }, INSTALL_MS);
  // A test that failed leaves its tabs open, and what they do would disturb the next.
  afterEach(async () => {
    if (chromium === undefined) return;
    for (const page of browser.context.pages().slice(1)) await page.close();
  });
  afterAll(async () => {
    if (chromium !== undefined) await browser.close();
  });

  return {
    takeFaults: () => faults.splice(0),
    open: async (url) => {
      const page = await browser.context.newPage();
      page.on('pageerror', (error) => faults.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error' && !/status of (40[149]|503)|ERR_CONNECTION|ERR_INCOMPLETE/.test(message.text()))
          faults.push(message.text());
      });
      page.on('request', (request) => {
        if (new URL(request.url()).origin !== new URL(url).origin) faults.push(`asked for ${request.url()}`);
      });
      await page.goto(url);
      return page;
    },
    test: Object.assign(test, { each }),
  };
}

const test = (name: string, run: () => Promise<void>): void =>
  it(name, async ({ skip }) => {
    if (chromium === undefined) skip(WHY_NOT);
    await run();
  });

const each =
  <T>(cases: readonly T[]) =>
  (name: string, run: (value: T) => Promise<void>): void => {
    for (const value of cases) test(name.replace('%s', String(value)), () => run(value));
  };
