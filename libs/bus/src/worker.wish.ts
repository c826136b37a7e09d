import type { App } from '@solopo/functions';
import type { NatsConnection } from './connection.ts';
import { WISH_MS, wishSubject } from './streams.ts';

/**
 * While `work` goes on, somebody wants an answer of a worker of the app: whoever scales workers starts one and keeps it.
 * Best effort: the one who asks sees that nobody answers, and asks again.
 */
export async function wantingWorker<T>(connection: NatsConnection, app: App, work: () => Promise<T>): Promise<T> {
  const say = () => {
    if (!connection.isClosed()) connection.publish(wishSubject(app));
  };
  say();
  const again = setInterval(say, WISH_MS / 4);
  try {
    return await work();
  } finally {
    clearInterval(again);
  }
}
