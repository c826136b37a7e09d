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

const PING_MS = 5000;

/** Of every connection: it comes back after every loss. A server that is gone without a word ends none; three questions without an answer do. */
export function lasting(pingMs = PING_MS) {
  return { maxReconnectAttempts: -1, pingInterval: pingMs, maxPingOut: 2 } as const;
}

/** @param name what the server's monitoring shows */
export async function connectNats(
  url: string,
  name: string,
  { pingMs }: { readonly pingMs?: number } = {},
): Promise<NatsConnection> {
  try {
    return await connect({
      ...parseNatsUrl(url),
      ...lasting(pingMs),
      name,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
    });
  } catch (error) {
    throw new SolopoError('not-ready', 'NATS does not answer; start it, or correct SOLOPO_NATS_URL.', { cause: error });
  }
}
