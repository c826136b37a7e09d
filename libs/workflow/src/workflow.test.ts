import { digestOf, eventSchema, LINEAR_LAYERS, sha256, type Arm, type Job } from '@solopo/contracts';
import type { Ledger, LedgerTransaction } from '@solopo/ledger';
import { composeSpec, type ChunkRange } from '@solopo/pipeline';
import { waitFor } from '@solopo/testing';
import { describe, expect, it, vi } from 'vitest';
import { beginChunk, cancelRun, completeChunk, failStage, retryDeadLetter, startRun, type Execution } from './index.ts';
import { EXECUTOR, FakeExecutor, HELD_OUT, outcomeOf, PAIRS } from './testing/fake.executor.ts';
import { configOf, EXAMPLES, MODEL, QUESTIONS, useLedger } from './testing/workflow.fixture.ts';

const fixture = useLedger();

const start = (ledger: Ledger, changes: Parameters<typeof configOf>[0] = {}) =>
  ledger.transaction((tx) => startRun(tx, configOf(changes)));

describe('a run', () => {
  it('of a model that its engine does not have is refused; by the one that has it, it begins', async () => {
    const { ledger } = fixture;
    const config = { engines: ['torch'], warnings: [], linearLayers: ['dense', 'query_key_value'] };
    await ledger.models.register({
      digest: sha256('foreign'),
      name: 'foreign',
      family: 'olmo2',
      config,
      files: {},
      parameters: 1,
    });
    await expect(start(ledger, { model: 'foreign' })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(
        /^engine is onnx, and the model foreign can be computed by torch alone; set engine to torch/,
      ) as string,
    });
    const id = await start(ledger, { model: 'foreign', engine: 'torch' });
    expect((await ledger.runs.view(id)).state).toBe('running');
  });

  it("whose adapter names layers is refused where the model has none of a name; all of them are the model's own", async () => {
    const { ledger } = fixture;
    const config = { engines: ['torch'], linearLayers: ['dense', 'query_key_value'] };
    const neox = { digest: sha256('neox'), name: 'neox', family: 'gpt_neox', config, files: {}, parameters: 1 };
    await ledger.models.register(neox);
    const by = (model: string, targets: string[] | 'all-linear') =>
      start(ledger, { model, engine: 'torch', adapter: { kind: 'lora', targets } });
    await expect(by('neox', ['dense', 'q_proj', 'c_attn'])).rejects.toMatchObject({
      code: 'config-invalid',
      message:
        'adapter.targets names q_proj, c_attn, and the model neox has no such linear layer; name some of dense, query_key_value, or set adapter.targets to all-linear.',
    });
    await expect(by('tiny', ['dense'])).rejects.toThrow(/names dense, and the model tiny has no .*q_proj, .*down_proj/);
    const targetsOf = async (run: string) => (await ledger.runs.view(run)).config.adapter?.targets;
    expect(await targetsOf(await by('neox', ['dense']))).toEqual(['dense']);
    expect(await targetsOf(await by('neox', 'all-linear'))).toBe('all-linear');
    expect(await targetsOf(await by('tiny', 'all-linear'))).toEqual(LINEAR_LAYERS);
  });

  it('goes through every stage, with no process of its own', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger);
    await executor.drain();
    const view = await ledger.runs.view(id);
    expect(view).toMatchObject({ state: 'succeeded', error: null, step: 18, steps: 18, pairs: PAIRS - HELD_OUT });
    expect(view).toMatchObject({ policyTokens: 18, referenceTokens: PAIRS - HELD_OUT, trainSeconds: 3 });
    expect(view.chainHead).toBe((await ledger.steps.head(id)).digest);
    expect(view.stages.map(({ kind, chunks }) => `${kind} ${chunks}`)).toEqual([
      'compose 2',
      'evaluate 2',
      'evaluate 2',
      'sample 3',
      'pair 1',
      'score 2',
      'score 1',
      'score 1',
      'train 3',
      'align 1',
      'align 1',
      'align 1',
      'align 1',
      'evaluate 2',
      'evaluate 2',
    ]);
    for (const stage of view.stages) expect(stage).toMatchObject({ state: 'done', chunksDone: stage.chunks });
    expect((await ledger.alignments.ofRun(id)).map(({ step }) => step)).toEqual([0, 7, 14, 18]);
    const evaluations = await ledger.evaluations.ofRun(id);
    expect(evaluations.map(({ step, documents, n }) => [step, documents, n])).toEqual([
      ['base', 1, QUESTIONS],
      ['base', 2, QUESTIONS],
      [18, 1, QUESTIONS],
      [18, 2, QUESTIONS],
    ]);
    expect(view.stages[0]?.result).toEqual({ made: EXAMPLES });
  });

  it('has the training pairs scored as its objective needs, the held-out pairs under both contexts', async () => {
    const { ledger } = fixture;
    const id = await start(ledger, { evaluation: null, arm: 'expand-long' });
    await new FakeExecutor(ledger).drain();
    const stages = await ledger.runs.stages(id);
    const scores = stages.filter(({ kind }) => kind === 'score');
    expect(scores.map(({ label, result }) => [label, result])).toEqual([
      ['score training long', { tokens: PAIRS - HELD_OUT }],
      ['score held-out short', { tokens: HELD_OUT }],
      ['score held-out long', { tokens: HELD_OUT }],
    ]);
    const pair = stages.find(({ kind }) => kind === 'pair')?.digest ?? '';
    const contexts = async (split: 'training' | 'held-out') => {
      const pairs = await ledger.pairs.list(pair, split, { from: 0, to: PAIRS });
      const rows = await ledger.scores.list(
        pair,
        MODEL,
        pairs.map(({ position }) => position),
      );
      return pairs.map(({ position }) =>
        rows
          .filter((row) => row.position === position)
          .map(({ context }) => context)
          .sort(),
      );
    };
    expect(new Set((await contexts('training')).map(String))).toEqual(new Set(['long,long']));
    expect(new Set((await contexts('held-out')).map(String))).toEqual(new Set(['long,long,short,short']));
  });

  it('tells what happens, in its own subject', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    const events: string[] = [];
    const listen = async () => {
      for (const { subject, payload } of await ledger.transaction((tx) => tx.outbox.claim(100_000)))
        if (subject === `events.runs.${id}`) events.push(eventSchema.parse(payload).type);
    };
    await listen();
    for (let jobs = await executor.take(1); jobs.length > 0; jobs = await executor.take(1)) {
      for (const job of jobs) await executor.execute(job);
      await listen();
    }
    const count = (type: string) => events.filter((event) => event === type).length;
    const chunks = 2 + 3 + 1 + (2 + 1 + 1) + 3 + 4;
    expect(events[0]).toBe('run.state');
    expect(events.at(-1)).toBe('run.state');
    expect(count('run.state')).toBe(2);
    expect(count('stage.started')).toBe(11);
    expect(count('stage.progress')).toBe(chunks);
    expect(count('stage.done')).toBe(11);
    expect(count('run.step')).toBe(18);
    expect(count('run.alignment')).toBe(4);
  });

  it('names what it cannot find', async () => {
    const { ledger } = fixture;
    await expect(start(ledger, { model: 'huge' })).rejects.toThrow(/no model huge/);
    await expect(start(ledger, { evaluation: { dataset: 'none', documents: [1] } })).rejects.toThrow(
      /no data set none/,
    );
    expect(await ledger.runs.summaries()).toEqual([]);
  });

  it('a job that names a stage which never was still leaves its dead letter', async () => {
    const { ledger } = fixture;
    await ledger.transaction(async (tx) => {
      await tx.deadLetters.add({
        subject: 'jobs.x',
        job: {},
        reason: 'no such stage',
        code: 'input-invalid',
        attempts: 1,
      });
      await failStage(tx, 'f'.repeat(64), 'no such stage', 0);
    });
    expect((await ledger.deadLetters.list()).map(({ reason }) => reason)).toContain('no such stage');
  });

  it('fails with its stage, for the reason given', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const [doomed, other] = [await start(ledger), await start(ledger, { seed: 1 })];
    const { stages } = await ledger.runs.view(doomed);
    await ledger.transaction((tx) => failStage(tx, stages[0]?.digest ?? '', 'The loss was NaN; lower it.', 0));
    await executor.drain();
    expect(await ledger.runs.view(doomed)).toMatchObject({ state: 'failed', error: 'The loss was NaN; lower it.' });
    expect((await ledger.runs.view(other)).state).toBe('succeeded');
  });

  it('can be started again after a failure: what was done stays done', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const doomed = await start(ledger, { evaluation: null });
    const [first, second] = await executor.take(2);
    if (first === undefined || second === undefined) throw new Error('Composing takes two jobs.');
    await executor.execute(first);
    await ledger.transaction((tx) => failStage(tx, second.stage, 'broken; mend it', second.chunk));
    expect(await executor.execute(second)).toBe('unwanted');
    const again = await start(ledger, { evaluation: null });
    const revived = await executor.take(10);
    expect(revived).toEqual([{ ...second, id: `${second.id}:1` }]);
    for (const job of revived) await executor.execute(job);
    await executor.drain();
    expect(executor.count('compose')).toBe(2);
    expect((await ledger.runs.view(again)).state).toBe('succeeded');
    expect((await ledger.runs.view(doomed)).state).toBe('failed');
  });

  it('fails when no example gave a pair', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    await executeUntil(ledger, executor, 'pair', async (job) => {
      const execution = await begin(ledger, job);
      await ledger.transaction((tx) =>
        completeChunk(tx, job, execution, { seconds: 1, result: { pairs: 0, heldOut: 0 } }),
      );
    });
    const view = await ledger.runs.view(id);
    expect(view.state).toBe('failed');
    expect(view.error).toMatch(/No example gave a training pair; .*take more examples/);
  });
});

