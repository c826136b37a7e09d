import { inShort } from '@solopo/text';
import type { ConfigReader } from './config-reader.ts';
import type { ModelConfig } from './model-config.ts';
import { ModelError } from './model.error.ts';
import { layerParameter } from './parameter-names.ts';
import { blockParameters } from './parameters.ts';
import { fullMatches, matches } from './python-pattern.ts';

/** PEFT's choice for these families where nothing is said. */
const TARGETS_OF_OLD = ['q_proj', 'v_proj'];

/**
 * The linear layers of the blocks that an adapter works on, by the rules of PEFT 0.21.2 (tuners_utils.py): of a list, a module whose
 * name ends with one of its names; of a string, one that the regular expression matches as a whole, or every linear layer
 * but the output; without those that exclude_modules names likewise, or that lie in other layers than layers_to_transform.
 *
 * @throws ModelError where a module is named that is not a linear layer of a block, or none is
 */
export function adaptedModules(settings: ConfigReader, config: ModelConfig): readonly string[] {
  const linear = linearModules(config);
  const others = otherModules(config);
  const all = [...linear, ...others];
  const excluded = excludedModules(settings, all);
  const chosen = targetedModules(settings, all, linear);
  const targets = all.filter((name) => chosen.has(name) && !excluded.has(name));
  const strange = targets.find((name) => others.includes(name));
  if (strange !== undefined)
    throw new ModelError(
      `${settings.path}: target_modules takes in "${strange}", and adapters are read only of the linear layers of blocks; merge the adapter into its base model with PEFT (merge_and_unload) and register that`,
    );
  if (targets.length === 0)
    throw new ModelError(
      `${settings.path}: target_modules ${inShort(settings.get('target_modules'))} names no module of the base model; use the adapter with the model it was trained on`,
    );
  return targets;
}

/** Names, after the model's root, of the linear layers in its blocks, in order. */
export function linearModules(config: ModelConfig): readonly string[] {
  const inBlock = blockParameters(config).flatMap(([name, dims]) =>
    dims.length === 2 ? [name.replace(/\.weight$/, '')] : [],
  );
  return Array.from({ length: config.layers }, (_, layer) => inBlock.map((name) => layerParameter(layer, name))).flat();
}

/** Every other module of the model as transformers builds it. */
function otherModules(config: ModelConfig): readonly string[] {
  const norms = blockParameters(config).flatMap(([name]) =>
    name.endsWith('norm.weight') ? [name.replace(/\.weight$/, '')] : [],
  );
  const inBlock = ['self_attn', 'mlp', 'mlp.act_fn', ...norms];
  const inLayers = Array.from({ length: config.layers }, (_, layer) => [
    `model.layers.${layer}`,
    ...inBlock.map((name) => layerParameter(layer, name)),
  ]).flat();
  return ['model', 'model.embed_tokens', 'model.layers', ...inLayers, 'model.norm', 'model.rotary_emb', 'lm_head'];
}

function targetedModules(
  settings: ConfigReader,
  all: readonly string[],
  linear: readonly string[],
): ReadonlySet<string> {
  const targets = settings.get('target_modules') ?? TARGETS_OF_OLD;
  if (typeof targets === 'string') {
    for (const key of ['layers_to_transform', 'layers_pattern'])
      if ((settings.get(key) ?? null) !== null)
        throw new ModelError(
          `${settings.path}: ${key} goes with a list of target_modules, not with ${inShort(targets)}; remove one of them`,
        );
    if (targets.toLowerCase() === 'all-linear') return new Set(linear);
    return fullMatches(targets, all, `${settings.path}: target_modules`);
  }
  const names = namesIn(settings, 'target_modules', targets);
  const inLayers = layerFilter(settings, all);
  return new Set(all.filter((name) => names.includes(name) || (endsWithOne(name, names) && inLayers(name))));
}

function excludedModules(settings: ConfigReader, all: readonly string[]): ReadonlySet<string> {
  const excluded = settings.get('exclude_modules') ?? [];
  if (typeof excluded === 'string')
    return excluded === '' ? new Set() : fullMatches(excluded, all, `${settings.path}: exclude_modules`);
  const names = namesIn(settings, 'exclude_modules', excluded);
  return new Set(all.filter((name) => names.includes(name) || endsWithOne(name, names)));
}

const endsWithOne = (name: string, ends: readonly string[]): boolean => ends.some((end) => name.endsWith(`.${end}`));

/** Whether a module lies in one of the layers of `layers_to_transform`; its layer's number is the first behind a `layers_pattern`. */
function layerFilter(settings: ConfigReader, all: readonly string[]): (name: string) => boolean {
  const given = settings.get('layers_to_transform') ?? [];
  const layers: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (!layers.every((layer) => Number.isSafeInteger(layer)))
    throw new ModelError(
      `${settings.path}: layers_to_transform must be a layer's number or a list of them, not ${inShort(given)}; correct it`,
    );
  if (layers.length === 0) return () => true;
  const setting = settings.get('layers_pattern') ?? [];
  const patterns = namesIn(settings, 'layers_pattern', typeof setting === 'string' ? [setting] : setting).filter(
    Boolean,
  );
  const where = `${settings.path}: layers_pattern`;
  const found = (patterns.length === 0 ? ['[^.]*'] : patterns).map((pattern) =>
    matches(pattern, all, where, (source) => `(?:^|.*?\\.)${source}\\.(?<idx>\\d+)\\.`),
  );
  const layerOf = (name: string): number | null => {
    const at = all.indexOf(name);
    const numbers = found.map((of) => of[at] ?? null);
    const first = numbers.find((number) => number !== null);
    return first === undefined || first === null ? null : Number(first);
  };
  return (name) => layers.includes(layerOf(name));
}

function namesIn(settings: ConfigReader, key: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw new ModelError(`${settings.path}: ${key} must be a text or a list of texts, not ${inShort(value)}; correct it`);
}

/** The value of the first pattern that a module's name, or an end of it behind a dot, matches, as `rank_pattern` has it. */
export function patternValues(
  settings: ConfigReader,
  key: string,
  names: readonly string[],
): ReadonlyMap<string, unknown> {
  const values = settings.get(key) ?? {};
  if (typeof values !== 'object' || Array.isArray(values))
    throw new ModelError(`${settings.path}: ${key} must map names to numbers, not be ${inShort(values)}; correct it`);
  const found = Object.entries(values).map(([pattern, value]) => ({
    value: value as unknown,
    of: matches(pattern, names, `${settings.path}: ${key}`, (source) => `(?:.*\\.)?(?:${source})$`),
  }));
  return new Map(
    names.flatMap((name, at) => {
      const first = found.find(({ of }) => of[at] !== null);
      return first ? [[name, first.value] as const] : [];
    }),
  );
}
