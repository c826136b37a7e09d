import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Router, static as files, type Response } from 'express';

const WEB = fileURLToPath(new URL('../../web', import.meta.url));
const RUNBOOKS = fileURLToPath(new URL('../../../../docs/runbooks', import.meta.url));
const UPLOT = dirname(createRequire(import.meta.url).resolve('uplot/dist/uPlot.min.css'));

/** Nothing from elsewhere, nothing inline. */
const HEADERS = {
  'content-security-policy': "default-src 'self'",
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

const OPTIONS = {
  cacheControl: false,
  redirect: false,
  setHeaders: (response: Response) => {
    response.set({ ...HEADERS, 'cache-control': 'no-cache' });
  },
};

/** To be read, not to be saved. */
const PAGES = {
  ...OPTIONS,
  index: false,
  setHeaders: (response: Response) => {
    OPTIONS.setHeaders(response);
    response.set('content-type', 'text/plain; charset=utf-8');
  },
} as const;

/** The dashboard's own files, the chart library's, and the pages that alerts link to. What is not one of them goes on to the API. */
export function dashboardFiles(): Router {
  return Router()
    .use('/vendor/uplot', files(UPLOT, { ...OPTIONS, index: false }))
    .use('/runbooks', files(RUNBOOKS, PAGES))
    .use(files(WEB, OPTIONS));
}
