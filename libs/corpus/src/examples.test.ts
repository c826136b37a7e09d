import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ARMS, DATASET_FORMATS, runConfigSchema } from '@solopo/contracts';
import type { RunConfig } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { RETRIEVAL_PROMPT } from './retrieval/examples.ts';

const ROOT = join(import.meta.dirname, '../../..');
const FILES = globSync('examples/**/*.yaml', { cwd: ROOT }).sort();

const sourceOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const configOf = (file: string): RunConfig => runConfigSchema.parse(parse(sourceOf(file)));

describe('the run files in examples', () => {
  it('are there', () => {
    expect(FILES).toHaveLength(11);
  });

  it.each(FILES)('%s is a run', (file) => {
    const { name } = configOf(file);
    expect(`examples/${name.replace('retrieval-', 'retrieval-arms/')}.yaml`).toBe(file);
  });

  it.each(FILES.filter((file) => !file.includes('retrieval')))(
    '%s names data that are here, and imports what it uses',
    (file) => {
      const source = sourceOf(file);
      const imports = [...source.matchAll(/datasets import (\S+) --format (\S+) --name (\S+)/g)];
      for (const [, path, format] of imports) {
        expect(existsSync(join(ROOT, path!)), path).toBe(true);
        expect(DATASET_FORMATS).toContain(format);
      }
      const { dataset, evaluation, model } = configOf(file);
      expect(imports.map(([, , , name]) => name)).toEqual([dataset, evaluation?.dataset]);
      expect(source).toContain(`--name ${model}\n`);
      expect(source).toContain(`runs create -f ${file} `);
    },
  );

  it('has each arm of the retrieval task once, in nothing else different', () => {
    const configs = FILES.filter((file) => file.includes('retrieval')).map(configOf);
    expect(configs.map(({ arm }) => arm).sort()).toEqual([...ARMS].sort());
    const shared = ({ name, arm, objective, sampling, pairing, ...rest }: RunConfig) => ({
      ...rest,
      named: name === `retrieval-${arm}`,
      beta: objective.kind === 'dpo' ? objective.beta : 0.5,
      sampling: { ...sampling, on: 'short' },
      pairing: { ...pairing, mode: 'sampled' },
    });
    for (const config of configs) {
      expect(shared(config)).toEqual(shared(configs[0]!));
      expect(config.prompt).toEqual(RETRIEVAL_PROMPT);
    }
  });
});