describe('three arms', () => {
  const arms: readonly Arm[] = ['short', 'expand-long', 'solo'];

  it.each([1, 4])('do shared work once, with %i workers', async (workers) => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const ids = await Promise.all(arms.map((arm) => start(ledger, { arm })));
    await executor.drain(workers);
    for (const id of ids) expect((await ledger.runs.view(id)).state).toBe('succeeded');

    expect(new Set(executor.executed.map(digestOf)).size).toBe(executor.executed.length);
    expect(executor.count('compose')).toBe(2);
    expect(executor.count('sample')).toBe(3);
    expect(executor.count('pair')).toBe(1);
    expect(executor.count('score')).toBe(2 * 2 + 2 * 1);
    expect(executor.count('train')).toBe(3 * 3);
    expect(executor.count('align')).toBe(3 * 4);
    expect(executor.count('evaluate')).toBe((1 + 3) * 2 * 2);
    expect(await ledger.counts()).toMatchObject({
      contexts: 1,
      stage_contexts: EXAMPLES,
      samples: EXAMPLES,
      pairs: PAIRS,
      scores: 2 * 2 * PAIRS,
      steps: 3 * 18,
      checkpoints: 9,
      policy_versions: 9,
      alignment_metrics: 12,
      evaluations: 16,
    });
    const heads = await Promise.all(ids.map(async (id) => (await ledger.steps.head(id)).digest));
    expect(new Set(heads).size).toBe(1);
  });

  it('started when all shared work is done go straight to training', async () => {
    const { ledger } = fixture;
    await start(ledger);
    await new FakeExecutor(ledger).drain();
    const executor = new FakeExecutor(ledger);
    const again = await start(ledger);
    const stages = (await ledger.runs.view(again)).stages;
    expect(stages.filter(({ state }) => state !== 'done').map(({ kind }) => kind)).toEqual(['train', 'align']);
    await executor.drain();
    expect((await ledger.runs.view(again)).state).toBe('succeeded');
    for (const kind of ['compose', 'sample', 'pair', 'score']) expect(executor.count(kind)).toBe(0);
    expect(executor.count('evaluate')).toBe(2 * 2);
  });

  it('started in the middle of shared work wait for it', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const first = await start(ledger);
    for (const job of await executor.take(1)) await executor.execute(job);
    const second = await start(ledger, { arm: 'short' });
    await executor.drain(2);
    for (const id of [first, second]) expect((await ledger.runs.view(id)).state).toBe('succeeded');
    expect(executor.count('compose')).toBe(2);
  });
});

