import { setTimeout as sleep } from 'node:timers/promises';
import type { INestMicroservice } from '@nestjs/common';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { sha256, SolopoError, type Job } from '@solopo/contracts';
import { queuesOf, type FunctionSpec } from '@solopo/functions';
import { spawnSource, startNats, waitFor, type TestNats } from '@solopo/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectNats, type NatsConnection } from './connection.ts';
import { JobHeld, type JobContext } from './job.context.ts';
import type { DeadLetter, JobHandler, JobReport } from './job.runner.ts';
import { News } from './news.ts';
import { provisionStreams } from './streams.provisioning.ts';
import { DEAD, WORK } from './streams.ts';
import { startWorker, SUBJECT, testFunction, type WorkerOptions } from './worker.fixture.ts';

let nats: TestNats;
let connection: NatsConnection;
let workers: INestMicroservice[];
let letters: DeadLetter[];
let reports: JobReport[];
let published = 0;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(() => nats.stop());

beforeEach(async () => {
  connection = await connectNats(nats.url, 'test');
  workers = [];
  letters = [];
  reports = [];
});

afterEach(async () => {
  const closing = Promise.all(workers.map((worker) => worker.close()));
  const manager = await jetstreamManager(connection);
  for await (const { config } of manager.streams.list()) await manager.streams.delete(config.name);
  await closing;
  await connection.close();
});

async function provide(settings: Partial<FunctionSpec> = {}): Promise<FunctionSpec> {
  const spec = testFunction(settings);
  await provisionStreams(connection, { functions: [spec] });
  return spec;
}

async function work(spec: FunctionSpec, handle: JobHandler, options: WorkerOptions = {}): Promise<INestMicroservice> {
  const worker = await startWorker(connection, handle, {
    functions: [spec],
    onDeadLetter: (letter) => {
      letters.push(letter);
      return Promise.resolve();
    },
    report: (report) => reports.push(report),
    ...options,
  });
  workers.push(worker);
  return worker;
}

async function publish(count = 1, subject: string = SUBJECT): Promise<Job[]> {
  const jobs = Array.from({ length: count }, () => ({ id: `job-${++published}`, stage: sha256('stage'), chunk: 0 }));
  for (const job of jobs) await jetstream(connection).publish(subject, JSON.stringify(job), { msgID: job.id });
  return jobs;
}

async function messagesIn(stream: string): Promise<number> {
  const manager = await jetstreamManager(connection);
  return (await manager.streams.info(stream)).state.messages;
}

async function mostHeld(): Promise<number> {
  const manager = await jetstreamManager(connection);
  let most = 0;
  for await (const { num_ack_pending } of manager.consumers.list(WORK)) most = Math.max(most, num_ack_pending);
  return most;
}

const queueEmpty = () => waitFor('the work queue is empty', async () => (await messagesIn(WORK)) === 0);
const reported = (outcome: string) =>
  waitFor(`a job ends as ${outcome}`, () => reports.find((report) => report.outcome === outcome));

