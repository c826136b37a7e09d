import type { SequencedEvent } from '@solopo/bus';
import { describe, expect, it } from 'vitest';
import { EventLog, type EventStart } from './event-log.ts';

const event = (sequence: number, run = 'a', type: SequencedEvent['event']['type'] = 'run.step'): SequencedEvent => ({
  stream: 'm1',
  sequence,
  event: { type, run, at: '', data: {} },
});
const idsOf = (text = ''): number[] => [...text.matchAll(/^id: m\d-(\d+)$/gm)].map(([, id]) => Number(id));

function logOf(...events: readonly SequencedEvent[]): EventLog {
  const log = new EventLog(10);
  log.begin({ stream: 'm1', sequence: events.at(-1)?.sequence ?? 0 }, false);
  for (const each of events) log.add(each);
  return log;
}
const after = (sequence: number, stream: string | null = 'm1'): EventStart => ({
  from: 'start',
  after: { stream, sequence },
});
const read = (log: EventLog, start: EventStart): number[] => idsOf(log.read(start).take());

describe('the events that are kept', () => {
  it('are read from a place on, of one run or of all, once', () => {
    const log = logOf(event(1), event(2, 'b'), event(4), event(5));
    expect(read(log, { from: 'start' })).toEqual([1, 2, 4, 5]);
    expect(read(log, after(2))).toEqual([4, 5]);
    const reader = log.read({ from: 'start', run: 'a' });
    expect(idsOf(reader.take())).toEqual([1, 4, 5]);
    expect(reader.take()).toBe('');
    log.add(event(6));
    expect(idsOf(reader.take())).toEqual([6]);
  });

  it('from now on are those to come, and warnings', () => {
    const log = logOf(event(1), event(2, 'a', 'run.warning'));
    const reader = log.read({ from: 'now', run: 'a' });
    log.add(event(3));
    expect(idsOf(reader.take())).toEqual([2, 3]);
  });

  it('wake who waits for them, and so does its end', async () => {
    const log = logOf();
    const reader = log.read({ from: 'start' });
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

  it('end when the server lost their stream, and who comes back is told', async () => {
    const log = logOf(event(40), event(41));
    const reader = log.read(after(40));
    expect(idsOf(reader.take())).toEqual([41]);
    const news = reader.news(new AbortController().signal);
    log.begin({ stream: 'm2', sequence: 60 }, false);
    await news;
    expect(reader.take()).toBeUndefined();
    for (const sequence of [58, 60]) log.add({ ...event(sequence), stream: 'm2' });

    const told = 'event: restarted\ndata: {}\n\n';
    expect(log.read(after(41)).take()).toMatch(`id: m2-0\n${told}id: m2-58\n`);
    const resumed = log.read({ ...after(41), from: 'now' });
    expect(resumed.take()).toBe(`id: m2-60\n${told}`);
    log.add({ ...event(61), stream: 'm2' });
    expect(idsOf(resumed.take())).toEqual([61]);
    expect(log.recent(9, () => true).map(({ sequence }) => sequence)).toEqual([61, 60, 58]);
    // A number alone names no stream.
    expect(read(log, after(58, null))).toEqual([60, 61]);
  });

  it('end when their stream lost its own end', () => {
    const log = logOf(event(40), event(41));
    const reader = log.read(after(40));
    log.begin({ stream: 'm1', sequence: 40 }, false);
    log.add(event(40));
    expect(reader.take()).toBeUndefined();
    expect(log.read(after(41)).take()).toMatch(/^id: m1-0\nevent: restarted\n/);
    expect(log.read(after(39)).take()).toMatch(/^id: m1-40\ndata/);
  });

  it('go on where they were when the stream is opened again, and what is there but not heard of yet is waited for', () => {
    const log = logOf(event(40));
    const reader = log.read(after(40));
    log.begin({ stream: 'm1', sequence: 44 }, true);
    const ahead = log.read(after(43));
    for (const sequence of [42, 43, 44]) log.add(event(sequence));
    expect(idsOf(reader.take())).toEqual([42, 43, 44]);
    expect(idsOf(ahead.take())).toEqual([44]);
  });

  it('are given up behind so many, and who is that late goes on with the oldest', () => {
    const log = logOf(event(1));
    const late = log.read({ from: 'start' });
    for (let sequence = 2; sequence <= 21; sequence++) log.add(event(sequence));
    expect(idsOf(late.take())).toEqual([12, 13, 14, 15, 16, 17, 18, 19, 20, 21]);
  });
});
