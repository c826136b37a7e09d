import type { EventPlace } from '@solopo/bus';
import { z } from 'zod';

/** A place in a stream that the client may not have named. */
export interface AskedPlace {
  readonly stream: string | null;
  readonly sequence: number;
}

/** `m1x2y3z4-17`. A number alone is taken for a place in the stream that there is. */
export const eventIdSchema = z
  .string()
  .regex(/^([0-9a-z]+-)?\d{1,15}$/, { error: 'Last-Event-ID must be the id of an event' });

export function eventId({ stream, sequence }: EventPlace): string {
  return `${stream}-${sequence}`;
}

export function placeOfEvent(id: string): AskedPlace {
  const [sequence, stream = null] = id.split('-').reverse();
  return { stream, sequence: Number(sequence) };
}
