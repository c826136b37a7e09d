import { jobSchema, digestOf, sha256 } from '@solopo/contracts';
import { waitFor } from '@solopo/testing';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { INTERRUPTED } from './index.ts';
import { createRun, createStage, createStages, MODEL, useLedger } from './testing/ledger.fixture.ts';

describe('live state', () => {
  const fixture = useLedger();
  const message = (id: string) => ({ subject: 'jobs.x', messageId: id, payload: { id } });
  const ids = (messages: readonly { messageId: string }[]) => messages.map(({ messageId }) => messageId);

  describe('the outbox', () => {
    it('gives each message to one relay, in order, until it is published', async () => {
      const { ledger } = fixture;
      await ledger.outbox.add([message('a'), message('b'), message('c')]);
      await ledger.outbox.add([message('b')]);
      await ledger.transaction(async (first) => {
        const claimed = await first.outbox.claim(2);
        expect(ids(claimed)).toEqual(['a', 'b']);
        await ledger.transaction(async (second) => expect(ids(await second.outbox.claim(2))).toEqual(['c']));
        await first.outbox.markPublished(claimed.map(({ id }) => id));
      });
      expect((await ledger.outbox.backlog()).unpublished).toBe(1);
      const rest = await ledger.transaction((tx) => tx.outbox.claim(10));
      expect(rest).toMatchObject([{ messageId: 'c', subject: 'jobs.x', payload: { id: 'c' } }]);
      await ledger.outbox.markPublished(rest.map(({ id }) => id));
      expect(await ledger.outbox.backlog()).toEqual({ unpublished: 0, oldestSeconds: 0 });
    });

    it('calls listeners when something committed came in', async () => {
      const { ledger } = fixture;
      let calls = 0;
      const end = await ledger.onOutbox(() => calls++);
      await ledger
        .transaction(async (tx) => {
          await tx.outbox.add([message('rolled back')]);
          throw new Error('no');
        })
        .catch(() => undefined);
      await ledger.outbox.add([message('d')]);
      await waitFor('the notification', () => calls > 0);
      await end();
      expect(calls).toBe(1);
    });
  });

  it('forgets messages published long ago, and no others', async () => {
    const { ledger, url } = fixture;
    await ledger.outbox.add(['old', 'older', 'new', 'waiting'].map(message));
    const claimed = await ledger.transaction((tx) => tx.outbox.claim(10));
    await ledger.outbox.markPublished(claimed.filter((row) => row.messageId !== 'waiting').map(({ id }) => id));
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(
        `update outbox set published_at = published_at - interval '61 minutes' where message_id like 'old%'`,
      );
      await client.query(`update outbox set created_at = created_at - interval '1 day' where message_id = 'waiting'`);
      expect(await ledger.outbox.prune(3_600_000)).toBe(2);
      expect(await ledger.outbox.prune(3_600_000)).toBe(0);
      const { rows } = await client.query<{ id: string }>(
        `select message_id as id from outbox where message_id in ('old', 'older', 'new', 'waiting') order by id`,
      );
      expect(rows.map(({ id }) => id)).toEqual(['new', 'waiting']);
    } finally {
      await client.end();
    }
    const rest = await ledger.transaction((tx) => tx.outbox.claim(10));
    expect(ids(rest)).toEqual(['waiting']);
    await ledger.outbox.markPublished(rest.map(({ id }) => id));
  });

  describe('a lease', () => {
    const chunkOf = async (seed: number) => {
      const { pair } = await createStages(fixture.ledger, seed);
      return { stage: pair, chunk: 0 };
    };
    const leaseOf = (place: { stage: string; chunk: number }, fencing: number, worker = 'a') => ({
      ...place,
      fencing,
      worker,
      job: `${place.stage}:0`,
      attempt: fencing,
    });

    it('holds a chunk until it is released', async () => {
      const { leases } = fixture.ledger;
      const place = await chunkOf(101);
      expect(await leases.heldForMs(place.stage, 0)).toBeNull();
      await leases.take(leaseOf(place, 1), 60_000);
      const leftMs = await leases.heldForMs(place.stage, 0);
      expect(leftMs).toBeGreaterThan(50_000);
      expect(leftMs).toBeLessThanOrEqual(60_000);
      await leases.release({ ...place, fencing: 1 });
      expect(await leases.heldForMs(place.stage, 0)).toBeNull();
    });

    it('that ran out is taken by another, and its old holder can neither renew it, nor commit, nor end the new one', async () => {
      const { leases } = fixture.ledger;
      const place = await chunkOf(102);
      await leases.take(leaseOf(place, 1), 1);
      await waitFor('the lease to run out', async () => (await leases.heldForMs(place.stage, 0)) === null);
      await leases.take(leaseOf(place, 2, 'b'), 60_000);
      const old = { ...place, fencing: 1 };
      await expect(leases.renew(old, 1000, null)).rejects.toMatchObject({ code: 'lease-lost', retryable: true });
      await expect(fixture.ledger.transaction((tx) => tx.leases.check(old))).rejects.toThrow(/taken over/);
      await leases.release(old);
      await leases.check({ ...place, fencing: 2 });
      expect(await leases.heldForMs(place.stage, 0)).toBeGreaterThan(50_000);
    });

    it('is renewed by its holder, also late, and says how far the work is', async () => {
      const { leases } = fixture.ledger;
      const place = await chunkOf(103);
      const lease = leaseOf(place, 1);
      await leases.take(lease, 1);
      await waitFor('the lease to run out', async () => (await leases.heldForMs(place.stage, 0)) === null);
      expect(await leases.ofStages([place.stage])).toEqual([]);
      const progress = { phase: 'sampling', done: 3, total: 8, unit: 'contexts', tokensPerSecond: 41.5 };
      await leases.renew(lease, 60_000, progress);
      const shown = { ...lease, kind: 'pair', since: expect.any(Date) as Date, progress };
      expect(await leases.ofStages([place.stage])).toEqual([shown]);
      expect(await leases.active()).toContainEqual(shown);
    });
  });

  it('counts chunks and ends a stage with the last', async () => {
    const { ledger } = fixture;
    const { pair } = await createStages(ledger, 1);
    const stage = await createStage(
      ledger,
      { kind: 'score', pair, model: MODEL, split: 'training', context: 'short' },
      2,
    );
    expect(await ledger.stages.insert({ ...(await ledger.stages.require(stage)) })).toBe(false);
    expect(await ledger.stages.openChunks(stage)).toEqual([0, 1]);
    expect(await ledger.stages.beginChunk(stage, 1)).toEqual({ execution: 1, isFirst: true });
    expect(await ledger.stages.beginChunk(stage, 0)).toEqual({ execution: 1, isFirst: false });
    expect(await ledger.stages.beginChunk(stage, 0)).toEqual({ execution: 2, isFirst: false });
    expect(await ledger.stages.finishChunk(stage, 1, { seconds: 2, result: { tokens: 5 } })).toMatchObject({
      state: 'running',
      chunksDone: 1,
      result: { tokens: 5 },
      finishedAt: null,
    });
    expect(await ledger.stages.chunkState(stage, 1)).toMatchObject({ state: 'done' });
    await ledger.stages.continueChunk(stage, 0, { itemsDone: 7, seconds: 3, result: { tokens: 6 } });
    expect(await ledger.stages.chunkState(stage, 0)).toEqual({ state: 'running', itemsDone: 7 });
    expect(await ledger.stages.openChunks(stage)).toEqual([0]);
    const done = await ledger.stages.finishChunk(stage, 0, { seconds: 2, result: null });
    expect(done).toMatchObject({ state: 'done', chunksDone: 2 });
    expect(done.finishedAt).not.toBeNull();
    expect(await ledger.stages.chunkSeconds(stage)).toContainEqual({ chunk: 0, seconds: 5 });
    await expect(ledger.stages.chunkState(stage, 2)).rejects.toThrow(/no chunk 2/);
  });

  it('shows a run with its stages and figures', async () => {
    const { ledger } = fixture;
    await createRun(ledger, 'shown');
    const { pair } = await createStages(ledger, 2);
    const [score, heldOut] = [
      await createStage(ledger, { kind: 'score', pair, model: MODEL, split: 'training', context: 'long' }),
      await createStage(ledger, { kind: 'score', pair, model: MODEL, split: 'held-out', context: 'long' }),
    ];
    await ledger.runs.subscribe('shown', pair, 'pair');
    await ledger.runs.subscribe('shown', score, 'score training long');
    await ledger.runs.subscribe('shown', heldOut, 'score held-out long');
    await ledger.stages.finishChunk(pair, 0, { seconds: 1, result: { pairs: 40, heldOut: 2 } });
    await ledger.stages.finishChunk(score, 0, { seconds: 1, result: { tokens: 900 } });
    await ledger.stages.finishChunk(heldOut, 0, { seconds: 1, result: { tokens: 7 } });
    await ledger.runs.planSteps('shown', 50);
    const slice = { chainHead: 'h', policyDigest: 'p', policyTokens: 10, seconds: 0.5 };
    await ledger.runs.recordTraining('shown', { ...slice, step: 25 });
    await ledger.runs.recordTraining('shown', { ...slice, step: 50 });
    await ledger.runs.end('shown', 'succeeded');
    const attempted = async (job: string, ...outcomes: (string | null)[]) => {
      for (const outcome of outcomes) {
        const begun = { job, stage: score, chunk: 0, worker: 'w', version: '1.0.0' };
        const { attempt } = await ledger.attempts.begin(begun);
        if (outcome !== null) await ledger.attempts.finish({ job, attempt }, outcome);
      }
    };
    await attempted(`${score}:0`, null, 'engine-failed', 'continued');
    await attempted(`${score}:0:from-3`, 'completed');
    await attempted(`${score}:1`, null);
    const view = await ledger.runs.view('shown');
    expect(view).toMatchObject({
      work: { jobs: 2, executions: 5 },
      state: 'succeeded',
      error: null,
      step: 50,
      steps: 50,
      chainHead: 'h',
      policyDigest: 'p',
      policyTokens: 20,
      trainSeconds: 1,
      referenceTokens: 900,
      pairs: 40,
      stages: [
        { digest: pair, kind: 'pair', state: 'done', chunks: 1, chunksDone: 1 },
        { digest: score, kind: 'score', result: { tokens: 900 } },
        { digest: heldOut, kind: 'score', result: { tokens: 7 } },
      ],
    });
    const { config, ...rest } = view;
    const { config: short, ...listed } = (await ledger.runs.summaries()).find(({ id }) => id === 'shown') ?? {};
    expect(listed).toEqual(rest);
    expect(config).toMatchObject(short ?? {});
    expect(short).not.toHaveProperty('prompt');
    await expect(ledger.runs.view('none')).rejects.toThrow(/no run none; list/);
  });

  it('tells how fast a stage goes and how long it still takes', async () => {
    const { ledger } = fixture;
    await createRun(ledger, 'paced');
    const spec = { kind: 'score', pair: sha256('pair'), model: MODEL, split: 'training', context: 'short' } as const;
    const stage = await createStage(ledger, spec, 6);
    await ledger.runs.subscribe('paced', stage, 'score training short');
    const pace = async () => (await ledger.runs.view('paced')).stages[0];
    for (const chunk of [0, 1, 2]) await ledger.stages.beginChunk(stage, chunk);
    expect(await pace()).toMatchObject({ state: 'running', secondsPerChunk: null, etaSeconds: null });
    await ledger.stages.finishChunk(stage, 0, { seconds: 3, result: null });
    await ledger.stages.finishChunk(stage, 2, { seconds: 5, result: null });
    await ledger.stages.beginChunk(stage, 3);
    expect(await pace()).toMatchObject({ secondsPerChunk: 4, etaSeconds: 8 });
    for (const chunk of [1, 3, 4, 5]) await ledger.stages.finishChunk(stage, chunk, { seconds: 4, result: null });
    expect(await pace()).toMatchObject({ state: 'done', secondsPerChunk: 4, etaSeconds: null });
  });

  it('tells what workers are at as progress, and before it as long as the stages like it took', async () => {
    const { ledger } = fixture;
    await createRun(ledger, 'progressing');
    const score = (pair: string, context: 'short' | 'long') =>
      ({ kind: 'score', pair: sha256(pair), model: sha256('its model'), split: 'training', context }) as const;
    const add = async (spec: ReturnType<typeof score>) => {
      const digest = digestOf(spec);
      await ledger.stages.insert({ digest, spec, chunks: 2, items: 300 });
      return digest;
    };
    const [before, stage, other] = [
      await add(score('an earlier pair', 'short')),
      await add(score('a pair', 'short')),
      await add(score('a pair', 'long')),
    ];
    for (const [label, digest] of [
      ['short', stage],
      ['long', other],
    ] as const)
      await ledger.runs.subscribe('progressing', digest, `score training ${label}`);
    const shown = async () => (await ledger.runs.view('progressing')).stages;
    expect(await shown()).toMatchObject([{ etaSeconds: null }, { etaSeconds: null }]);
    for (const [chunk, items] of [
      [0, 250],
      [1, 50],
    ] as const)
      await ledger.stages.finishChunk(before, chunk, { items, seconds: items / 5, result: null });
    expect(await shown()).toMatchObject([
      { etaSeconds: 60, progress: { done: 0, total: 300, fraction: 0, unit: 'pairs', phase: null } },
      { etaSeconds: null },
    ]);

    await ledger.stages.beginChunk(stage, 0);
    const lease = { stage, chunk: 0, fencing: 1 };
    await ledger.leases.take({ ...lease, job: 'j', attempt: 1, worker: 'w' }, 60_000);
    await ledger.leases.renew(lease, 60_000, { phase: 'loading', done: 0, total: 250, unit: 'pairs' });
    expect((await shown())[0]).toMatchObject({ etaSeconds: 60, progress: { done: 0, phase: 'loading' } });
    await ledger.leases.renew(lease, 60_000, { phase: 'scoring', done: 30, total: 250, unit: 'pairs' });
    await ledger.stages.continueChunk(stage, 0, { itemsDone: 60, seconds: 900, result: null });
    const [working] = await shown();
    expect(working?.progress).toEqual({ done: 90, total: 300, fraction: 0.3, unit: 'pairs', phase: 'scoring' });
    // Ten seconds a pair, and a moment more since the lease was taken.
    expect(working?.etaSeconds).toBeGreaterThanOrEqual(2100);
    expect(working?.etaSeconds).toBeLessThan(2300);
    await ledger.leases.release(lease);
    expect((await shown())[0]?.progress).toMatchObject({ done: 60, phase: null });
  });

  it('lists runs by state and page by page', async () => {
    const { ledger } = fixture;
    for (const id of ['listed-1', 'listed-2', 'listed-3']) await createRun(ledger, id);
    await ledger.runs.end('listed-2', 'cancelled');
    const ids = async (filter: Parameters<typeof ledger.runs.summaries>[0]) =>
      (await ledger.runs.summaries(filter)).map(({ id }) => id);
    expect(await ids({ limit: 2 })).toEqual(['listed-3', 'listed-2']);
    expect(await ids({ before: 'listed-2', limit: 1 })).toEqual(['listed-1']);
    expect(await ids({ state: 'cancelled' })).toEqual(['listed-2']);
    expect(await ids({ state: 'running', limit: 2 })).toEqual(['listed-3', 'listed-1']);
    expect(await ids({ before: 'nothing' })).toEqual([]);
  });

  it('knows a token by its hash until it is revoked', async () => {
    const { tokens } = fixture.ledger;
    const hash = Buffer.from(sha256('a token'), 'hex');
    const issued = await tokens.issue({ name: 'laptop', scopes: ['read', 'run', 'read'], hash });
    expect(issued).toMatchObject({ name: 'laptop', scopes: ['read', 'run'], lastUsedAt: null, revokedAt: null });
    const other = Buffer.from(sha256('another'), 'hex');
    await expect(tokens.issue({ name: 'laptop', scopes: ['read'], hash: other })).rejects.toThrow(/laptop already/);
    expect(await tokens.use(other)).toBeNull();
    expect(await tokens.use(hash)).toEqual(issued);
    const [used] = await tokens.list();
    expect(used?.lastUsedAt).toEqual(expect.any(String));
    expect(await tokens.use(hash)).toEqual(used);
    expect(await tokens.revoke('laptop')).toMatchObject({ revokedAt: expect.any(String) as string });
    expect(await tokens.use(hash)).toBeNull();
    await expect(tokens.revoke('laptop')).rejects.toThrow(/no valid token laptop; list/);
    await tokens.issue({ name: 'laptop', scopes: ['admin'], hash: other });
    expect(await tokens.use(other)).toMatchObject({ scopes: ['admin'], revokedAt: null });
  });

  it('remembers attempts and dead letters', async () => {
    const { attempts, deadLetters } = fixture.ledger;
    const j = { job: 'j', stage: 's', chunk: 0 };
    expect(await attempts.begin({ ...j, worker: 'w1', version: '1.0.0' })).toEqual({ attempt: 1, blamed: 1 });
    await attempts.finish({ job: 'j', attempt: 1 }, 'retry', 'boom');
    expect(await attempts.begin({ ...j, worker: 'w2', version: '1.0.0' })).toEqual({ attempt: 2, blamed: 2 });
    await attempts.finish({ job: 'j', attempt: 2 }, INTERRUPTED, 'stopping');
    expect(await attempts.begin({ ...j, worker: 'w2', version: '1.0.0' })).toEqual({ attempt: 3, blamed: 2 });
    expect(await attempts.isDone('j')).toBe(false);
    expect(await attempts.begin({ ...j, worker: 'w3', version: '1.1.0' })).toEqual({ attempt: 4, blamed: 3 });
    await attempts.finish({ job: 'j', attempt: 4 }, 'completed');
    expect(await attempts.isDone('j')).toBe(true);
    expect(await attempts.list('j')).toMatchObject([
      { attempt: 1, worker: 'w1', version: '1.0.0', outcome: 'retry', error: 'boom' },
      { attempt: 2, worker: 'w2', outcome: 'interrupted' },
      { attempt: 3, worker: 'w2', outcome: 'lost', error: null },
      { attempt: 4, worker: 'w3', version: '1.1.0', outcome: 'completed', error: null },
    ]);
    const told = {
      device: 'webgpu',
      name: null,
      reason: 'asked for',
      allocatedBytes: 3e9,
      memoryBytes: null,
      memorySettings: 'glibc.malloc.hugetlb=1',
    };
    await fixture.ledger.workerDevices.tell('w1', { ...told, allocatedBytes: 0 });
    await fixture.ledger.workerDevices.tell('w1', told);
    expect(await fixture.ledger.workerDevices.of(['w1', 'w2'])).toEqual([
      { worker: 'w1', ...told, toldAt: expect.any(Date) as Date },
    ]);
    await deadLetters.add({ subject: 's', job: ['odd'], reason: 'r', code: 'internal', attempts: 5 });
    const [letter] = await deadLetters.list();
    expect(letter).toMatchObject({ subject: 's', job: ['odd'], reason: 'r', attempts: 5, retriedAt: null });
    await deadLetters.markRetried(letter?.id ?? 0);
    const retried = await fixture.ledger.transaction((tx) => tx.deadLetters.lock(letter?.id ?? 0));
    expect(retried).toEqual({ ...letter, retriedAt: expect.any(Date) as Date });
    expect(await deadLetters.list()).toEqual([retried]);
    await expect(deadLetters.lock(99)).rejects.toThrow(/no dead letter 99; list/);
  });

  it('keeps a dead letter of bytes that are no text', async () => {
    const { deadLetters } = fixture.ledger;
    const reason = 'not a job: \0';
    await deadLetters.add({ subject: 's', job: '{"id":"a\0b\ud800', reason, code: 'input-invalid', attempts: 1 });
    const [letter] = await deadLetters.list(1);
    expect(letter).toMatchObject({ job: '{"id":"a\uFFFDb\uFFFD', reason: 'not a job: \uFFFD' });
    expect(jobSchema.safeParse({ id: 'a\0', stage: sha256('s'), chunk: 0 }).success).toBe(false);
  });

  it('knows the runs that failed because of a stage', async () => {
    const { ledger } = fixture;
    const { sample, pair } = await createStages(ledger, 3);
    const bury = (stage: string, reason: string) =>
      ledger.deadLetters.add({
        subject: 's',
        job: { id: reason, stage, chunk: 0 },
        reason,
        code: 'internal',
        attempts: 1,
      });
    await bury(pair, 'one pair broke');
    await bury(pair, 'another pair broke');
    await bury(sample, 'a sample broke');
    const ends = { 'by-it': 'one pair broke', 'by-it-too': 'another pair broke', 'by-other': 'a sample broke' };
    for (const [run, error] of Object.entries(ends)) {
      await createRun(ledger, run);
      for (const stage of [sample, pair]) await ledger.runs.subscribe(run, stage, sha256(stage));
      await ledger.runs.end(run, 'failed', error);
    }
    await createRun(ledger, 'elsewhere');
    await ledger.runs.end('elsewhere', 'failed', 'one pair broke');
    const failedBy = async (stage: string) => (await ledger.runs.lockFailedBy(stage)).map(({ id }) => id);
    expect(await failedBy(pair)).toEqual(['by-it', 'by-it-too']);
    expect(await failedBy(sample)).toEqual(['by-other']);
    await ledger.runs.resume('by-it');
    expect(await failedBy(pair)).toEqual(['by-it-too']);
    expect(await ledger.runs.view('by-it')).toMatchObject({ state: 'running', error: null, finishedAt: null });
  });
});
