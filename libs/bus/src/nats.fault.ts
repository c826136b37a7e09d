import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { SolopoError } from '@solopo/contracts';
import type { NatsConnection } from './connection.ts';

const ANSWER_LIMIT_MS = 2000;

/** The server's own word that it cannot now: no leader yet, or JetStream is not up. */
const UNAVAILABLE = 503;

/** What the client throws while the server is away, by its name; any other error as it is. */
export function natsFault(error: unknown): unknown {
  if (!isAway(error)) return error;
  return new SolopoError(
    'not-ready',
    'NATS does not answer; look whether it runs. What waits for it goes on by itself, so try again in a moment.',
    { cause: error },
  );
}

/** @throws SolopoError `not-ready` where the server does not answer now */
export async function demandNats(connection: NatsConnection): Promise<void> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(() => limit.reject(new errors.TimeoutError()), ANSWER_LIMIT_MS);
  try {
    await Promise.race([connection.rtt(), limit.promise]);
  } catch (error) {
    throw natsFault(error);
  } finally {
    clearTimeout(timer);
  }
}

function isAway(error: unknown): boolean {
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.NoRespondersError ||
    error instanceof errors.RequestError ||
    error instanceof errors.ConnectionError ||
    error instanceof errors.ClosedConnectionError ||
    error instanceof errors.DrainingConnectionError ||
    (error instanceof Error && error.name === 'JetStreamNotEnabled') ||
    (error instanceof JetStreamApiError && error.status === UNAVAILABLE)
  );
}
