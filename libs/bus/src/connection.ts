import { SolopoError } from '@solopo/contracts';
import { connect, type NatsConnection } from '@nats-io/transport-node';

export type { NatsConnection } from '@nats-io/transport-node';

/** What a client needs of an address: `nats://user:password@host:4222`. The client itself reads no user from it. */
export interface NatsAddress {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
}

export function parseNatsUrl(text: string): NatsAddress {
  const url = new URL(text);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  // A URL of a scheme that the standard does not know keeps no default path.
  const servers = [url.href.replace(/\/$/, '')];
  if (username === '') return { servers };
  return { servers, user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}

/** A server that is gone without a word breaks no connection: three questions without an answer do. */
const PING_MS = 5000;

/** A connection that comes back after every loss. `name` is what the server's monitoring shows. */
export async function connectNats(
  url: string,
  name: string,
  { pingMs = PING_MS }: { readonly pingMs?: number } = {},
): Promise<NatsConnection> {
  try {
    return await connect({
      ...parseNatsUrl(url),
      name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      pingInterval: pingMs,
      maxPingOut: 2,
    });
  } catch (error) {
    throw new SolopoError('not-ready', 'NATS does not answer; start it, or correct SOLOPO_NATS_URL.', { cause: error });
  }
}
