import type { SettingRules } from './setting-rules.ts';

/*
 * Every key of an adapter_config.json, by what PEFT 0.21.2 makes of it when it loads an adapter on a base model (LoraConfig).
 * `tools/parity/settings.py` records the keys that an installed PEFT has, and a test demands that each is named here.
 */

/** What can be done with every adapter that PEFT reads. */
export const MERGE = 'merge the adapter into its base model with PEFT (merge_and_unload) and register that';
const because = (why: string, ...keys: string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(keys.map((key) => [key, why]));

export const ADAPTER_SETTINGS: SettingRules = {
  of: 'a LoRA adapter',
  read: new Set([
    'alpha_pattern',
    'bias',
    'exclude_modules',
    'init_lora_weights',
    'layers_pattern',
    'layers_to_transform',
    'lora_alpha',
    'peft_type',
    'r',
    'rank_pattern',
    'target_modules',
    'task_type',
    'use_dora',
    'use_rslora',
  ]),
  withoutEffect: {
    ...because('says where the file comes from', 'auto_mapping', 'base_model_name_or_path', 'peft_version', 'revision'),
    ...because('whether PEFT goes on with training', 'inference_mode'),
    ...because('in training alone', 'lora_dropout'),
    ...because('PEFT sets it back for linear layers', 'fan_in_fan_out'),
    ...because('how A and B began, which are in the file', 'eva_config'),
    ...because('of init_lora_weights that are refused', 'corda_config', 'loftq_config', 'lora_ga_config'),
    ...because('of use_qalora', 'qalora_group_size'),
    ...because('of megatron_config', 'megatron_core'),
    ...because('PEFT does not read it from a file, or no longer', 'merge_weights', 'runtime_config'),
    ...because('of adapters on embeddings, which are refused', 'ensure_weight_tying'),
  },
  refused: {
    alora_invocation_tokens: `the adapter works only on tokens from its invocation on, which no merged weight does; take a plain LoRA adapter`,
    arrow_config: 'adapters are chosen token by token, which no merged weight does; take one of them alone',
    kasa_config: `the base is cut short first, and a diagonal stands between A and B; ${MERGE}`,
    layer_replication: 'layers of the base are repeated; write the larger model out with PEFT and register that',
    lora_bias: `B has a bias; ${MERGE}`,
    megatron_config: 'layers of Megatron are not read; save the adapter for the Hugging Face model',
    modules_to_save: `whole modules are trained beside the adapter; ${MERGE}`,
    monteclora_config: `A and B are drawn at random; ${MERGE}`,
    target_parameters: `adapters are read of linear layers alone; ${MERGE}`,
    trainable_token_indices: `rows of the embedding are trained beside the adapter; ${MERGE}`,
    use_bdlora: `A or B is kept in blocks; ${MERGE}`,
    use_qalora: `A works on pooled inputs; ${MERGE}`,
    velora_config: `the adapter has a projection of its own; ${MERGE}`,
  },
};

/** `init_lora_weights` after which base, A and B are what the files hold. */
export const PLAIN_INITIALISATIONS: readonly unknown[] = [
  true,
  false,
  null,
  undefined,
  'gaussian',
  'eva',
  'orthogonal',
  'mica',
];

const CONVERT =
  'save the adapter with path_initial_model_for_weight_conversion (PEFT), or merge it with merge_and_unload and register that';

/** Those that change the base when PEFT loads the adapter, or changed it in training, and why what it changed is not made again here. */
export const CHANGED_BASES: Readonly<Record<string, string>> = {
  pissa: `PEFT takes the greatest singular values and vectors out of every weight when it loads the adapter, which is not done here; ${CONVERT}`,
  pissa_niter_: `PEFT takes singular values and vectors that it finds at random out of every weight, others at each load; ${CONVERT}`,
  corda: `the base was changed by a covariance that is not in the files; ${CONVERT}`,
  lora_ga: `the base was changed by a gradient that is not in the files; ${CONVERT}`,
  loftq: `PEFT quantises the base when it loads the adapter; ${CONVERT}`,
};
