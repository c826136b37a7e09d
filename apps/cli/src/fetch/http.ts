import { FetchError } from './fetch.error.ts';

/** GET. A name and password in the address go into a header, which fetch wants of us. */
export async function ask(
  address: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  const { url, authorization } = parted(address);
  try {
    return await fetch(url, { headers: { ...headers, ...authorization }, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new FetchError(`${shown(address)} cannot be reached (${reasonOf(error)})`, { cause: error });
  }
}

/** An address without its password. */
export function shown(address: string): string {
  return parted(address).url;
}

function parted(address: string): { readonly url: string; readonly authorization: Record<string, string> } {
  const url = new URL(address);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const pair = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return { url: url.href, authorization: username === '' ? {} : { Authorization: `Basic ${pair}` } };
}

/** fetch says "fetch failed"; what failed is the cause. */
export function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  if (cause instanceof Error) return (cause as NodeJS.ErrnoException).code ?? cause.message;
  return error instanceof Error ? error.message : String(error);
}
