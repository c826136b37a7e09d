import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ADAPTER_SETTINGS } from './adapter-settings.ts';
import { FAMILIES, type FamilyName } from './families/families.ts';
import { parseAdapterConfig, parseModelConfig } from './index.ts';
import { modelSettings, ropeSettings } from './model-settings.ts';
import { fateOf, type SettingRules } from './setting-rules.ts';

/** Keys that transformers and PEFT know; made by tools/parity/settings.py. */
const recorded = JSON.parse(
  readFileSync(fileURLToPath(new URL('fixtures/settings.json', import.meta.url)), 'utf8'),
) as {
  readonly config: Readonly<Record<FamilyName, readonly string[]>>;
  readonly rope: readonly string[];
  readonly adapter: readonly string[];
  readonly initialisations: readonly string[];
};
const unknownTo = (rules: SettingRules, keys: readonly string[]): readonly string[] =>
  keys.filter((key) => fateOf(key, rules) === 'unknown');
const shape = {
  vocab_size: 50,
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 40,
};

describe('every key that the real tools know is read, known to be without effect, or refused', () => {
  test.each(Object.keys(FAMILIES) as FamilyName[])('in config.json: %s', (name) => {
    expect(recorded.config[name].length).toBeGreaterThan(60);
    expect(unknownTo(modelSettings(FAMILIES[name]), recorded.config[name])).toEqual([]);
  });

  test.each(['default', 'linear', 'dynamic', 'yarn', 'llama3'])('in rope_parameters: %s', (type) => {
    expect(recorded.rope.length).toBeGreaterThan(10);
    expect(unknownTo(ropeSettings(type), recorded.rope)).toEqual([]);
  });

  test('in adapter_config.json', () => {
    expect(recorded.adapter.length).toBeGreaterThan(40);
    expect(unknownTo(ADAPTER_SETTINGS, recorded.adapter)).toEqual([]);
  });

  test.each(recorded.initialisations)('and so is init_lora_weights %s', (name) => {
    const init_lora_weights = name.replace(/\[.*\]/, '4');
    const settings = { peft_type: 'LORA', target_modules: ['q_proj'], init_lora_weights };
    try {
      parseAdapterConfig(settings, parseModelConfig({ ...shape, model_type: 'llama' }));
    } catch (error) {
      expect(String(error)).toMatch(/is not supported: (PEFT|the base) .*path_initial_model_for_weight_conversion/);
    }
  });

  test('and has one fate alone', () => {
    for (const { read, withoutEffect, refused } of [
      ...Object.values(FAMILIES).map((family) => modelSettings(family)),
      ADAPTER_SETTINGS,
    ]) {
      const all = [...read, ...Object.keys(withoutEffect), ...Object.keys(refused)];
      expect(all.filter((key, i) => all.indexOf(key) !== i)).toEqual([]);
    }
  });
});

describe('a key that no table names', () => {
  test.each([[null], [false], [0], [''], [[]], [{}]])('and says nothing is left aside: %j', (value) => {
    const config = { ...shape, model_type: 'llama' };
    expect(parseModelConfig({ ...config, residual_multiplier: value })).toEqual(parseModelConfig(config));
  });

  test.each([
    [
      { model_type: 'llama', residual_multiplier: 0.22 },
      /config.json: residual_multiplier 0.22 is not among the settings of a llama model.*remove it/,
    ],
    [{ model_type: 'qwen2', use_mrope: true }, /use_mrope true is not among the settings of a qwen2 model/],
    [
      { model_type: 'llama', rope_scaling: { type: 'linear', factor: 2, alpha: 9 } },
      /rope_scaling: alpha 9 is not among the settings of a rope of type "linear"/,
    ],
  ])('%j is refused by name', (changes, message) => {
    expect(() => parseModelConfig({ ...shape, ...changes })).toThrow(message);
  });
});

test.each([
  [{ model_type: 'llama', is_encoder_decoder: true }, /is_encoder_decoder true is not supported: only decoders/],
  [{ model_type: 'llama', is_causal: false }, /is_causal is supported only as true or null, not false/],
  [{ model_type: 'llama', quantization: { bits: 4 } }, /quantised by MLX; register the model it was made from/],
  [{ model_type: 'llama', per_layer_config: { 0: { head_dim: 4 } } }, /per_layer_config .* is not supported/],
  [{ model_type: 'llama', sliding_window: 16 }, /sliding_window is supported only as null, not 16/],
  [
    { model_type: 'llama', layer_types: ['full_attention', 'sliding_attention'] },
    /layer_types "sliding_attention" is not supported for model_type "llama"/,
  ],
])('%j is refused by name', (changes, message) => {
  expect(() => parseModelConfig({ ...shape, ...changes })).toThrow(message);
});
