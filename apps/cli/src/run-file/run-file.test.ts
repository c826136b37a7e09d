import { describe, expect, it } from 'vitest';
import { parseSetting, readRunFile } from './run-file.ts';

const RUN = `# a run
name: first
model: m
dataset: d
contexts:
  short: { distractors: 2 }
  long: { documents: 16 }
training:
  learningRate: 1e-5
`;

const faultsOf = (source: string, ...settings: string[]): string[] => {
  try {
    readRunFile(source, 'run.yaml', settings.map(parseSetting));
    return [];
  } catch (error) {
    return (error as Error).message.split('\n').slice(0, -1);
  }
};

describe('a run file', () => {
  it('is YAML, and what it leaves out stays out', () => {
    expect(readRunFile(RUN, 'run.yaml')).toEqual({
      name: 'first',
      model: 'm',
      dataset: 'd',
      contexts: { short: { distractors: 2 }, long: { documents: 16 } },
      training: { learningRate: 1e-5 },
    });
  });

  it('may be JSON', () => {
    const config = { name: 'r', model: 'm', dataset: 'd', contexts: { long: { maxTokens: 100 } } };
    expect(readRunFile(JSON.stringify(config), 'run.json')).toEqual(config);
  });

  it('is changed by settings, in places it has and in others', () => {
    const settings = ['training.learningRate=2e-5', 'arm=short', 'contexts.long={maxTokens: 64}', 'evaluation=null'];
    expect(readRunFile(RUN, 'run.yaml', settings.map(parseSetting))).toMatchObject({
      arm: 'short',
      contexts: { short: { distractors: 2 }, long: { maxTokens: 64 } },
      training: { learningRate: 2e-5 },
      evaluation: null,
    });
  });

  it.each([
    ['an unknown key', `${RUN}  pairsPerBatch: 4\n`, ['run.yaml:10:3: training.pairsPerBatch: is not a known key']],
    ['a value out of range', RUN.replace('1e-5', '2'), [/^run.yaml:9:17: training.learningRate: Too big/]],
    ['a missing key', RUN.replace('model: m\n', ''), ['run.yaml:2:1: model: is missing']],
    ['a wrong choice', `${RUN}arm: best\n`, [/^run.yaml:10:6: arm: Invalid option/]],
    [
      'a choice of shapes',
      RUN.replace('documents: 16', 'documents: many'),
      [/^run.yaml:7:22: contexts.long.documents: /],
    ],
    [
      'two faults',
      RUN.replace('name: first', 'nam: first'),
      [/run.yaml:2:1: name: is missing/, /run.yaml:2:1: nam: is not/],
    ],
    ['broken YAML', RUN.replace('}', ''), [/^run.yaml:\d+:\d+: /]],
    ['a key that is there twice', `${RUN}name: second\n`, ['run.yaml:10:1: Map keys must be unique']],
    ['nothing', '', [/^run.yaml:1:1: /]],
    ['endless aliases', bomb(), [/^run.yaml: Excessive alias count/]],
  ])('with %s is refused, with its place', (_, source, faults) => {
    const found = faultsOf(source);
    expect(found.length).toBeGreaterThanOrEqual(faults.length);
    faults.forEach((fault, index) =>
      expect(found[index]?.trim()).toMatch(typeof fault === 'string' ? new RegExp(`^${escaped(fault)}$`) : fault),
    );
  });

  it('with more faults than anybody reads names the first ones', () => {
    const keys = Array.from({ length: 500 }, (_, n) => `k${n}: ${'x'.repeat(500)}`);
    const found = faultsOf(`${RUN}${keys.join('\n')}`);
    expect(found).toHaveLength(21);
    expect(found.at(-1)).toBe('  and 480 more');
    const [long = ''] = faultsOf(`${RUN}${'k'.repeat(50_000)}: 1`);
    expect(long.length).toBeLessThan(2000);
  });

  it('names the setting that is at fault', () => {
    expect(faultsOf(RUN, 'training.learningRate=fast')[0]).toMatch(
      /^--set training.learningRate: training.learningRate: /,
    );
    expect(faultsOf(RUN, 'training.lr=1')[0]).toBe('--set training.lr: training.lr: is not a known key');
    expect(() => readRunFile(RUN, 'run.yaml', [parseSetting('name.first=1')])).toThrow('there is no such place');
    expect(() => parseSetting('training')).toThrow('--set wants KEY=VALUE');
    expect(() => parseSetting('arm={')).toThrow('--set arm: ');
  });
});

function bomb(): string {
  const levels = Array.from({ length: 8 }, (_, n) => `l${n + 1}: &l${n + 1} [${Array(9).fill(`*l${n}`).join(', ')}]`);
  return `l0: &l0 x\n${levels.join('\n')}\n`;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
