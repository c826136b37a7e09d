import { stageSpecSchema } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import {
  APPS,
  deviceOf,
  functionsOf,
  functionOf,
  functionSubject,
  FUNCTIONS,
  isOverRanks,
  leaseMsOf,
  QUEUES,
  queuesOfApp,
  STAGE_KINDS,
  subjectOf,
  subjectOfStage,
  type App,
  type EngineKind,
} from './index.ts';

describe('the manifest of functions', () => {
  it('has one function per kind of stage, named by it', () => {
    const kinds = stageSpecSchema.options.map((option) => option.shape.kind.value);
    expect([...STAGE_KINDS].sort()).toEqual([...kinds].sort());
    for (const kind of STAGE_KINDS) expect(functionOf(kind).name).toBe(kind);
  });

  it('names each subject by its app and function, each once', () => {
    for (const kind of STAGE_KINDS) expect(subjectOf(kind)).toBe(`jobs.${FUNCTIONS[kind].app}.${kind}`);
    expect(new Set(STAGE_KINDS.map(subjectOf)).size).toBe(STAGE_KINDS.length);
  });

  it('gives every function to exactly one app', () => {
    const names = APPS.flatMap((app) => functionsOf(app).map((spec) => spec.name));
    expect(names.sort()).toEqual([...STAGE_KINDS].sort());
    expect(functionsOf('datagen').map((spec) => spec.name)).toEqual(['compose', 'sample', 'pair', 'evaluate']);
    expect(functionsOf('reward').map((spec) => spec.name)).toEqual(['score', 'align']);
    expect(functionsOf('trainer').map((spec) => spec.name)).toEqual(['train', 'replay']);
  });

  it('names one device for the functions of an app, which share an engine', () => {
    for (const app of APPS)
      expect(new Set(functionsOf(app).map(({ device }) => device)), app).toEqual(new Set([deviceOf(app)]));
  });

  it('gives the job of a killed process to another after ten seconds', () => {
    for (const kind of STAGE_KINDS) expect(leaseMsOf(functionOf(kind).ackWaitMs), kind).toBe(10_000);
  });

  it('takes what a run waits for before what measures it', () => {
    const needed = ['compose', 'sample', 'pair', 'score', 'train'] as const;
    for (const kind of STAGE_KINDS)
      expect(functionOf(kind).priority, kind).toBe((needed as readonly string[]).includes(kind) ? 0 : 1);
  });

  it('has the functions that compute with the numeric engine wait for it, and no others', () => {
    expect(STAGE_KINDS.filter((kind) => !functionOf(kind).engine)).toEqual(['compose', 'pair']);
  });

  it('has a queue for each engine of what computes, and one of the rest; a stage waits in that of its engine', () => {
    const subjects = QUEUES.map(({ subject }) => subject);
    expect(new Set(subjects).size).toBe(2 * STAGE_KINDS.length - 2);
    expect(
      subjects.map(functionSubject).every((subject) => STAGE_KINDS.map(subjectOf).includes(subject as never)),
    ).toBe(true);
    expect(queuesOfApp('datagen', ['onnx']).map(({ subject }) => subject)).toEqual(
      functionsOf('datagen').map(({ subject }) => subject),
    );
    expect(queuesOfApp('reward', ['torch']).map(({ subject }) => subject)).toEqual([
      'jobs.reward.score.torch',
      'jobs.reward.align.torch',
    ]);
    const train = { kind: 'train' } as Parameters<typeof subjectOfStage>[0];
    expect(subjectOfStage(train)).toBe('jobs.trainer.train');
    expect(subjectOfStage({ ...train, engine: 'torch' } as typeof train)).toBe('jobs.trainer.train.torch');
    expect(subjectOfStage({ kind: 'compose' } as typeof train)).toBe('jobs.datagen.compose');
  });

  it('gives several ranks what they can share: scores and training, and no answers', () => {
    const two = { ranks: 2, nodes: 1, sequenceRanks: 1 };
    const taken = (app: App, engines: readonly EngineKind[]) =>
      queuesOfApp(app, engines, two).map(({ subject }) => subject);
    expect(taken('trainer', ['torch'])).toEqual(['jobs.trainer.train.torch', 'jobs.trainer.replay.torch']);
    expect(taken('reward', ['torch'])).toEqual(['jobs.reward.score.torch', 'jobs.reward.align.torch']);
    expect(taken('datagen', ['onnx', 'torch'])).toEqual(functionsOf('datagen').map(({ subject }) => subject));
    expect(APPS.filter(isOverRanks)).toEqual(['reward', 'trainer']);
  });

  it('only training goes slice by slice', () => {
    expect(STAGE_KINDS.filter((kind) => functionOf(kind).sequential)).toEqual(['train']);
  });
});
