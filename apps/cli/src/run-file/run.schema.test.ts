import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { format, resolveConfig } from 'prettier';
import { runConfigSchema } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { runSchema } from './run.schema.ts';

const FILE = fileURLToPath(new URL('../../run.schema.json', import.meta.url));
const LEAST = { name: 'r', model: 'm', dataset: 'd', contexts: { long: { documents: 16 } } };

describe('the JSON Schema of a run file', () => {
  it('is committed as the contracts have it (npm run openapi)', async () => {
    const config = await resolveConfig(FILE);
    const text = await format(JSON.stringify(runSchema()), { ...config, parser: 'json' });
    await expect(text).toMatchFileSnapshot(FILE);
  });

  const accepts = new Ajv2020({ strict: false, formats: { includes: true } }).compile(runSchema());

  it.each([
    [LEAST],
    [{ ...LEAST, preset: 'paper', arm: 'solo' }],
    [{ ...LEAST, objective: { beta: 0.5 } }],
    [{ ...LEAST, objective: { kind: 'simpo', gamma: 0.5 } }],
    [{ ...LEAST, adapter: { kind: 'lora', rank: 8 } }],
    [{ ...LEAST, adapter: { kind: 'lora', targets: 'all-linear' } }],
    [{ ...LEAST, engine: 'torch', adapter: { kind: 'lora', targets: ['query_key_value'] } }],
    [{ ...LEAST, contexts: { long: { maxTokens: 8192 } } }],
  ])('takes what a run takes: %j', (config) => {
    expect(runConfigSchema.safeParse(config).error).toBeUndefined();
    expect(accepts(config), JSON.stringify(accepts.errors)).toBe(true);
  });

  it.each([
    [{}],
    [{ ...LEAST, preset: 'none' }],
    [{ ...LEAST, pairs: 4 }],
    [{ ...LEAST, objective: { kind: 'ppo' } }],
    [{ ...LEAST, training: { learningRate: 2 } }],
    [{ ...LEAST, contexts: { long: { tokens: 8192 } } }],
    [{ ...LEAST, adapter: { kind: 'lora', targets: 'q_proj' } }],
  ])('refuses what a run refuses: %j', (config) => {
    expect(runConfigSchema.safeParse(config).success).toBe(false);
    expect(accepts(config)).toBe(false);
  });

  it('tells of every key what it means, and what it is where it is left out', () => {
    const [undescribed, undecided]: [string[], string[]] = [[], []];
    const look = (schema: JsonSchema, path: string): void => {
      const { properties = {}, required = [], anyOf = [], oneOf = [] } = schema;
      for (const option of [...anyOf, ...oneOf]) look(option, path);
      for (const [key, property] of Object.entries(properties)) {
        const place = `${path}${key}`;
        if (!property.description) undescribed.push(place);
        const isSaid = 'default' in property || property.description?.includes('Left out: ');
        // What kind of objective it is decides the rest.
        if (!required.includes(key) && !isSaid && !('const' in property)) undecided.push(place);
        look(property, `${place}.`);
      }
    };
    look(runSchema(), '');
    expect([undescribed, undecided]).toEqual([[], []]);
  });
});

interface JsonSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}