describe('a worker of jobs', () => {
  it('executes each job once and acknowledges it', async () => {
    const spec = await provide();
    const done: Job[] = [];
    await work(spec, (job) => Promise.resolve(void done.push(job)));
    const jobs = await publish(20);
    await queueEmpty();
    expect(done).toEqual(jobs);
    await waitFor('all are reported', () => reports.length === 20);
    expect(reports.every((report) => report.outcome === 'done' && report.attempt === 1)).toBe(true);
  });

  it('takes one job at a time for its engine, the most urgent first, and another that does without', async () => {
    const [sample, evaluate] = [
      { name: 'sample', subject: 'jobs.datagen.sample', engine: true, priority: 0 },
      { name: 'evaluate', subject: 'jobs.datagen.evaluate', engine: true, priority: 1 },
    ].map((settings) => testFunction(settings as Partial<FunctionSpec>)) as [FunctionSpec, FunctionSpec];
    const functions = [evaluate, sample, testFunction()];
    await provisionStreams(connection, { functions });
    for (const { subject } of functions) await publish(3, subject);
    const onEngine: string[] = [];
    const heldAtOnce: number[] = [];
    const [running, most] = [new Map<boolean, number>(), new Map<boolean, number>()];
    await work(
      sample,
      async (_job, { subject }) => {
        const engine = subject !== SUBJECT;
        if (engine) onEngine.push(subject);
        running.set(engine, (running.get(engine) ?? 0) + 1);
        most.set(engine, Math.max(most.get(engine) ?? 0, running.get(engine) ?? 0));
        await waitFor('a job of the other lane', () => onEngine.length >= 1 && (most.get(false) ?? 0) >= 1);
        heldAtOnce.push(await mostHeld());
        running.set(engine, (running.get(engine) ?? 0) - 1);
      },
      { functions, handles: functions.map(({ subject }) => subject) },
    );
    await queueEmpty();
    expect(onEngine).toEqual([...Array<string>(3).fill(sample.subject), ...Array<string>(3).fill(evaluate.subject)]);
    expect([...most.values()]).toEqual([1, 1]);
    expect(Math.max(...heldAtOnce)).toBe(1);
  });

  it('of another engine wait for a worker that has it, and are handled as those of any', async () => {
    const sample = testFunction({ name: 'sample', subject: 'jobs.datagen.sample', engine: true });
    const [onnx, torch] = queuesOf(sample) as readonly FunctionSpec[] as [FunctionSpec, FunctionSpec];
    await provisionStreams(connection, { functions: [onnx, torch] });
    await publish(2, onnx.subject);
    await publish(2, torch.subject);
    const taken: string[] = [];
    const take = (_: Job, { subject }: JobContext) => Promise.resolve(void taken.push(subject));
    const handles = [sample.subject];
    await work(onnx, take, { functions: [onnx], handles });
    await waitFor('the jobs of its engine', () => taken.length === 2);
    expect(taken).toEqual([onnx.subject, onnx.subject]);
    await work(torch, take, { functions: [onnx, torch], handles });
    await queueEmpty();
    expect(taken.slice(2)).toEqual([torch.subject, torch.subject]);
  });

  it('hears that a job is published, while it waits for one or before', async () => {
    await provide();
    const { signal } = new AbortController();
    const news = new News(connection, [SUBJECT]);
    expect(await news.heardWithin(1, signal)).toBe(false);
    const heard = news.heardWithin(600_000, signal);
    await publish();
    expect(await heard).toBe(true);
    await publish();
    await connection.flush();
    expect(await news.heardWithin(600_000, signal)).toBe(true);
    expect(await news.heardWithin(1, signal)).toBe(false);
    news.end();
  });

  it('tries a failed job again after a delay that doubles', async () => {
    const spec = await provide({ retryDelayMs: 200 });
    const attempts: { attempt: number; at: number }[] = [];
    await work(spec, async (_job, { attempt }) => {
      attempts.push({ attempt, at: performance.now() });
      await Promise.resolve();
      if (attempt < 3) throw new Error('not this time');
    });
    await publish();
    await queueEmpty();
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    const [first, second, third] = attempts.map(({ at }) => at) as [number, number, number];
    expect(second - first).toBeGreaterThan(140);
    expect(third - second).toBeGreaterThan(290);
    expect(letters).toEqual([]);
  });

  it('buries a job after its last attempt: copied and recorded before it leaves the queue', async () => {
    const spec = await provide();
    let inQueueWhenRecorded = 0;
    let copiedWhenRecorded = 0;
    await work(spec, () => Promise.reject(new SolopoError('engine-failed', 'The engine gave up;\nlook at its log.')), {
      onDeadLetter: async (letter) => {
        inQueueWhenRecorded = await messagesIn(WORK);
        copiedWhenRecorded = await messagesIn(DEAD);
        letters.push(letter);
      },
    });
    const [job] = await publish();
    await queueEmpty();
    expect(letters).toMatchObject([{ subject: SUBJECT, job, attempts: 3, error: { code: 'engine-failed' } }]);
    expect(inQueueWhenRecorded).toBe(1);
    expect(copiedWhenRecorded).toBe(1);
    const copy = await (await jetstreamManager(connection)).streams.getMessage(DEAD, { seq: 1 });
    expect(copy?.json()).toEqual(job);
    expect(copy?.subject).toBe(`dead.${SUBJECT}`);
    expect(copy?.header.get('Solopo-Reason')).toBe('The engine gave up; look at its log.');
    expect(copy?.header.get('Solopo-Attempts')).toBe('3');
  });

  it('buries at once what no attempt can mend: bad input, and messages that are no jobs', async () => {
    const spec = await provide();
    await work(spec, () => Promise.reject(new SolopoError('model-invalid', 'No such model; register it.')));
    await publish();
    await jetstream(connection).publish(SUBJECT, 'not even JSON');
    await jetstream(connection).publish(SUBJECT, '{"id":"x","surprise":true}');
    await queueEmpty();
    expect(
      letters.map(({ attempts, error: { code }, job, payload }) => ({ attempts, code, job: job?.id ?? null, payload })),
    ).toEqual([
      { attempts: 1, code: 'model-invalid', job: `job-${published}`, payload: expect.any(String) as string },
      { attempts: 1, code: 'input-invalid', job: null, payload: 'not even JSON' },
      { attempts: 1, code: 'input-invalid', job: null, payload: '{"id":"x","surprise":true}' },
    ]);
    expect(await messagesIn(DEAD)).toBe(3);
  });

  it('keeps a dead letter in the queue until it is recorded', async () => {
    const spec = await provide({ maxAttempts: 1 });
    let refusals = 0;
    await work(spec, () => Promise.reject(new Error('never works')), {
      onDeadLetter: (letter) => {
        if (++refusals === 1) return Promise.reject(new Error('a fault in recording'));
        letters.push(letter);
        return Promise.resolve();
      },
    });
    await publish();
    await queueEmpty();
    expect(letters).toHaveLength(1);
    expect(await messagesIn(DEAD)).toBe(1);
  });

  it('waits out an outage with the job in hand, and blames no attempt on it', async () => {
    const spec = await provide({ maxAttempts: 1 });
    const attempts: number[] = [];
    await work(spec, (_job, { attempt }) => {
      attempts.push(attempt);
      if (attempts.length < 3) return Promise.reject(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
      return Promise.resolve();
    });
    await publish();
    await queueEmpty();
    expect(attempts).toEqual([1, 1, 1]);
    expect(letters).toEqual([]);
  });

  it('aborts a job that takes too long, even one that does not listen', async () => {
    const spec = await provide({ timeLimitMs: 100, ackWaitMs: 5000 });
    const reasons: unknown[] = [];
    await work(spec, async (_job, { attempt, signal }) => {
      signal.addEventListener('abort', () => reasons.push((signal.reason as SolopoError).code));
      if (attempt === 1) await new Promise(() => undefined);
    });
    await publish();
    await queueEmpty();
    expect(reasons).toEqual(['timeout']);
    expect(reports.map(({ outcome }) => outcome)).toEqual(['retry', 'done']);
  });

  it('lets a job go on that gets further all the time, however long it takes', async () => {
    const spec = await provide({ timeLimitMs: 600, ackWaitMs: 5000 });
    await work(spec, async (_job, context) => {
      for (let step = 0; step < 8; step++) {
        await sleep(150);
        await context.advanced();
      }
    });
    await publish();
    await queueEmpty();
    expect(reports.map(({ outcome }) => outcome)).toEqual(['done']);
  });

  it('keeps a job that says nothing for three times the ack wait: one of two workers executes it, once', async () => {
    const spec = await provide({ ackWaitMs: 1500 });
    let beats = 0;
    connection.subscribe('$JS.ACK.>', { callback: (_error, message) => void (message.string() === '+WPI' && beats++) });
    const deliveries: number[] = [];
    const handle: JobHandler = async (_job, { delivery }) => {
      deliveries.push(delivery);
      await sleep(3 * spec.ackWaitMs);
    };
    await work(spec, handle);
    await work(spec, handle);
    const started = performance.now();
    await publish();
    await queueEmpty();
    expect(deliveries).toEqual([1]);
    expect(beats).toBeGreaterThan(4);
    expect(beats).toBeLessThan(1 + 3 * ((performance.now() - started) / 1000));
  });

  it('gives the job of a process that was stopped to another', async () => {
    const spec = await provide({ ackWaitMs: 700 });
    const [job] = await publish();
    const frozen = spawnSource(new URL('./worker.process.fixture.ts', import.meta.url), [nats.url]);
    await frozen.line(`started ${job?.id}`);
    frozen.kill('SIGSTOP');
    const deliveries: number[] = [];
    await work(spec, (_job, { delivery }) => Promise.resolve(void deliveries.push(delivery)));
    await queueEmpty();
    expect(deliveries).toEqual([2]);
    frozen.kill();
    await frozen.exited;
  });

  it('gives back what another execution holds, until that lets go: no attempt, no dead letter', async () => {
    const spec = await provide({ maxAttempts: 1 });
    let held = 0;
    await work(spec, () => {
      if (++held < 6) throw new JobHeld(20);
      return Promise.resolve();
    });
    await publish();
    await queueEmpty();
    await reported('done');
    expect(reports.map(({ outcome }) => outcome)).toEqual([...Array<string>(5).fill('held'), 'done']);
    expect(letters).toEqual([]);
  });

  it('drops a job that another process took over: the message is with that one', async () => {
    const spec = await provide({ ackWaitMs: 400 });
    const lost = new SolopoError('lease-lost', 'Chunk 0 was taken over; drop this work.');
    await work(spec, async (_job, context) => {
      if (context.delivery > 1) return;
      context.holds({ renew: () => Promise.reject(lost), release: () => Promise.resolve() });
      await new Promise((_, reject) =>
        context.signal.addEventListener('abort', () => reject(new Error('the engine was ended'))),
      );
    });
    await publish();
    await queueEmpty();
    await reported('done');
    expect(reports.map(({ outcome, delivery }) => ({ outcome, delivery }))).toEqual([
      { outcome: 'lost', delivery: 1 },
      { outcome: 'done', delivery: 2 },
    ]);
  });
});

describe('the lease of a job', () => {
  const lost = new SolopoError('lease-lost', 'Chunk 0 was taken over; drop this work.');

  it('that ends with the commit is not lost, also to a renewal under way', async () => {
    const spec = await provide({ ackWaitMs: 200 });
    const renewing = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    let renewals = 0;
    await work(spec, async (_job, context) => {
      const renew = (): Promise<void> => {
        renewals++;
        renewing.resolve();
        return answer.promise;
      };
      context.holds({ renew, release: () => Promise.resolve() });
      await renewing.promise;
      context.commits();
      answer.reject(lost);
      await sleep(2 * spec.ackWaitMs);
      context.signal.throwIfAborted();
    });
    await publish();
    await queueEmpty();
    await reported('done');
    expect(renewals).toBe(1);
  });

  it('is released before the job is given back: whoever comes next takes it at once', async () => {
    const spec = await provide();
    const happened: string[] = [];
    await work(spec, (_job, context) => {
      happened.push(`execution ${context.attempt}`);
      if (context.attempt === 2) return Promise.resolve();
      context.holds({ renew: () => Promise.resolve(), release: () => Promise.resolve(void happened.push('released')) });
      return Promise.reject(new Error('not this time'));
    });
    await publish();
    await queueEmpty();
    expect(happened).toEqual(['execution 1', 'released', 'execution 2']);
  });
});

describe('the end of a worker', () => {
  it('finishes its job and takes no other', async () => {
    const spec = await provide();
    const done: string[] = [];
    const worker = await work(spec, async (job) => {
      await sleep(300);
      done.push(job.id);
    });
    const [first] = await publish(3);
    await sleep(100);
    await worker.close();
    expect(done).toEqual([first?.id]);
    expect(await messagesIn(WORK)).toBe(2);
  });

  it('gives back what takes longer than its grace, and another worker has it at once', async () => {
    const spec = await provide({ ackWaitMs: 30_000 });
    const slow = await work(
      spec,
      (_job, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      { graceMs: 200 },
    );
    await publish();
    await sleep(100);
    await slow.close();
    expect((await reported('abandoned')).attempt).toBe(1);
    const started = performance.now();
    await work(spec, () => Promise.resolve());
    await queueEmpty();
    expect(performance.now() - started).toBeLessThan(1500);
    expect(letters).toEqual([]);
  });

  it('by kill -9 in mid-job loses nothing: another process does the job', async () => {
    const spec = await provide({ ackWaitMs: 1000 });
    const [job] = await publish();
    const victim = spawnSource(new URL('./worker.process.fixture.ts', import.meta.url), [nats.url]);
    await victim.line(`started ${job?.id}`);
    const done: { id: string; delivery: number }[] = [];
    await work(spec, ({ id }, { delivery }) => Promise.resolve(void done.push({ id, delivery })));
    await sleep(1500);
    expect(done).toEqual([]);
    victim.kill();
    await victim.exited;
    await queueEmpty();
    expect(done.map(({ id }) => id)).toEqual([job?.id]);
    expect(done[0]?.delivery).toBe(2);
  });

  it('by a job that ended every process that tried it does not come again: the job is a dead letter', async () => {
    const spec = await provide({ maxAttempts: 1 });
    let executed = 0;
    await work(spec, (_job, context) => {
      // As the ledger counts: three executions began, and none ended.
      context.begins(4);
      executed++;
      return Promise.resolve();
    });
    await publish();
    await waitFor('the dead letter', () => letters.length === 1);
    expect(executed).toBe(0);
    expect(letters).toMatchObject([
      {
        attempts: 3,
        error: { code: 'engine-failed', message: expect.stringContaining('begun by 3 processes') as string },
      },
    ]);
  });

  it('does not come with the end of the server: work goes on when it is back', async () => {
    const spec = await provide();
    const done: string[] = [];
    await work(spec, (job) => Promise.resolve(void done.push(job.id)));
    await publish();
    await queueEmpty();
    await nats.kill();
    await sleep(300);
    await nats.restart();
    await waitFor('the connection is back', () =>
      connection.rtt().then(
        () => true,
        () => false,
      ),
    );
    const [job] = await publish();
    await queueEmpty();
    expect(done.at(-1)).toBe(job?.id);
  });
});

describe('the start of a worker', () => {
  it('fails without a handler, without a function, without a consumer', async () => {
    const spec = await provide();
    const other = testFunction({ name: 'pair', subject: 'jobs.datagen.pair' });
    const start = (functions: FunctionSpec[]) => startWorker(connection, () => Promise.resolve(), { functions });
    await expect(start([spec, other])).rejects.toThrow(/Nothing handles jobs\.datagen\.pair/);
    await expect(start([other])).rejects.toThrow(/No function of this service has the subject jobs\.datagen\.compose/);
    const manager = await jetstreamManager(connection);
    await manager.consumers.delete(WORK, 'datagen-compose');
    await expect(start([spec])).rejects.toThrow(/no consumer for jobs\.datagen\.compose; run the migrator/);
  });
});
