import {
  digestOf,
  runConfigSchema,
  sha256,
  type RunConfigInput,
  type StageSpec,
  type StageSpecOf,
} from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { nextStages } from './next-stages.ts';
import type { PolicyVersion, RunFacts, StageFacts, StageResult, StageState } from './run-facts.ts';

const model = sha256('model');
const HELD_OUT_SCORES = ['score held-out short', 'score held-out long'] as const;
const version = (step: number, run = ''): PolicyVersion => ({ step, digest: sha256(`version ${step} ${run}`) });

function configOf(changes: Partial<RunConfigInput> = {}) {
  return runConfigSchema.parse({
    name: 'a run',
    model: 'tiny',
    dataset: 'questions',
    contexts: { long: { documents: 8 } },
    evaluation: { dataset: 'held-out', documents: [4, 8] },
    ...changes,
  });
}

/** A run that is advanced as the ledger would: what is started gets finished by `finish`. */
class RunUnderTest {
  readonly stages = new Map<string, StageFacts>();
  readonly labels = new Map<string, string>();
  versions: PolicyVersion[] = [];
  readonly run: RunFacts['run'];

  constructor(changes: Partial<RunConfigInput> = {}, id = 'r1') {
    const config = configOf(changes);
    const evaluationDataset = config.evaluation === null ? null : sha256('held-out');
    this.run = { id, config, model, dataset: sha256('questions'), evaluationDataset };
  }

  next() {
    return nextStages(this);
  }

  /** Subscribes to what comes next and says what that was. */
  advance(state: StageState = 'running'): string[] {
    const { start } = this.next();
    for (const { digest, spec, label } of start) {
      expect(digest).toBe(digestOf(spec));
      this.stages.set(digest, { spec, state, result: null });
      this.labels.set(label, digest);
    }
    return start.map(({ label }) => label);
  }

  spec(label: string): StageSpec {
    return this.#facts(label).spec;
  }

  end(label: string, state: 'done' | 'failed', result: StageResult | null = null): void {
    const { spec } = this.#facts(label);
    this.stages.set(digestOf(spec), { spec, state, result });
  }

  finish(...labels: string[]): string[] {
    for (const label of labels) this.end(label, 'done', label === 'pair' ? { pairs: 100, heldOut: 10 } : null);
    return this.advance();
  }

  #facts(label: string): StageFacts {
    const facts = this.stages.get(this.labels.get(label) ?? '');
    if (facts === undefined) throw new Error(`The run has no stage ${label}.`);
    return facts;
  }
}

function runToTraining(changes: Partial<RunConfigInput>, ...scores: string[]): RunUnderTest {
  const run = new RunUnderTest(changes);
  expect(run.advance()).toEqual(['compose', 'evaluate base 4', 'evaluate base 8']);
  expect(run.finish('evaluate base 4')).toEqual([]);
  expect(run.finish('compose')).toEqual(['sample']);
  expect(run.finish('sample')).toEqual(['pair']);
  expect(run.finish('pair')).toEqual([...scores, ...HELD_OUT_SCORES]);
  for (const score of scores.slice(1)) expect(run.finish(score)).toEqual([]);
  expect(run.finish(scores[0] ?? '')).toEqual(['train']);
  return run;
}

