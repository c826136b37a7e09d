import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';
import type { FunctionSpec } from '@solopo/functions';

export const WORK = 'WORK';
export const EVENTS = 'EVENTS';
export const DEAD = 'DEAD';

const MIB = 1024 * 1024;
const nanos = (ms: number): number => ms * 1_000_000;
const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;

export type StreamDefinition = Pick<
  StreamConfig,
  'name' | 'subjects' | 'retention' | 'storage' | 'discard' | 'max_bytes'
> &
  Partial<StreamConfig>;

/** Work is kept until it is done, and refused when there is too much of it; facts and dead letters are kept for a time. */
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
];

/** `jobs.datagen.compose` -> `datagen-compose`: the durable consumer of a function's subject. */
export function consumerName(spec: Pick<FunctionSpec, 'subject'>): string {
  return spec.subject.split('.').slice(1).join('-');
}

export function deadLetterSubject(subject: string): string {
  return `dead.${subject}`;
}

export function eventSubject(run: string): string {
  return `events.runs.${run}`;
}
