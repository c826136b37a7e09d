import { digestOf, sha256, type Example } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { CHAIN_START, sampleDigest, type NewPair, type NewSample, type NewStep } from './index.ts';
import { createRun, createStage, createStages, DATASET, MODEL, useLedger } from './testing/ledger.fixture.ts';

const example = (index: number, documents = 2): Example => ({
  id: `q${index}`,
  question: `Where is thing ${index}?`,
  answers: [`place ${index}`],
  documents: Array.from({ length: documents }, (_, d) => ({
    title: `Thing ${d}`,
    text: `Thing ${d} is at place ${d}, which is far away from here.`,
    relevant: d === 0,
  })),
});

const all = { from: 0, to: 1_000_000 };

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

describe('evidence', () => {
  const fixture = useLedger();

  it('keeps models by digest and finds the latest of a name', async () => {
    const { models } = fixture.ledger;
    const model = { name: 'tiny', family: 'qwen2', config: { hidden_size: 64 }, files: { 'config.json': sha256('c') } };
    await models.register({ ...model, digest: sha256('v1'), parameters: 1 });
    await models.register({ ...model, digest: sha256('v2'), parameters: 2 });
    await models.register({ ...model, digest: sha256('v2'), parameters: 2 });
    expect(await models.require('tiny')).toMatchObject({ ...model, digest: sha256('v2'), parameters: 2 });
    expect(await models.find(sha256('v1'))).toMatchObject({ parameters: 1 });
    expect(await models.list()).toHaveLength(2);
    await expect(models.require('huge')).rejects.toThrow(/no model huge; register it/);
  });

  it('finds a model under each name it was registered by', async () => {
    const { models } = fixture.ledger;
    const model = { digest: sha256('twice'), family: 'qwen2', config: {}, files: {}, parameters: 1 };
    await models.register({ ...model, name: 'first' });
    await models.register({ ...model, name: 'second' });
    expect((await models.require('second')).digest).toBe((await models.require('first')).digest);
  });

  it('imports 3,000 examples of 32 documents in a couple of seconds, and reads them back', async () => {
    const { ledger } = fixture;
    const examples = Array.from({ length: 3000 }, (_, index) => example(index, 32));
    const rejected = [{ line: 7, reason: 'not JSON' }];
    const dataset = {
      digest: DATASET,
      name: 'questions',
      format: 'solopo',
      examples: 3000,
      rejected,
      rejectedCount: 1,
    };
    const register = () => ledger.transaction((tx) => tx.datasets.register(dataset, examples));
    expect(await seconds(register)).toBeLessThan(5);
    await register();
    expect(await ledger.datasets.require('questions')).toMatchObject({ ...dataset, examples: 3000 });
    const page = await ledger.datasets.examples(DATASET, { from: 2990, to: 3005 });
    expect(page.map(({ position }) => position)).toEqual([2990, 2991, 2992, 2993, 2994, 2995, 2996, 2997, 2998, 2999]);
    expect(page[0]).toMatchObject({ digest: digestOf(examples[2990]), content: examples[2990] });
    await expect(ledger.datasets.require('answers')).rejects.toThrow(/no data set answers; import it/);
  });

  it('keeps texts with NUL characters', async () => {
    const { ledger } = fixture;
    const odd: Example = { ...example(0), question: 'what is \0?' };
    const digest = sha256('odd');
    const dataset = { digest, name: 'odd', format: 'solopo', examples: 1, rejected: [], rejectedCount: 0 };
    await ledger.datasets.register(dataset, [odd]);
    expect((await ledger.datasets.examples(digest, all))[0]?.content).toEqual(odd);
    const { sample } = await createStages(ledger, 100);
    const row: NewSample = { position: 0, sampleIndex: 0, tokens: [0], text: 'a\0b', finish: 'stop', logp: -1 };
    await ledger.samples.insert(sample, [row]);
    expect((await ledger.samples.list(sample, all))[0]).toMatchObject({ text: 'a\uFFFDb', tokens: Int32Array.of(0) });
  });

  it('keeps equal contexts once and says what each example got', async () => {
    const { ledger } = fixture;
    const { compose } = await createStages(ledger, 1);
    const context = (text: string, tokens: number[]) => ({ digest: sha256(text), kind: 'short', tokens, evidence: [] });
    const [short, long] = [context('s', [1, -2, 151_935]), context('l', [1, 2, 3, 4])];
    await ledger.contexts.insert([short, long, short]);
    await ledger.contexts.insert([long, short]);
    const assignments = [
      { position: 0, short: short.digest, long: long.digest },
      { position: 1, refused: 'too long' },
      { position: 2, short: short.digest, long: long.digest },
    ];
    await ledger.contexts.assign(compose, assignments);
    await ledger.contexts.assign(compose, assignments);
    expect(await ledger.contexts.assignments(compose)).toEqual(assignments);
    expect(await ledger.contexts.assigned(compose, 'short', { from: 0, to: 2 })).toEqual([
      { position: 0, digest: short.digest, tokens: Int32Array.of(1, -2, 151_935), evidence: [] },
    ]);
    expect((await ledger.contexts.assigned(compose, 'long', all)).map(({ position }) => position)).toEqual([0, 2]);
  });

  it('takes 24,000 samples in a couple of seconds, and once', async () => {
    const { ledger } = fixture;
    const { sample, pair } = await createStages(ledger, 2);
    const samples = Array.from({ length: 24_000 }, (_, index): NewSample => {
      const [position, sampleIndex] = [Math.floor(index / 8), index % 8];
      return { position, sampleIndex, tokens: [index, 1, 2, 3], text: `at ${index}`, finish: 'stop', logp: -0.5 };
    });
    expect(await seconds(() => ledger.transaction((tx) => tx.samples.insert(sample, samples)))).toBeLessThan(5);
    await ledger.samples.insert(sample, samples.slice(0, 100));
    const page = await ledger.samples.list(sample, { from: 10, to: 12 });
    expect(page).toHaveLength(16);
    expect(page[9]).toEqual({ ...samples[89], tokens: Int32Array.of(89, 1, 2, 3) });
    await ledger.judgements.insert(pair, 'sub-em', [{ position: 0, sampleIndex: 1, correct: true }]);
    expect(await ledger.judgements.list(pair)).toMatchObject([{ position: 0, sampleIndex: 1, correct: true }]);
    expect((await ledger.counts()).samples).toBeGreaterThanOrEqual(24_000);
  });

  it('reads a sample as its digest has it, whatever Postgres makes of its text and its log-probability', async () => {
    const { ledger } = fixture;
    const { sample } = await createStages(ledger, 101);
    const rows = [-0.1, NaN, -Infinity, 0].map((logp, position): NewSample => {
      const text = ['a\0b', 'a\ud83d', '', 'caf\u00e9'][position] ?? '';
      return { position, sampleIndex: 0, tokens: [position, -1], text, finish: 'length', logp };
    });
    await ledger.samples.insert(sample, rows);
    const kept = await ledger.samples.evidence(sample, all);
    expect(kept.map(({ digest }) => digest)).toEqual(kept.map((row) => sampleDigest(sample, row)));
    expect(kept.map(({ digest }) => digest)).toEqual(rows.map((row) => sampleDigest(sample, row)));
    expect(new Set(kept.map(({ digest }) => digest)).size).toBe(4);
  });

  describe('pairs', () => {
    const context = (kind: string, tokens: number[]) => ({
      digest: sha256(`pair ${kind}`),
      kind,
      tokens,
      evidence: [],
    });
    const [short, long] = [context('short', [1, 2]), context('long', [1, 2, 3])];
    const pair = (position: number, heldOut: boolean, ordinal: number): NewPair => ({
      position,
      digest: sha256(`pair ${position}`),
      shortContext: short.digest,
      longContext: long.digest,
      chosen: [position, 7],
      rejected: [8],
      chosenText: 'right',
      rejectedText: 'wrong',
      chosenSample: null,
      rejectedSample: 3,
      heldOut,
      ordinal,
    });
    const pairs = [pair(0, true, 0), pair(2, false, 0), pair(3, false, 1), pair(7, false, 2)];

    it('come back as they are read: by split and ordinal, for training, for people', async () => {
      const { ledger } = fixture;
      const stages = await createStages(ledger, 3);
      await ledger.contexts.insert([short, long]);
      await ledger.pairs.insert(stages.pair, pairs);
      await ledger.pairs.insert(stages.pair, pairs);
      await ledger.pairs.refuse(stages.pair, [{ position: 1, reason: 'all right' }]);
      const positions = (rows: readonly { position: number }[]) => rows.map(({ position }) => position);
      expect(positions(await ledger.pairs.list(stages.pair, 'training', { from: 1, to: 3 }))).toEqual([3, 7]);
      expect(positions(await ledger.pairs.list(stages.pair, 'training', { from: 0, to: 2 }))).toEqual([2, 3]);
      expect(await ledger.pairs.list(stages.pair, 'held-out', { from: 1, to: 3 })).toEqual([]);
      expect(positions(await ledger.pairs.training(stages.pair, [2, 0]))).toEqual([2, 7]);
      expect(await ledger.pairs.list(stages.pair, 'held-out', all)).toEqual([
        {
          position: 0,
          digest: sha256('pair 0'),
          heldOut: true,
          ordinal: 0,
          short: Int32Array.of(1, 2),
          long: Int32Array.of(1, 2, 3),
          chosen: Int32Array.of(0, 7),
          rejected: Int32Array.of(8),
        },
      ]);
      expect(await ledger.pairs.refusals(stages.pair)).toEqual([{ position: 1, reason: 'all right' }]);
      expect(await ledger.pairs.views(stages.pair, { from: 1, to: 2 })).toEqual([
        {
          digest: sha256('pair 2'),
          example: 'q2',
          heldOut: false,
          question: 'Where is thing 2?',
          chosen: 'right',
          rejected: 'wrong',
          shortTokens: 2,
          longTokens: 3,
        },
      ]);
    });

    it('are refused when they come out differently the second time', async () => {
      const { ledger } = fixture;
      const stages = await createStages(ledger, 4);
      await ledger.contexts.insert([short, long]);
      await ledger.pairs.insert(stages.pair, pairs);
      const other = { ...pair(2, false, 0), digest: sha256('another') };
      await expect(ledger.pairs.insert(stages.pair, [other])).rejects.toThrow(/Example 2 gave another pair/);
    });

    describe('are scored', () => {
      const row = { context: 'short', response: 'chosen', logps: Float32Array.of(-0.5, -1.25), sum: -1.75 } as const;
      const by = (engine: string, position = 2) => ({ position, ...row, engine });
      async function pairStage(seed: number): Promise<string> {
        const { ledger } = fixture;
        const stages = await createStages(ledger, seed);
        await ledger.contexts.insert([short, long]);
        await ledger.pairs.insert(stages.pair, pairs);
        return stages.pair;
      }

      it('once by each engine, and the first recorded is told', async () => {
        const { scores } = fixture.ledger;
        const stage = await pairStage(5);
        const other = { ...by('e1'), logps: Float32Array.of(-0.5, -1.5), sum: -2 };
        // Neither the engines' names nor the order of the rows decides: e2 came first for 2, e1 for 3.
        await scores.insert(stage, MODEL, [by('e2'), by('e1', 3)]);
        await scores.insert(stage, MODEL, [other, by('e2', 3), by('e2', 7)]);
        await scores.insert(stage, MODEL, [by('e2'), other]);
        expect(await scores.list(stage, MODEL, [0, 2, 3])).toEqual([by('e2'), by('e1', 3)]);
        expect(await scores.list(stage, MODEL, [2, 3, 7], 'e1')).toEqual([other, by('e1', 3)]);
        expect(await scores.list(stage, MODEL, [2, 3], 'e2')).toEqual([by('e2'), by('e2', 3)]);
        expect(await scores.list(stage, MODEL, [2, 3], 'e3')).toEqual([]);
        expect(await scores.list(stage, sha256('another model'), [2])).toEqual([]);
        expect(await scores.all(stage, MODEL, [2, 3])).toEqual([by('e2'), other, by('e1', 3), by('e2', 3)]);
      });

      it.each([
        ['log-probabilities', { logps: Float32Array.of(-0.5, -1.2500001) }],
        ['sum', { sum: -1.7500000000000002 }],
      ])('and refused with other %s from an engine of the same fingerprint', async (name, changes) => {
        const { ledger } = fixture;
        const stage = await pairStage(name === 'sum' ? 50 : 51);
        await ledger.scores.insert(stage, MODEL, [by('e1')]);
        const both = [by('e1', 3), { ...by('e1'), ...changes }];
        await expect(ledger.transaction((tx) => tx.scores.insert(stage, MODEL, both))).rejects.toThrow(
          /^The short score of the chosen response of example 2 came out differently than before .*\(e1\)/,
        );
        expect(await ledger.scores.list(stage, MODEL, [2, 3])).toEqual([by('e1')]);
      });
    });
  });

  describe('the chain of steps', () => {
    const step = (number: number, previousDigest: string): NewStep => ({
      step: number,
      digest: sha256(`step ${number}`),
      previousDigest,
      pairDigests: [sha256('p1'), sha256('p2')],
      metrics: { loss: Math.LN2, learning_rate: 1e-6 },
      engine: 'an engine',
    });
    const steps = [step(1, CHAIN_START), step(2, sha256('step 1')), step(3, sha256('step 2'))];

    it('grows from its head, and the same steps again change nothing', async () => {
      const { ledger } = fixture;
      await createRun(ledger, 'chain');
      expect(await ledger.steps.head('chain')).toEqual({ step: 0, digest: CHAIN_START });
      await ledger.steps.append('chain', steps.slice(0, 2));
      const timed = steps.map((step) => ({ ...step, phaseSeconds: { forward: step.step, backward: 0.5 } }));
      await ledger.steps.append('chain', timed);
      await ledger.steps.append('chain', steps.slice(0, 1));
      expect(await ledger.steps.head('chain')).toEqual({ step: 3, digest: sha256('step 3') });
      expect(await ledger.steps.after('chain', 1)).toMatchObject([
        { step: 2, phaseSeconds: null },
        { step: 3, metrics: { loss: Math.LN2 }, phaseSeconds: { forward: 3, backward: 0.5 } },
      ]);
      expect(await ledger.steps.chain('chain')).toEqual(steps);
    });

    it.each([
      ['a wrong predecessor', [step(1, sha256('step 9'))]],
      ['a gap', [step(2, CHAIN_START)]],
      ['a gap inside', [step(1, CHAIN_START), step(3, sha256('step 1'))]],
    ])('refuses %s', async (title, broken) => {
      await createRun(fixture.ledger, title);
      await expect(fixture.ledger.steps.append(title, broken)).rejects.toThrow(/does not follow/);
    });

    it('refuses a step that came out differently', async () => {
      await createRun(fixture.ledger, 'other');
      await fixture.ledger.steps.append('other', steps);
      const other = { ...step(2, sha256('step 1')), digest: sha256('x') };
      await expect(fixture.ledger.steps.append('other', [other])).rejects.toThrow(/Step 2 .* differently/);
    });
  });

  it('keeps checkpoints, policy versions, alignments and evaluations of a run', async () => {
    const { ledger } = fixture;
    await createRun(ledger, 'r');
    const checkpoint = (step: number) => ({ step, digest: sha256(`c${step}`), parametersDigest: sha256(`p${step}`) });
    for (const step of [25, 50, 25]) await ledger.checkpoints.insert('r', checkpoint(step));
    expect(await ledger.checkpoints.latest('r')).toEqual(checkpoint(50));
    expect(await ledger.checkpoints.list('r')).toHaveLength(2);
    const version = { step: 50, digest: sha256('policy'), chainHead: sha256('step 50') };
    // Training need not change the weights: two versions may be the same policy.
    const same = { ...version, step: 25 };
    for (const published of [version, same]) await ledger.versions.insert('r', published);
    expect(await ledger.versions.list('r')).toEqual([same, version]);

    const { pair } = await createStages(ledger, 6);
    const alignment = { run: 'r', step: 50, policy: version.digest, metrics: { 'solo/gap_abs': 0.5 }, details: [1] };
    await ledger.alignments.insert(pair, alignment);
    expect(await ledger.alignments.ofRun('r')).toEqual([
      { step: 50, policy: version.digest, metrics: alignment.metrics },
    ]);
    expect(await ledger.alignments.details('r', 50)).toEqual([1]);

    const evaluate = async (policy: string, documents: number) => {
      const stage = await createStage(
        ledger,
        {
          kind: 'evaluate',
          policy,
          model: MODEL,
          adapter: null,
          dataset: DATASET,
          prompt: { document: '{text}', separator: ' ', user: '{documents}{question}' },
          documents,
          judge: 'exact',
          maxNewTokens: 8,
          seed: 0,
        },
        2,
      );
      await ledger.runs.subscribe('r', stage, `evaluate ${documents}`);
      const chunk = { policy, documents, tokens: 100, n: 3, correct: 1, outcomes: '010', refused: { long: 1 } };
      await ledger.evaluations.insert(stage, 1, { ...chunk, outcomes: '001', refused: { short: 2 } });
      await ledger.evaluations.insert(stage, 0, chunk);
      for (const index of [0, 1]) await ledger.stages.finishChunk(stage, index, { seconds: 1, result: null });
    };
    for (const documents of [8, 4]) await evaluate(version.digest, documents);
    await evaluate(MODEL, 4);
    const counts = { tokens: 200, n: 6, correct: 2, outcomes: '010001', refused: { long: 1, short: 2 } };
    expect(await ledger.evaluations.ofRun('r')).toEqual([
      { policy: MODEL, step: 'base', documents: 4, ...counts },
      { policy: version.digest, step: 50, documents: 4, ...counts },
      { policy: version.digest, step: 50, documents: 8, ...counts },
    ]);
  });
});
