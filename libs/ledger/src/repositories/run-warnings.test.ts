import { runConfigSchema } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { stageWarnings } from './run-warnings.ts';
import type { StageRecord } from './stage.repository.ts';

const configOf = (cutAnswers: 'refuse' | 'keep') =>
  runConfigSchema.parse({
    name: 'a run',
    model: 'tiny',
    dataset: 'questions',
    contexts: { long: { documents: 4 } },
    sampling: { maxNewTokens: 24 },
    pairing: { cutAnswers },
  });
const pairStage = (result: StageRecord['result'], state: StageRecord['state'] = 'done') =>
  ({ kind: 'pair', spec: { kind: 'pair' }, state, result }) as StageRecord;
const stageOf = (spec: object, beyondPositions: number) =>
  ({ spec, result: { beyondPositions } }) as unknown as StageRecord;

describe('the warnings of a run', () => {
  it('tell of answers that were cut, over a fifth of them', () => {
    expect(stageWarnings(configOf('refuse'), [pairStage({ judged: 100, cut: 21 })])).toEqual([
      {
        kind: 'cut-answers',
        count: 21,
        message: expect.stringMatching(/^21 of 100 .*maxNewTokens \(24\).* none of them is chosen; raise it/) as string,
      },
    ]);
    expect(stageWarnings(configOf('keep'), [pairStage({ judged: 100, cut: 21 })])[0]?.message).toMatch(
      /without an end/,
    );
  });

  it('tell of contexts that are longer than the model, each once', () => {
    const stages = [
      stageOf({ kind: 'compose' }, 3),
      stageOf({ kind: 'evaluate', model: 'm', policy: 'm' }, 2),
      stageOf({ kind: 'evaluate', model: 'm', policy: 'p' }, 2),
    ];
    expect(stageWarnings(configOf('refuse'), stages)).toEqual([
      {
        kind: 'contexts-too-long',
        count: 5,
        message: expect.stringMatching(/^5 contexts .*beyondPositions/) as string,
      },
    ]);
  });

  it('tell of control tokens in documents', () => {
    const compose = { spec: { kind: 'compose' }, result: { controlTokens: 2 } } as unknown as StageRecord;
    const config = configOf('refuse');
    expect(stageWarnings(config, [compose])).toMatchObject([
      { kind: 'control-tokens', count: 2, message: expect.stringMatching(/steers .* prompt.controlTokens/) as string },
    ]);
    const asText = { ...config, prompt: { ...config.prompt, controlTokens: 'text' as const } };
    const asked = [1, 3, 3].map((count) => ({ spec: { kind: 'evaluate' }, result: { controlTokens: count } }));
    expect(stageWarnings(asText, [compose, ...(asked as unknown as StageRecord[])])).toMatchObject([
      { kind: 'control-tokens', count: 5, message: expect.stringMatching(/encoded as text/) as string },
    ]);
  });

  it.each([
    ['a fifth', { judged: 100, cut: 20 }, 'done'],
    ['none', { judged: 0, cut: 0 }, 'done'],
    ['counts of a stage recorded before they were counted', { judged: 100 }, 'done'],
    ['a stage that is not done', { judged: 100, cut: 90 }, 'running'],
  ] as const)('say nothing of %s', (_, result, state) => {
    expect(stageWarnings(configOf('refuse'), [pairStage(result, state)])).toEqual([]);
  });
});