describe('a chunk', () => {
  it('delivered twice is done once', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger);
    const seen: Job[] = [];
    for (let jobs = await executor.take(1); jobs.length > 0; jobs = await executor.take(1))
      for (const job of jobs) {
        seen.push(job);
        expect(await executor.execute(job)).toBe('completed');
        expect(await executor.execute(job)).toBe('already-done');
      }
    const before = [await ledger.counts(), await ledger.runs.view(id)];
    for (const job of seen) expect(await executor.execute(job)).toBe('already-done');
    expect([await ledger.counts(), await ledger.runs.view(id)]).toEqual(before);
    expect((await ledger.runs.view(id)).work).toEqual({ jobs: seen.length, executions: seen.length });
    expect((await ledger.runs.view(id)).state).toBe('succeeded');
  });

  it('that one worker holds is begun by no other, and is again once its lease has run out; the first cannot commit then', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    const [job] = await executor.take(1);
    if (job === undefined) throw new Error('There is a first job.');
    const { spec } = await ledger.stages.require(job.stage);
    const begun = (worker: string, version: string) =>
      ledger.transaction((tx) => beginChunk(tx, job, { worker, version, leaseMs: 300 }));
    const write = vi.fn(() => Promise.resolve());
    const complete = (execution: Execution) =>
      ledger.transaction((tx) =>
        completeChunk(tx, job, execution, { ...outcomeOf(job, spec, { from: 0, to: 500 }), write }),
      );
    const frozen = await begun('a', '1.0.0');
    if (frozen.status !== 'ready') throw new Error('Nobody else holds the chunk.');
    const held = await begun('b', '1.1.0');
    expect(held).toEqual({ status: 'held', forMs: expect.any(Number) as number });
    // Nor by the same process, which would compute it twice.
    expect(await begun('a', '1.0.0')).toMatchObject({ status: 'held' });
    expect(await ledger.attempts.list(job.id)).toHaveLength(1);

    const second = await waitFor('the lease to run out', async () => {
      const again = await begun('b', '1.1.0');
      return again.status === 'ready' ? again : undefined;
    });
    await expect(complete(frozen.execution)).rejects.toMatchObject({ code: 'lease-lost' });
    expect(write).not.toHaveBeenCalled();
    expect(await complete(second.execution)).toBe('completed');
    expect(await complete(frozen.execution)).toBe('already-done');
    expect(write).toHaveBeenCalledTimes(1);
    expect(await ledger.stages.require(job.stage)).toMatchObject({ chunksDone: 1 });
    // Whose program was another version's: what it left undone is done again.
    expect(await ledger.attempts.list(job.id)).toMatchObject([
      { worker: 'a', version: '1.0.0', outcome: 'already-done' },
      { worker: 'b', version: '1.1.0', outcome: 'completed' },
    ]);
    expect((await ledger.runs.view(id)).work).toEqual({ jobs: 1, executions: 2 });
    expect(await ledger.leases.active()).toEqual([]);
  });

  it('whose job comes again when it is done, while another job goes on with the rest, is not begun', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    await start(ledger, { evaluation: null });
    const [job] = await executor.take(1);
    if (job === undefined) throw new Error('There is a first job.');
    const { spec } = await ledger.stages.require(job.stage);
    const range = { from: 0, to: 200 };
    const execution = await begin(ledger, job);
    expect(
      await ledger.transaction((tx) => completeChunk(tx, job, execution, { ...outcomeOf(job, spec, range), range })),
    ).toBe('continued');
    expect(await ledger.transaction((tx) => beginChunk(tx, job, EXECUTOR))).toEqual({ status: 'already-done' });
  });

  it('is not begun by a job that may not be tried again', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    await start(ledger, { evaluation: null });
    const [job] = await executor.take(1);
    if (job === undefined) throw new Error('There is a first job.');
    const admit = (attempt: number) => {
      throw new Error(`attempt ${attempt} is too many`);
    };
    await expect(ledger.transaction((tx) => beginChunk(tx, job, { ...EXECUTOR, admit }))).rejects.toThrow(
      'attempt 1 is too many',
    );
    expect(await ledger.attempts.list(job.id)).toEqual([]);
    expect(await ledger.leases.active()).toEqual([]);
  });

  it('of which a part is done goes on behind it, in a job of its own, and counts when all of it is done', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    const [job] = await executor.take(1);
    if (job === undefined) throw new Error('There is a first job.');
    const { spec } = await ledger.stages.require(job.stage);
    const complete = async (given: Job, range: ChunkRange, execution: Execution) =>
      ledger.transaction((tx) => completeChunk(tx, given, execution, { ...outcomeOf(given, spec, range), range }));
    const first = await begin(ledger, job);
    expect(await complete(job, { from: 0, to: 200 }, first)).toBe('continued');
    expect((await ledger.stages.require(job.stage)).chunksDone).toBe(0);
    // The same execution cannot leave a part twice.
    await expect(complete(job, { from: 0, to: 180 }, first)).rejects.toMatchObject({ code: 'lease-lost' });
    const rest = (await executor.take(10)).find(({ chunk }) => chunk === job.chunk);
    expect(rest).toMatchObject({ stage: job.stage, id: `${job.id}:from-200` });
    if (rest === undefined) return;
    const begun = await ledger.transaction((tx) => beginChunk(tx, rest, EXECUTOR));
    expect(begun).toMatchObject({ range: { from: 200, to: 300 } });
    if (begun.status !== 'ready') return;
    expect(await complete(rest, { from: 200, to: 300 }, begun.execution)).toBe('completed');
    expect(await ledger.stages.require(job.stage)).toMatchObject({ chunksDone: 1, result: { made: 300 } });
    expect(await ledger.stages.chunkSeconds(job.stage)).toEqual([{ chunk: 0, seconds: 2 }]);
    expect((await ledger.counts()).stage_contexts).toBe(300);
    await ledger.transaction((tx) => cancelRun(tx, id));
  });

  it('and the last other one, completed at the same time, start the next stage once', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    const jobs = await executor.take(2);
    const { spec } = await ledger.stages.require(jobs[0]?.stage ?? '');
    const ranges: readonly ChunkRange[] = [
      { from: 0, to: 300 },
      { from: 300, to: 600 },
    ];
    let writing = 0;
    const complete = async (job: Job, range: ChunkRange) => {
      const execution = await begin(ledger, job);
      const outcome = outcomeOf(job, spec, range);
      const write = async (tx: LedgerTransaction) => {
        expect(++writing).toBe(1);
        await outcome.write?.(tx);
        writing--;
      };
      return ledger.transaction((tx) => completeChunk(tx, job, execution, { ...outcome, write }));
    };
    await Promise.all(jobs.map((job) => complete(job, ranges[job.chunk] ?? { from: 0, to: 0 })));
    const kinds = (await ledger.runs.view(id)).stages.map(({ kind }) => kind);
    expect(kinds).toEqual(['compose', 'sample']);
    expect(await executor.take(10)).toHaveLength(3);
  });

  it('whose transaction fails leaves nothing behind and can be done again', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    const [job] = await executor.take(1);
    if (job === undefined) throw new Error('There is a first job.');
    const { spec } = await ledger.stages.require(job.stage);
    const execution = await begin(ledger, job);
    const crash = ledger.transaction(async (tx) => {
      await completeChunk(tx, job, execution, outcomeOf(job, spec, { from: 0, to: 300 }));
      throw new Error('killed');
    });
    await expect(crash).rejects.toThrow('killed');
    expect((await ledger.counts()).stage_contexts).toBe(0);
    expect(await executor.execute(job)).toBe('held');
    await ledger.leases.release(execution.lease);
    expect(await executor.execute(job)).toBe('completed');
    await executor.drain();
    expect((await ledger.runs.view(id)).state).toBe('succeeded');
  });

  it('that was never asked for is refused', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const [job] = [await start(ledger), ...(await executor.take(1))].slice(1) as [Job];
    await expect(executor.execute({ ...job, chunk: 99 })).rejects.toMatchObject({ code: 'input-invalid' });
    await expect(executor.execute({ ...job, stage: MODEL })).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('cancelling', () => {
  it('drops jobs that nobody wants any more, and only those', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const [cancelled, kept] = [await start(ledger), await start(ledger, { arm: 'short' })];
    await ledger.transaction((tx) => cancelRun(tx, cancelled));
    await executor.drain();
    expect((await ledger.runs.view(cancelled)).state).toBe('cancelled');
    expect((await ledger.runs.view(kept)).state).toBe('succeeded');
    await expect(ledger.transaction((tx) => cancelRun(tx, cancelled))).rejects.toThrow(/has cancelled already/);
    await expect(ledger.transaction((tx) => cancelRun(tx, 'none'))).rejects.toMatchObject({ code: 'not-found' });
  });

  it('abandons a stage, which a later run takes up where it was left', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const cancelled = await start(ledger);
    for (const job of await executor.take(1)) await executor.execute(job);
    await ledger.transaction((tx) => cancelRun(tx, cancelled));
    await executor.drain();
    expect(executor.executed).toHaveLength(1);
    const later = await start(ledger);
    await executor.drain();
    expect((await ledger.runs.view(later)).state).toBe('succeeded');
    expect(executor.count('compose')).toBe(2);
  });

  it('in the middle of a slice keeps the slice from being written', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    await executeUntil(ledger, executor, 'train', async (job) => {
      const { spec } = await ledger.stages.require(job.stage);
      const execution = await begin(ledger, job);
      await ledger.transaction((tx) => cancelRun(tx, id));
      expect(
        await ledger.transaction((tx) => completeChunk(tx, job, execution, outcomeOf(job, spec, { from: 0, to: 1 }))),
      ).toBe('unwanted');
    });
    expect((await ledger.counts()).steps).toBe(0);
  });
});

