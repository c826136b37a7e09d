import { FetchError } from './fetch.error.ts';
import { ask, shown } from './http.ts';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';

/**
 * The address of a file in an index of Python packages, by the simple API (packaging.python.org, simple-repository-api), as JSON or
 * as HTML, whichever the index has.
 */
export async function packageFileUrl(
  index: string,
  project: string,
  file: string,
  signal: AbortSignal,
): Promise<string> {
  const page = new URL(`${project}/`, index).href;
  const response = await ask(page, { Accept: `${JSON_TYPE}, text/html;q=0.5` }, signal);
  const body = await response.text().catch((cause: unknown) => {
    throw new FetchError(`${shown(page)} broke off`, { cause });
  });
  if (!response.ok) throw new FetchError(`${shown(page)} answered ${response.status}`);
  const isJson = (response.headers.get('content-type') ?? '').includes('json');
  const found = isJson ? inJson(body, file) : inHtml(body, file);
  if (found === undefined) throw new FetchError(`${shown(page)} does not list ${file}`);
  // Relative addresses are of the page that answered, wherever the index lies.
  return new URL(found, response.url || page).href;
}

function inJson(body: string, wanted: string): string | undefined {
  try {
    const { files } = JSON.parse(body) as { readonly files?: readonly { filename?: unknown; url?: unknown }[] };
    const url = files?.find(({ filename }) => filename === wanted)?.url;
    return typeof url === 'string' ? url : undefined;
  } catch {
    return undefined;
  }
}

function inHtml(body: string, wanted: string): string | undefined {
  for (const [, attributes = '', text = ''] of body.matchAll(/<a\s([^>]*)>([^<]*)<\/a>/gi)) {
    if (text.trim() !== wanted) continue;
    const [, href] = /href\s*=\s*["']([^"']+)["']/i.exec(attributes) ?? [];
    return href?.replaceAll('&amp;', '&');
  }
  return undefined;
}
