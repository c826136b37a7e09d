import type { App } from '@solopo/functions';
import type { NatsConnection } from './connection.ts';

/** Somebody wants an answer of a worker of the app: whoever scales workers may start one, and keep it for a while. */
export function wishSubject(app: App | '*'): string {
  return `wanted.${app}`;
}

/** Best effort: the one who asks sees that nobody answers, and asks again. */
export function wantWorker(connection: NatsConnection, app: App): void {
  if (!connection.isClosed()) connection.publish(wishSubject(app));
}