describe('a dead letter', () => {
  it('retried sets the runs going again that it failed, with every job they lost meanwhile', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const [first, second] = [await start(ledger), await start(ledger, { arm: 'short' })];
    const [done, dead] = await executor.take(2);
    if (done === undefined || dead === undefined) throw new Error('Composing takes two jobs.');
    await executor.execute(done);
    const letter = await bury(ledger, dead, 'The disk was full; make room.');
    await executor.drain();
    expect(executor.executed).toHaveLength(1);
    for (const id of [first, second]) expect((await ledger.runs.view(id)).state).toBe('failed');

    expect(await retry(ledger, letter)).toEqual([first, second].sort());
    for (const id of [first, second])
      expect(await ledger.runs.view(id)).toMatchObject({ state: 'running', error: null, finishedAt: null });
    const events = await ledger.transaction((tx) => tx.outbox.claim(100));
    for (const id of [first, second])
      expect(events).toContainEqual(
        expect.objectContaining({
          subject: `events.runs.${id}`,
          payload: expect.objectContaining({ type: 'run.state', data: { state: 'running', error: null } }) as object,
        }),
      );
    const jobs = await executor.take(100);
    expect(jobs[0]).toEqual({ ...dead, id: `${dead.id}:1` });
    expect(jobs).toHaveLength(1 + 2 * 2);
    for (const job of jobs) expect(await executor.execute(job)).toBe('completed');
    await executor.drain();
    for (const id of [first, second]) expect((await ledger.runs.view(id)).state).toBe('succeeded');
    expect(executor.count('compose')).toBe(2);
    expect(new Set(executor.executed.map(digestOf)).size).toBe(executor.executed.length);

    await expect(retry(ledger, letter)).rejects.toThrow(/was retried already/);
  });

  it('may come again and be retried again', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    for (let revival = 0; revival < 3; revival++) {
      const [job] = (await executor.take(2)).slice(-1);
      if (job === undefined) throw new Error('The revived stage has jobs.');
      expect(job.id).toBe(`${job.stage}:1${revival === 0 ? '' : `:${revival}`}`);
      expect(await retry(ledger, await bury(ledger, job, 'The disk was full; make room.'))).toEqual([id]);
    }
    await executor.drain();
    expect((await ledger.runs.view(id)).state).toBe('succeeded');
  });

  it('in the middle of training lets the run go on where it was', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    let slices = 0;
    for (let jobs = await executor.take(1); jobs.length > 0; jobs = await executor.take(1))
      for (const job of jobs) {
        const isTraining = (await ledger.stages.require(job.stage)).kind === 'train';
        if (isTraining && ++slices === 2) await retry(ledger, await bury(ledger, job, 'The loss was NaN; lower it.'));
        else await executor.execute(job);
      }
    expect(await ledger.runs.view(id)).toMatchObject({ state: 'succeeded', step: 18, trainSeconds: 3 });
    expect(executor.count('train')).toBe(3);
  });

  it('leaves runs alone that failed for another reason', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const other = await start(ledger, { evaluation: { dataset: 'held-out', documents: [7] } });
    const evaluation = (await ledger.runs.view(other)).stages.find(({ kind }) => kind === 'evaluate')?.digest ?? '';
    await bury(ledger, { id: 'e', stage: evaluation, chunk: 0 }, 'The model was gone; bring it back.');
    const id = await start(ledger, { evaluation: null });
    const [job] = (await executor.take(100)).slice(-1);
    if (job === undefined) throw new Error('There is a job to bury.');
    expect((await ledger.stages.require(job.stage)).kind).toBe('compose');
    expect(await retry(ledger, await bury(ledger, job, 'The disk was full; make room.'))).toEqual([id]);
    await executor.drain();
    expect((await ledger.runs.view(id)).state).toBe('succeeded');
    expect((await ledger.runs.view(other)).state).toBe('failed');
  });

  it('of a stage that another run finished since lets the failed run go on from there', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const doomed = await start(ledger, { evaluation: null });
    const [job] = await executor.take(1);
    if (job === undefined) throw new Error('There is a first job.');
    const letter = await bury(ledger, job, 'The disk was full; make room.');
    await start(ledger, { evaluation: null });
    await executor.drain();
    const before = executor.count('score');
    expect(await retry(ledger, letter)).toEqual([doomed]);
    await executor.drain();
    expect((await ledger.runs.view(doomed)).state).toBe('succeeded');
    expect(executor.count('compose')).toBe(2);
    expect(executor.count('score')).toBe(before);
  });

  it('is refused a retry when there is nothing to retry', async () => {
    const { ledger } = fixture;
    const executor = new FakeExecutor(ledger);
    const id = await start(ledger, { evaluation: null });
    const [job] = await executor.take(1);
    if (job === undefined) throw new Error('There is a first job.');
    await ledger.transaction((tx) => cancelRun(tx, id));
    const letter = await bury(ledger, job, 'The disk was full; make room.');
    await ledger.deadLetters.add({ subject: 'jobs.x', job: 'odd', reason: 'odd', code: 'input-invalid', attempts: 1 });
    const [odd] = await ledger.deadLetters.list(1);
    await expect(retry(ledger, letter)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('No run is failed') as string,
    });
    await expect(retry(ledger, odd?.id ?? 0)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('holds no job') as string,
    });
    await expect(retry(ledger, 99)).rejects.toMatchObject({ code: 'not-found' });
    expect((await ledger.deadLetters.list()).map(({ retriedAt }) => retriedAt)).toEqual([null, null]);
    expect((await ledger.runs.view(id)).state).toBe('cancelled');
  });
});