describe('the stage machine', () => {
  it.each([
    ['short', { arm: 'short' }, ['score training short']],
    ['expand-long', { arm: 'expand-long' }, ['score training long']],
    ['long', { arm: 'long' }, ['score training long']],
    ['solo-both with a shared reference', { arm: 'solo-both' }, ['score training short']],
    [
      'solo-both with per-context references',
      { arm: 'solo-both', alignment: { reference: 'per-context' } },
      ['score training short', 'score training long'],
    ],
    ['solo with a shared reference', { arm: 'solo' }, ['score training short']],
    [
      'solo with per-context references',
      { arm: 'solo', alignment: { reference: 'per-context' } },
      ['score training short', 'score training long'],
    ],
  ] as const)('takes %s through every stage', (_, changes, scores) => {
    const run = runToTraining(changes, ...scores);
    expect(run.finish(...HELD_OUT_SCORES)).toEqual(['align 0']);
    run.versions = [version(25)];
    expect(run.advance()).toEqual(['align 25']);
    run.versions = [version(25), version(40)];
    expect(run.finish('train')).toEqual(['align 40', 'evaluate 40 4', 'evaluate 40 8']);
    expect(run.finish('align 0', 'align 25', 'align 40', 'evaluate 40 4', 'evaluate 40 8')).toEqual([]);
    expect(run.next().finished).toBe(false);
    expect(run.finish('evaluate base 8')).toEqual([]);
    expect(run.next()).toEqual({ start: [], finished: true, failure: null });
  });

  it.each([
    ['sft', { arm: 'sft' }],
    ['distil', { arm: 'distil' }],
    ['simpo', { objective: { kind: 'simpo' } }],
    ['orpo, solo-both', { arm: 'solo-both', objective: { kind: 'orpo' } }],
    ['simpo with per-context references', { objective: { kind: 'simpo' }, alignment: { reference: 'per-context' } }],
  ] as const)('scores no reference for %s', (_, changes) => {
    const run = new RunUnderTest({ ...changes, evaluation: null });
    run.advance();
    run.finish('compose');
    run.finish('sample');
    expect(run.finish('pair')).toEqual(['train', 'align 0']);
    run.versions = [version(6)];
    expect(run.finish('train')).toEqual(['align 6']);
    run.finish('align 0', 'align 6');
    expect(run.next().finished).toBe(true);
  });

  it('trains an adapter, and measures each version with it; the base has none and is shared with runs that train all', () => {
    const adapter = { kind: 'lora', rank: 4 } as const;
    const [whole, low] = [{}, { adapter }].map((changes) => {
      const run = runToTraining({ arm: 'short', ...changes }, 'score training short');
      run.versions = [version(40)];
      run.finish('train', ...HELD_OUT_SCORES);
      return run;
    }) as [RunUnderTest, RunUnderTest];
    for (const label of ['train', 'align 40', 'evaluate 40 4'])
      expect(low.spec(label)).toMatchObject({ adapter: { kind: 'lora', rank: 4, alpha: 32 } });
    for (const label of ['align 0', 'evaluate base 4']) {
      expect(low.spec(label)).toMatchObject({ adapter: null });
      expect(low.labels.get(label)).toBe(whole.labels.get(label));
    }
    expect(low.labels.get('train')).not.toBe(whole.labels.get('train'));
  });

  it('scores, trains and aligns over frozen weights of one format; float32 leaves every stage as it was', () => {
    const adapter = { kind: 'lora' } as const;
    const [plain, lower] = (['float32', 'int8'] as const).map((frozenWeights) => {
      const run = runToTraining({ arm: 'short', adapter, frozenWeights }, 'score training short');
      run.versions = [version(40)];
      run.finish('train', ...HELD_OUT_SCORES);
      return run;
    }) as [RunUnderTest, RunUnderTest];
    const measured = ['score training short', ...HELD_OUT_SCORES, 'train', 'align 0', 'align 40'];
    for (const label of measured) {
      expect(lower.spec(label), label).toMatchObject({ frozenWeights: 'int8' });
      expect(plain.spec(label), label).not.toHaveProperty('frozenWeights');
    }
    // Answers and accuracies are of the model as it is registered.
    for (const label of ['sample', 'evaluate base 4', 'evaluate 40 4'])
      expect(lower.labels.get(label), label).toBe(plain.labels.get(label));
  });

  it('does with PyTorch, in its precision, whatever a model computes; onnxruntime leaves every stage as it was', () => {
    const settings = [{}, { engine: 'torch' }, { engine: 'torch', precision: 'bfloat16' }] as const;
    const [plain, torch, half] = settings.map((changes) => {
      const run = runToTraining({ arm: 'short', ...changes }, 'score training short');
      run.versions = [version(40)];
      run.finish('train', ...HELD_OUT_SCORES);
      return run;
    }) as [RunUnderTest, RunUnderTest, RunUnderTest];
    const computed = ['sample', 'score training short', ...HELD_OUT_SCORES, 'train', 'align 0', 'align 40'];
    for (const label of [...computed, 'evaluate base 4', 'evaluate 40 4']) {
      expect(plain.spec(label), label).not.toHaveProperty('engine');
      expect(torch.spec(label), label).toMatchObject({ engine: 'torch' });
      expect(torch.spec(label), label).not.toHaveProperty('precision');
      expect(half.spec(label), label).toMatchObject({ engine: 'torch', precision: 'bfloat16' });
    }
    for (const run of [torch, half]) expect(run.labels.get('compose')).toBe(plain.labels.get('compose'));
    expect(new Set([plain, torch, half].map((run) => run.labels.get('pair'))).size).toBe(3);
  });

  it('has a server draw its samples, and answer its evaluations where it serves the policies too', () => {
    const url = 'http://vllm:8000';
    const adapter = { kind: 'lora' } as const;
    const [plain, base, all] = ([null, { url, model: 'm' }, { url, adapters: 'vllm', check: 'none' }] as const).map(
      (sampler) => {
        const run = runToTraining({ arm: 'short', adapter, sampler }, 'score training short');
        run.versions = [version(40)];
        run.finish('train', ...HELD_OUT_SCORES);
        return run;
      },
    ) as [RunUnderTest, RunUnderTest, RunUnderTest];
    expect(plain.spec('sample')).not.toHaveProperty('sampler');
    expect(base.spec('sample')).toMatchObject({ sampler: { url, model: 'm', check: 'logps' } });
    expect(all.spec('sample')).toMatchObject({ sampler: { url, check: 'none' } });
    for (const label of ['evaluate base 4', 'evaluate 40 4']) {
      expect(base.labels.get(label), label).toBe(plain.labels.get(label));
      expect(all.spec(label), label).toMatchObject({ sampler: { url, check: 'none' } });
    }
    for (const run of [base, all]) expect(run.labels.get('compose')).toBe(plain.labels.get('compose'));
  });

  it('trains with the gradient of a tail under a name of its own; the whole gradient leaves every stage as it was', () => {
    const [whole, tail] = [{}, { alignment: { backward: { tail: 16 } } }].map((changes) => {
      const run = runToTraining(changes, 'score training short');
      run.versions = [version(40)];
      run.finish('train', ...HELD_OUT_SCORES);
      return run;
    }) as [RunUnderTest, RunUnderTest];
    expect(tail.spec('train')).toMatchObject({ alignment: { backward: { tail: 16 } } });
    expect(whole.spec('train')).not.toHaveProperty('alignment.backward');
    // A measurement has no gradient.
    for (const label of ['align 0', 'align 40']) expect(tail.labels.get(label), label).toBe(whole.labels.get(label));
  });

  it('evaluates the last policy version, whatever the order they came in', () => {
    const run = runToTraining({ arm: 'short' }, 'score training short');
    run.versions = [version(40), version(25)];
    run.finish('train', ...HELD_OUT_SCORES);
    expect(run.spec('evaluate 40 4')).toMatchObject({ policy: version(40).digest, model });
    expect(run.spec('align 0')).toMatchObject({ step: 0, policy: model });
    expect(run.spec('align 25')).toMatchObject({ step: 25, policy: version(25).digest });
  });

  it('is not finished while training goes on, though all that was started is done', () => {
    const run = runToTraining({ arm: 'short' }, 'score training short');
    run.finish('evaluate base 8', ...HELD_OUT_SCORES);
    run.finish('align 0');
    expect(run.next()).toEqual({ start: [], finished: false, failure: null });
  });

  it.each([
    ['short', 'long'],
    ['long', 'short'],
  ])('measures no alignment before the held-out pairs are scored: %s, then %s', (first, second) => {
    const run = runToTraining({ arm: 'short' }, 'score training short');
    run.versions = [version(25)];
    expect(run.finish('train')).toEqual(['evaluate 25 4', 'evaluate 25 8']);
    expect(run.finish('evaluate base 8', 'evaluate 25 4', 'evaluate 25 8')).toEqual([]);
    expect(run.finish(`score held-out ${first}`)).toEqual([]);
    expect(run.next()).toEqual({ start: [], finished: false, failure: null });
    expect(run.finish(`score held-out ${second}`)).toEqual(['align 0', 'align 25']);
    expect(run.next().finished).toBe(false);
    run.finish('align 0', 'align 25');
    expect(run.next().finished).toBe(true);
  });

  it('measures the base model while the training pairs are being scored', () => {
    const run = new RunUnderTest({ evaluation: null });
    run.advance();
    run.finish('compose');
    run.finish('sample');
    run.finish('pair');
    expect(run.finish(...HELD_OUT_SCORES)).toEqual(['align 0']);
    expect(run.finish('align 0')).toEqual([]);
    expect(run.finish('score training short')).toEqual(['train']);
  });

  it('trains with nothing to evaluate on', () => {
    const run = new RunUnderTest({ evaluation: null });
    expect(run.advance()).toEqual(['compose']);
    run.finish('compose');
    run.finish('sample');
    run.finish('pair');
    expect(run.finish('score training short')).toEqual(['train']);
    expect(run.finish(...HELD_OUT_SCORES)).toEqual(['align 0']);
    run.versions = [version(6)];
    expect(run.finish('train')).toEqual(['align 6']);
    run.finish('align 0', 'align 6');
    expect(run.next().finished).toBe(true);
  });

  it('measures no alignment without held-out pairs', () => {
    const run = new RunUnderTest({ evaluation: null });
    run.advance();
    run.finish('compose');
    run.finish('sample');
    run.end('pair', 'done', { pairs: 5, heldOut: 0 });
    expect(run.advance()).toEqual(['score training short']);
    run.finish('score training short');
    run.versions = [version(6)];
    expect(run.finish('train')).toEqual([]);
    expect(run.next().finished).toBe(true);
  });

  it('evaluates a length once, though it is asked for twice', () => {
    const run = new RunUnderTest({ evaluation: { dataset: 'held-out', documents: [4, 4] } });
    expect(run.advance()).toEqual(['compose', 'evaluate base 4']);
  });

  it.each(['compose', 'evaluate base 8'])('fails with a failed stage: %s', (label) => {
    const run = new RunUnderTest();
    run.advance();
    run.end(label, 'failed');
    expect(run.next()).toMatchObject({ start: [], finished: false });
    expect(run.next().failure).toMatch(/^The (compose|evaluate) stage failed; .+start the run again/);
  });

  it('fails when no example gave a pair', () => {
    const run = new RunUnderTest();
    run.advance();
    run.finish('compose');
    run.finish('sample');
    run.end('pair', 'done', { pairs: 0, heldOut: 3 });
    expect(run.next().failure).toMatch(/No example gave a training pair/);
  });

  it('refuses a pair stage without counts, and training without a policy version', () => {
    const run = new RunUnderTest();
    run.advance();
    run.finish('compose');
    run.finish('sample');
    run.end('pair', 'done', {});
    expect(() => run.next()).toThrow(/pairs, heldOut/);
    const trained = runToTraining({ arm: 'short' }, 'score training short');
    trained.end('train', 'done');
    expect(() => trained.next()).toThrow(/no policy version/);
  });

  it('says the same when asked again', () => {
    const run = new RunUnderTest();
    expect(run.next()).toEqual(run.next());
  });
});

