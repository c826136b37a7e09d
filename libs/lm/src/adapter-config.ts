import { inShort } from '@solopo/text';
import { adaptedModules, patternValues } from './adapter-modules.ts';
import { ADAPTER_SETTINGS, CHANGED_BASES, MERGE, PLAIN_INITIALISATIONS } from './adapter-settings.ts';
import { ConfigReader } from './config-reader.ts';
import { loraScale, type LoraOptions } from './lora.ts';
import type { ModelConfig } from './model-config.ts';
import { ModelError } from './model.error.ts';
import type { PeftAdapter } from './peft-adapter.ts';
import { readSafetensorsHeader } from './safetensors.ts';
import { demandKnownSettings } from './setting-rules.ts';

/** PEFT's `adapter_config.json`, on its base model. @throws ModelError that names a setting which is not supported */
export function parseAdapterConfig(json: unknown, base: ModelConfig): PeftAdapter {
  const settings = new ConfigReader(json, 'adapter_config.json');
  settings.only('peft_type', ['LORA'], MERGE);
  settings.only('task_type', ['CAUSAL_LM', null, undefined], 'take an adapter of a language model');
  demandKnownSettings(settings, ADAPTER_SETTINGS);
  settings.only('bias', ['none', undefined], MERGE);
  const names = adaptedModules(settings, base);
  const ranks = patternValues(settings, 'rank_pattern', names);
  const alphas = patternValues(settings, 'alpha_pattern', names);
  const rsLora = settings.flag('use_rslora');
  const common = { rank: settings.whole('r', 8), alpha: settings.number('lora_alpha', 8) };
  const own = (key: string, name: string, values: ReadonlyMap<string, unknown>, otherwise: number): ConfigReader =>
    new ConfigReader({ [name]: values.get(name) ?? otherwise }, `${settings.path}: ${key}`);
  const layers = names.map((name) => {
    const rank = own('rank_pattern', name, ranks, common.rank).whole(name);
    const alpha = own('alpha_pattern', name, alphas, common.alpha).number(name, common.alpha);
    return [name, { rank, scale: loraScale({ rank, alpha, rsLora }) }] as const;
  });
  return { layers: new Map(layers), residual: residualOf(settings), dora: settings.flag('use_dora') };
}

function residualOf(settings: ConfigReader): PeftAdapter['residual'] {
  const value = settings.get('init_lora_weights');
  if (PLAIN_INITIALISATIONS.includes(value)) return null;
  const name = typeof value === 'string' ? value.toLowerCase() : '';
  if (name === 'olora') return 'olora';
  if (PLAIN_INITIALISATIONS.includes(name)) return null;
  const known = name.startsWith('pissa_niter_') ? 'pissa_niter_' : name;
  const why = Object.hasOwn(CHANGED_BASES, known) ? CHANGED_BASES[known] : undefined;
  throw new ModelError(
    `${settings.path}: init_lora_weights ${inShort(value)} is not supported: ${why ?? 'it is not known; correct it, or take an adapter saved by PEFT 0.21.2'}`,
  );
}

/**
 * The linear layers that PEFT's file adapts, by the last part of their names: an architecture may have one layer where several were
 * asked for (Phi-3's `qkv_proj`).
 */
export function modulesInFile(path: string): string[] {
  const names = [...readSafetensorsHeader(path).tensors.keys()];
  return [...new Set(names.flatMap((name) => /([^.]+)\.lora_A\.weight$/.exec(name)?.[1] ?? []))];
}

/** The adapter_config.json of an adapter that is trained here; its targets are the linear layers that its file has. */
export function formatAdapterConfig(
  { rank, alpha, targets, rsLora }: LoraOptions,
  baseModel: string,
): Record<string, unknown> {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    use_rslora: rsLora,
    target_modules: [...targets],
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
  };
}