describe('stages', () => {
  it('are named by what they read', async () => {
    const { ledger } = fixture;
    const id = await start(ledger);
    const { config, resolved } = await ledger.runs.require(id);
    const [stage] = await ledger.runs.stages(id);
    expect(stage?.digest).toBe(digestOf(composeSpec({ id, config, ...resolved })));
    expect(digestOf(stage?.spec)).toBe(stage?.digest);
  });
});

const retry = (ledger: Ledger, letter: number) => ledger.transaction((tx) => retryDeadLetter(tx, letter));

/** What a worker does with a job that it gives up. Returns the dead letter's id. */
async function bury(ledger: Ledger, job: Job, reason: string): Promise<number> {
  await ledger.transaction(async (tx) => {
    await tx.deadLetters.add({ subject: 'jobs.x', job, reason, code: 'internal', attempts: 5 });
    await failStage(tx, job.stage, reason, job.chunk);
  });
  const [letter] = await ledger.deadLetters.list(1);
  if (letter === undefined) throw new Error('The letter was just written.');
  return letter.id;
}

async function begin(ledger: Ledger, job: Job): Promise<Execution> {
  const begun = await ledger.transaction((tx) => beginChunk(tx, job, EXECUTOR));
  if (begun.status !== 'ready') throw new Error(`The chunk is ${begun.status}.`);
  return begun.execution;
}

/** Executes jobs until one of the kind comes, which is given to `meet`; then all the rest. */
async function executeUntil(
  ledger: Ledger,
  executor: FakeExecutor,
  kind: string,
  meet: (job: Job) => Promise<unknown>,
): Promise<void> {
  let met = false;
  for (let jobs = await executor.take(1); jobs.length > 0; jobs = await executor.take(1))
    for (const job of jobs) {
      const isMet: boolean = !met && (await ledger.stages.require(job.stage)).kind === kind;
      met ||= isMet;
      await (isMet ? meet(job) : executor.execute(job));
    }
  expect(met).toBe(true);
}
