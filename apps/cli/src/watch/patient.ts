import type { ApiClient } from '../client/api.client.ts';

/** A client for who waits anyway: a system that is away, or whose database is, is waited for, and that is said once each time. */
export function patient(api: ApiClient, say: (line: string) => void): { readonly api: ApiClient; heard(): void } {
  let isWaiting = false;
  const onWait = (reason: Error): void => {
    if (!isWaiting) say(`Waiting, and going on when it is over: ${reason.message}`);
    isWaiting = true;
  };
  return { api: api.with({ maxAttempts: Infinity, onWait }), heard: () => void (isWaiting = false) };
}
