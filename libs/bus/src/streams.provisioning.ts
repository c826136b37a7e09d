import { isDeepStrictEqual } from 'node:util';
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { SolopoError } from '@solopo/contracts';
import { APPS, QUEUES, type App, type FunctionSpec } from '@solopo/functions';
import type { NatsConnection } from './connection.ts';
import {
  consumerName,
  STREAMS,
  WANTED,
  WORK,
  wishConsumerName,
  wishSubject,
  type StreamDefinition,
} from './streams.ts';

export interface ProvisioningChange {
  /** `stream WORK`, `consumer datagen-compose`. */
  readonly target: string;
  readonly change: 'created' | 'updated' | 'unchanged' | 'obsolete';
  /** Setting: what it was and what it is now. */
  readonly differences: Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>>;
}

export interface ProvisioningOptions {
  readonly functions?: readonly FunctionSpec[];
  /** Over the definitions of all streams, such as `{ num_replicas: 3 }`. */
  readonly stream?: Partial<StreamConfig>;
  /** What is there stays as it is, though it differs. */
  readonly missingOnly?: boolean;
}

type DurableConfig = Partial<ConsumerConfig> & { readonly durable_name: string };

/** What can never be changed once a stream exists. */
const FIXED = ['retention', 'storage'] as const;

/**
 * Makes streams and consumers what the code says, changing only what differs. One owner calls it: the migrator. Others may make what is
 * missing.
 */
export async function provisionStreams(
  connection: NatsConnection,
  options: ProvisioningOptions = {},
): Promise<readonly ProvisioningChange[]> {
  const manager = await jetstreamManager(connection);
  const functions = options.functions ?? QUEUES;
  const missingOnly = options.missingOnly ?? false;
  const changes: ProvisioningChange[] = [];
  for (const definition of STREAMS)
    changes.push(await provisionStream(manager, { ...definition, ...options.stream }, missingOnly));
  const consumers = [
    ...functions.map((spec) => [WORK, consumerConfig(spec)] as const),
    ...APPS.map((app) => [WANTED, wishConsumerConfig(app)] as const),
  ];
  for (const [stream, config] of consumers) changes.push(await provisionConsumer(manager, stream, config, missingOnly));
  const wanted = new Set(functions.map(consumerName));
  for await (const { name } of manager.consumers.list(WORK)) {
    if (!wanted.has(name)) changes.push({ target: `consumer ${name}`, change: 'obsolete', differences: {} });
  }
  return changes;
}

/** Makes the consumer of a queue anew: it gives everything that the stream holds, also what it had given, or passed over. */
export async function renewConsumer(connection: NatsConnection, spec: FunctionSpec): Promise<void> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const { config } = await manager.consumers.info(WORK, consumerName(spec));
  await manager.consumers.delete(WORK, consumerName(spec));
  await manager.consumers.add(WORK, {
    ...consumerConfig(spec),
    ack_wait: config.ack_wait ?? spec.ackWaitMs * 1_000_000,
  });
}

async function provisionStream(
  manager: JetStreamManager,
  wanted: StreamDefinition,
  missingOnly: boolean,
): Promise<ProvisioningChange> {
  const target = `stream ${wanted.name}`;
  const found = await manager.streams.info(wanted.name).catch(unless(JetStreamApiCodes.StreamNotFound));
  if (found === undefined) {
    await manager.streams.add(wanted);
    return { target, change: 'created', differences: {} };
  }
  if (missingOnly) return { target, change: 'unchanged', differences: {} };
  const differences = compare(found.config, wanted);
  const fixed = FIXED.filter((key) => key in differences);
  if (fixed.length > 0) {
    throw new SolopoError(
      'conflict',
      `${target} has another ${fixed.join(' and ')}, which cannot change; let its work finish, delete it and migrate again.`,
    );
  }
  if (Object.keys(differences).length === 0) return { target, change: 'unchanged', differences };
  await manager.streams.update(wanted.name, { ...found.config, ...wanted });
  return { target, change: 'updated', differences };
}

async function provisionConsumer(
  manager: JetStreamManager,
  stream: string,
  wanted: DurableConfig,
  missingOnly: boolean,
): Promise<ProvisioningChange> {
  const target = `consumer ${wanted.durable_name}`;
  const found = await manager.consumers
    .info(stream, wanted.durable_name)
    .catch(unless(JetStreamApiCodes.ConsumerNotFound));
  if (found === undefined) {
    await manager.consumers.add(stream, wanted);
    return { target, change: 'created', differences: {} };
  }
  if (missingOnly) return { target, change: 'unchanged', differences: {} };
  const differences = compare(found.config, wanted);
  if (Object.keys(differences).length === 0) return { target, change: 'unchanged', differences };
  await manager.consumers.update(stream, wanted.durable_name, { ...found.config, ...wanted });
  return { target, change: 'updated', differences };
}

/**
 * No `backoff` (it would add to the delay of a negative acknowledgement) and no limit of deliveries: past one, JetStream
 * would leave the message without a consumer. The application ends what fails for good, as a dead letter. No limit of what is
 * unacknowledged: what waits to be tried again counts, and would keep everything else waiting; a worker takes one at a time anyway.
 */
function consumerConfig(spec: FunctionSpec): DurableConfig {
  return {
    durable_name: consumerName(spec),
    filter_subject: spec.subject,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: spec.ackWaitMs * 1_000_000,
    max_deliver: -1,
    max_ack_pending: -1,
  };
}

function wishConsumerConfig(app: App): DurableConfig {
  return {
    durable_name: wishConsumerName(app),
    filter_subject: wishSubject(app),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
  };
}

function compare(found: object, wanted: object): ProvisioningChange['differences'] {
  const before = found as Record<string, unknown>;
  const entries = Object.entries(wanted).filter(([key, value]) => !isDeepStrictEqual(before[key], value));
  return Object.fromEntries(entries.map(([key, value]) => [key, { from: before[key], to: value as unknown }]));
}

function unless(expected: number): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof JetStreamApiError && error.code === expected) return undefined;
    throw error;
  };
}