describe('stages of several runs', () => {
  const ARMS = [
    { arm: 'short' },
    { arm: 'expand-long' },
    { arm: 'solo' },
    { arm: 'solo', alignment: { reference: 'per-context' } },
  ] as const;
  const arms = ARMS.map((changes, index) => {
    const run = new RunUnderTest(changes, `r${index}`);
    run.advance();
    run.finish('compose');
    run.finish('sample');
    run.finish('pair');
    run.finish(...[...run.labels.keys()].filter((label) => label.startsWith('score ')));
    return run;
  });
  const digests = (label: string) => new Set(arms.map((run) => run.labels.get(label)));

  it('are shared between arms up to the scores', () => {
    for (const label of ['compose', 'sample', 'pair', 'evaluate base 4', 'evaluate base 8'])
      expect(digests(label).size, label).toBe(1);
    const [short, expanded, solo, both] = arms.map(({ labels }) => labels);
    for (const run of [solo, both]) expect(run?.get('score training short')).toBe(short?.get('score training short'));
    expect(both?.get('score training long')).toBe(expanded?.get('score training long'));
  });

  it('score the held-out pairs once for all arms, under both contexts', () => {
    for (const label of HELD_OUT_SCORES) {
      expect(digests(label).size, label).toBe(1);
      expect(digests(label), label).not.toContain(undefined);
    }
    for (const { labels } of arms) {
      const scores = [...labels].filter(([label]) => label.startsWith('score '));
      expect(new Set(scores.map(([, digest]) => digest)).size).toBe(scores.length);
    }
    const [run] = arms;
    for (const context of ['short', 'long'])
      expect(run?.spec(`score held-out ${context}`)).toEqual({
        kind: 'score',
        pair: run?.labels.get('pair'),
        model,
        split: 'held-out',
        context,
      });
  });

  it('are their own from training on', () => {
    for (const label of ['train', 'align 0']) {
      expect(digests(label).size, label).toBe(ARMS.length);
      expect(digests(label), label).not.toContain(undefined);
    }
  });

  it.each([
    ['compose', { seed: 1 }],
    ['compose', { contexts: { long: { documents: 9 } } }],
    ['compose', { contexts: { long: { documents: 8 }, beyondPositions: 'refuse' } }],
    ['compose', { prompt: { separator: '\n' } }],
    ['compose', { prompt: { controlTokens: 'text' } }],
    ['sample', { sampling: { temperature: 1 } }],
    ['pair', { pairing: { judge: 'exact' } }],
    ['pair', { pairing: { normalization: 'none' } }],
    ['pair', { pairing: { cutAnswers: 'keep' } }],
    ['evaluate base 4', { evaluation: { dataset: 'held-out', documents: [4, 8], normalization: 'none' } }],
    ['evaluate base 4', { evaluation: { dataset: 'held-out', documents: [4], questions: 10 } }],
    ['evaluate base 4', { evaluation: { dataset: 'held-out', documents: [4] }, prompt: { controlTokens: 'text' } }],
  ] as const)('differ from %s on with %j', (label, changes) => {
    const [before, after] = [new RunUnderTest(), new RunUnderTest(changes as unknown as Partial<RunConfigInput>)];
    for (const run of [before, after]) {
      run.advance();
      run.finish('compose');
      run.finish('sample');
    }
    expect(after.labels.get(label)).not.toBe(before.labels.get(label));
  });

  it('keep the names they had before there was a choice, for runs of that time', () => {
    const evaluation = { dataset: 'held-out', documents: [4] };
    const [before, plain] = [
      new RunUnderTest({ evaluation }),
      new RunUnderTest({
        pairing: { normalization: 'none' },
        evaluation: { ...evaluation, normalization: 'none' },
      }),
    ];
    const { pairing, evaluation: asked } = before.run.config as unknown as Record<string, Record<string, unknown>>;
    const { contexts, prompt } = before.run.config as unknown as Record<string, Record<string, unknown>>;
    delete contexts?.['beyondPositions'];
    delete prompt?.['controlTokens'];
    delete pairing?.['normalization'];
    delete pairing?.['cutAnswers'];
    delete asked?.['normalization'];
    for (const run of [before, plain]) {
      run.advance();
      run.finish('compose');
      run.finish('sample');
    }
    for (const label of ['compose', 'sample']) expect(before.labels.get(label)).toBe(plain.labels.get(label));
    expect(before.labels.get('evaluate base 4')).toBe(plain.labels.get('evaluate base 4'));
    expect(JSON.stringify(before.spec('evaluate base 4'))).not.toContain('normalization');
    const { sample, pairing: plainly } = plain.spec('pair') as StageSpecOf<'pair'>;
    const { cutAnswers, ...recorded } = plainly;
    expect(cutAnswers).toBe('refuse');
    expect(before.spec('pair')).toStrictEqual({ kind: 'pair', sample, pairing: recorded });
    expect(Object.keys(recorded)).toEqual(['mode', 'judge', 'maxPairs', 'heldOutPairs']);
  });

  it('do not depend on what only training reads', () => {
    const [before, after] = [new RunUnderTest(), new RunUnderTest({ training: { epochs: 9 }, name: 'another' })];
    for (const run of [before, after]) run.advance();
    expect([...after.stages.keys()]).toEqual([...before.stages.keys()]);
  });
});
