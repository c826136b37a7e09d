import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';
import type { App, FunctionSpec } from '@solopo/functions';

export const WORK = 'WORK';
export const EVENTS = 'EVENTS';
export const DEAD = 'DEAD';
export const WANTED = 'WANTED';

/** A wish for a worker holds for so long; it is said again while it is one. */
export const WISH_MS = 20_000;

const MIB = 1024 * 1024;
const nanos = (ms: number): number => ms * 1_000_000;
const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;

export type StreamDefinition = Pick<
  StreamConfig,
  'name' | 'subjects' | 'retention' | 'storage' | 'discard' | 'max_bytes'
> &
  Partial<StreamConfig>;

/**
 * Work is kept until it is done, and refused when there is too much of it; facts and dead letters are kept for a time. Of
 * wishes for a worker the last is kept, for a while: nobody takes them, whoever scales workers sees that they are there.
 */
export const STREAMS: readonly StreamDefinition[] = [
  {
    name: WORK,
    subjects: ['jobs.>'],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_bytes: 64 * MIB,
    duplicate_window: nanos(10 * MINUTE_MS),
  },
  {
    name: EVENTS,
    subjects: ['events.>'],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_bytes: 128 * MIB,
    max_age: nanos(DAY_MS),
    duplicate_window: nanos(2 * MINUTE_MS),
  },
  {
    name: DEAD,
    subjects: ['dead.>'],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_bytes: 64 * MIB,
    max_age: nanos(30 * DAY_MS),
    duplicate_window: nanos(10 * MINUTE_MS),
  },
  {
    name: WANTED,
    subjects: [wishSubject('*')],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_bytes: MIB,
    max_msgs_per_subject: 1,
    max_age: nanos(WISH_MS),
    duplicate_window: nanos(WISH_MS),
  },
];

/** `jobs.datagen.compose` -> `datagen-compose`, `jobs.datagen.sample.torch` -> `datagen-sample-torch`: the durable consumer of a queue. */
export function consumerName(spec: Pick<FunctionSpec, 'subject'>): string {
  return spec.subject.split('.').slice(1).join('-');
}

/** Somebody wants an answer of a worker of the app. */
export function wishSubject(app: App | '*'): string {
  return `wanted.${app}`;
}

/** What it lags behind says whether a worker of the app is wanted: the scaler reads it as it reads those of jobs. */
export function wishConsumerName(app: App): string {
  return `wanted-${app}`;
}

export function deadLetterSubject(subject: string): string {
  return `dead.${subject}`;
}

export function eventSubject(run: string): string {
  return `events.runs.${run}`;
}
