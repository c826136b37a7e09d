import type { SequencedEvent } from '@solopo/bus';
import { describe, expect, it } from 'vitest';
import { EventLog, type EventPlace } from './event-log.ts';

const event = (sequence: number, run = 'a', type: SequencedEvent['event']['type'] = 'run.step'): SequencedEvent => ({
  sequence,
  event: { type, run, at: '', data: {} },
});
const idsOf = (text: string): number[] => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

function logOf(...events: readonly SequencedEvent[]): EventLog {
  const log = new EventLog(10);
  for (const each of events) log.add(each);
  return log;
}
const read = (log: EventLog, place: EventPlace): number[] => idsOf(log.read(place).take());

describe('the events that are kept', () => {
  it('are read from a place on, of one run or of all, once', () => {
    const log = logOf(event(1), event(2, 'b'), event(4), event(5));
    expect(read(log, { after: 0 })).toEqual([1, 2, 4, 5]);
    expect(read(log, { after: 2 })).toEqual([4, 5]);
    const reader = log.read({ after: 0, run: 'a' });
    expect(idsOf(reader.take())).toEqual([1, 4, 5]);
    expect(reader.take()).toBe('');
    log.add(event(6));
    expect(idsOf(reader.take())).toEqual([6]);
  });

  it('from now on are those to come, and warnings', () => {
    const log = logOf(event(1), event(2, 'a', 'run.warning'));
    const reader = log.read({ after: 'now', run: 'a' });
    log.add(event(3));
    expect(idsOf(reader.take())).toEqual([2, 3]);
  });

  it('wake who waits for them, and so does its end', async () => {
    const log = logOf();
    const reader = log.read({ after: 0 });
    const ending = new AbortController();
    const news = reader.news(ending.signal);
    log.add(event(1));
    await news;
    expect(idsOf(reader.take())).toEqual([1]);
    const end = reader.news(ending.signal);
    ending.abort();
    await end;
    await reader.news(ending.signal);
  });

  it('are told also when the server lost its stream and begins anew', () => {
    const log = logOf(event(40), event(41));
    const reader = log.read({ after: 40 });
    expect(idsOf(reader.take())).toEqual([41]);
    log.add(event(1));
    log.add(event(2));
    expect(idsOf(reader.take())).toEqual([1, 2]);
    expect(log.recent(9, () => true).map(({ sequence }) => sequence)).toEqual([2, 1]);
  });

  it('are given up behind so many, and who is that late goes on with the oldest', () => {
    const log = logOf(event(1));
    const late = log.read({ after: 0 });
    for (let sequence = 2; sequence <= 21; sequence++) log.add(event(sequence));
    expect(idsOf(late.take())).toEqual([12, 13, 14, 15, 16, 17, 18, 19, 20, 21]);
  });
});
