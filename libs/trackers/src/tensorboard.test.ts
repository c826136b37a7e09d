import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnSource, waitFor } from '@solopo/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';
import { followRuns } from './follow-runs.ts';
import { decodeRecords, encodeRecord } from './records.ts';
import { TensorBoardTracker } from './tensorboard.tracker.ts';
import { readEventFiles } from './testing/event-file.reader.ts';
import { addRun, addSteps, addVersion, lossAt, phasesAt, useTrackedLedger } from './testing/tracked-ledger.fixture.ts';

const tracked = useTrackedLedger();
let folder: string;
let runs = 0;
let run: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-tensorboard-'));
  run = `run_${++runs}`;
  await addRun(tracked, run);
});

afterEach(async () => {
  await tracked.ledger.runs.end(run, 'succeeded');
  rmSync(folder, { recursive: true });
});

const home = (): string => join(folder, readdirSync(folder).find((name) => name.endsWith(`.${run}`)) ?? 'none');
const read = () => readEventFiles(home());
const points = () => read().scalars.map(({ tag, step }) => `${tag}@${step}`);
/** Meanwhile the file is being written: a reader may find none, or half a record. */
const hasPoints = (count: number): boolean => {
  try {
    return points().length >= count;
  } catch {
    return false;
  }
};

/** Follows until the file has so many points of this run. */
async function follow(count: number): Promise<void> {
  const stop = new AbortController();
  const following = followRuns(tracked.ledger, new TensorBoardTracker(folder), { signal: stop.signal, pollMs: 5 });
  try {
    await waitFor(`${count} points`, () => hasPoints(count), 60_000);
  } finally {
    stop.abort();
    await following;
  }
}

function expected(steps: number, versions: readonly number[] = []): string[] {
  const taken = Array.from({ length: steps }, (_, index) => index + 1);
  return [
    ...taken.flatMap((step) => [`train/loss@${step}`, `train/rewards/margins@${step}`]),
    ...versions.flatMap((step) => [`held_out/eval_loss@${step}`, `accuracy/8_documents@${step}`]),
  ];
}

const forwardAndBackward = (step: number) => [
  ['phase_seconds/forward', step, step / 4],
  ['phase_seconds/backward', step, step / 2],
];

describe('event files', () => {
  it('have checksums as RFC 3720 has them, and records that are found again up to the first broken one', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    const records = ['one', '', 'three'].map((text) => Buffer.from(text));
    const file = Buffer.concat(records.map(encodeRecord));
    expect(decodeRecords(file)).toEqual({ records, bytes: file.length });
    const first = encodeRecord(Buffer.from('one')).length;
    for (let cut = first; cut < first + 16; cut++) expect(decodeRecords(file.subarray(0, cut)).bytes).toBe(first);
    const broken = Buffer.from(file);
    broken[first + 16 + 13] = 0;
    expect(decodeRecords(broken).records).toHaveLength(2);
  });

  it('have what the ledger has: steps, held-out metrics and accuracies, with their times', async () => {
    const before = Date.now() / 1000;
    await addSteps(tracked, run, 300);
    await addVersion(tracked, run, 0);
    await addVersion(tracked, run, 300);
    await follow(604);
    const { version, scalars } = read();
    expect(version).toBe('brain.Event:2');
    expect(points()).toEqual([
      ...expected(300),
      ...['held_out/eval_loss@0', 'held_out/eval_loss@300', 'accuracy/8_documents@0', 'accuracy/8_documents@300'],
    ]);
    const value = (tag: string, step: number) =>
      scalars.find((scalar) => scalar.tag === tag && scalar.step === step)?.value;
    expect(value('train/loss', 7)).toBe(Math.fround(lossAt(7)));
    expect(value('held_out/eval_loss', 300)).toBe(310);
    expect(value('accuracy/8_documents', 0)).toBe(0.5);
    for (const { wallTime } of scalars) {
      expect(wallTime).toBeGreaterThan(before - 60);
      expect(wallTime).toBeLessThan(Date.now() / 1000 + 60);
    }
  });

  it('have the seconds of a step by phase beside its metrics, where the ledger has them', async () => {
    await addSteps(tracked, run, 2);
    await addSteps(tracked, run, 6, phasesAt);
    await follow(21);
    await addSteps(tracked, run, 7, phasesAt);
    await follow(25);
    const phases = read().scalars.filter(({ tag }) => tag.startsWith('phase_seconds/'));
    expect(phases.map(({ tag, step, value }) => [tag, step, value])).toEqual([
      ...[3, 4].flatMap((step) => forwardAndBackward(step)),
      ['phase_seconds/load', 5, 2.5],
      ...[5, 6, 7].flatMap((step) => forwardAndBackward(step)),
    ]);
    expect(points().filter((point) => point.startsWith('train/'))).toEqual(expected(7));
  });

  it('go on after a restart, and after a record that a crash cut off: every point once', async () => {
    await addSteps(tracked, run, 20);
    await addVersion(tracked, run, 0);
    await follow(42);
    const file = join(home(), readdirSync(home())[0] ?? '');
    truncateSync(file, readFileSync(file).length - 5);
    await addSteps(tracked, run, 30);
    await follow(62);
    expect(points().sort()).toEqual(expected(30, [0]).sort());
    appendFileSync(file, encodeRecord(Buffer.from('half')).subarray(0, 9));
    await addSteps(tracked, run, 40);
    await follow(82);
    expect(points().sort()).toEqual(expected(40, [0]).sort());
  });

  it('have every point once though the process that writes them is killed again and again', async () => {
    let steps = 0;
    for (let round = 0; round < 4; round++) {
      const child = spawnSource(new URL('./follow.process.fixture.ts', import.meta.url), [tracked.url, folder]);
      await addSteps(tracked, run, (steps += 30));
      await child.line('written', 60_000);
      for (let more = 0; more < 3; more++) await addSteps(tracked, run, (steps += 30));
      child.kill('SIGKILL');
      await child.exited;
    }
    await addVersion(tracked, run, steps);
    await follow(2 * steps + 2);
    expect(points().sort()).toEqual(expected(steps, [steps]).sort());
  });

  it('are written by one of several processes alone', async () => {
    const stop = new AbortController();
    const writers = new Set<number>();
    const following = [1, 2, 3].map((id) =>
      followRuns(tracked.ledger, new TensorBoardTracker(folder), {
        signal: stop.signal,
        pollMs: 5,
        onWritten: () => writers.add(id),
      }),
    );
    for (let steps = 10; steps <= 100; steps += 10) {
      await addSteps(tracked, run, steps);
      await sleep(10);
    }
    await waitFor('all points', () => hasPoints(200), 60_000);
    stop.abort();
    await Promise.all(following);
    expect(writers.size).toBe(1);
    expect(points()).toEqual(expected(100));
  });
});
