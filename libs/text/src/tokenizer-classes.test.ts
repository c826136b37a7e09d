import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  classCalled,
  OTHER_CLASSES,
  TOKENIZER_CLASSES,
  tokenizerClassName,
  TRANSFORMERS_VERSION,
} from './tokenizer-classes.ts';

/** What the installed transformers makes of names; made by tools/parity/tokenizer_classes.py. */
const fixture = JSON.parse(readFileSync(new URL('fixtures/tokenizer-classes.json', import.meta.url), 'utf8')) as {
  readonly transformers: string;
  readonly registered: Readonly<Record<string, string | null>>;
  readonly made: Readonly<Record<string, string | null>>;
};
const GENERIC = ['TokenizersBackend', 'PythonBackend', 'PreTrainedTokenizerFast'];
const facts = { modelType: 'llama', named: undefined, isByteLevel: false, hasOwnCode: false };

/** As it is used: `refused` by name, or the class of the table, or the generic one. */
function used(name: string | undefined): string {
  if (name === undefined) return 'generic';
  if (OTHER_CLASSES.has(name)) return 'refused';
  return Object.hasOwn(TOKENIZER_CLASSES, name) ? name : 'generic';
}

describe('the classes of transformers', () => {
  it('are those of the version whose rules these are', () => {
    expect(fixture.transformers).toBe(TRANSFORMERS_VERSION);
  });

  it('are each in the table, the generic one, or refused: no name means another one there', () => {
    const wanted = Object.entries(fixture.made).map(([name, made]) => [
      name,
      made === null || GENERIC.includes(made) ? 'generic' : Object.hasOwn(TOKENIZER_CLASSES, made) ? made : 'refused',
    ]);
    expect(wanted.length).toBeGreaterThan(100);
    expect(Object.keys(fixture.made).map((name) => [name, used(classCalled(name))])).toEqual(wanted);
    expect([...OTHER_CLASSES].filter((name) => (fixture.made[name] ?? null) === null)).toEqual([]);
  });

  it.each(Object.entries(fixture.registered))('belong to model types: %s to %s', (modelType, registered) => {
    const found = tokenizerClassName({ ...facts, modelType });
    expect(found ?? null).toBe(registered);
  });
});

describe('the class that AutoTokenizer makes', () => {
  it.each([
    [
      'of a Ministral is the generic one, as of a Mistral',
      { modelType: 'ministral', named: 'LlamaTokenizer' },
      undefined,
    ],
    ["of Phi 3's name is Llama's", { named: 'Phi3TokenizerFast' }, 'LlamaTokenizer'],
    ['of a Llama with bytes is the generic one', { named: 'LlamaTokenizerFast', isByteLevel: true }, undefined],
    [
      'of a Llama with bytes and code of its own is the one that is named',
      { named: 'LlamaTokenizerFast', isByteLevel: true, hasOwnCode: true },
      'LlamaTokenizer',
    ],
    [
      'of a Mistral with code of its own is the one that is named',
      { modelType: 'mistral', named: 'LlamaTokenizer', hasOwnCode: true },
      'LlamaTokenizer',
    ],
    [
      'of a Qwen 2 with code of its own is the one that is named',
      { modelType: 'qwen2', named: 'PreTrainedTokenizerFast', hasOwnCode: true },
      undefined,
    ],
    ['of a Qwen 2 without is its own', { modelType: 'qwen2', named: 'PreTrainedTokenizerFast' }, 'Qwen2Tokenizer'],
    ['of a Llama is code where nothing else is named', { hasOwnCode: true }, null],
    ['of a Llama is code where an unknown class is named', { named: 'OurTokenizer', hasOwnCode: true }, null],
  ])('%s', (_, given, name) => {
    expect(tokenizerClassName({ ...facts, ...given })).toBe(name);
  });
});
