import { SolopoError } from '@solopo/contracts';
import { connect, type NatsConnection } from '@nats-io/transport-node';

export type { NatsConnection } from '@nats-io/transport-node';

/** A connection that comes back after every loss. `name` is what the server's monitoring shows. */
export async function connectNats(url: string, name: string): Promise<NatsConnection> {
  try {
    return await connect({
      servers: url,
      name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
    });
  } catch (error) {
    throw new SolopoError('not-ready', 'NATS does not answer; start it, or correct SOLOPO_NATS_URL.', { cause: error });
  }
}
