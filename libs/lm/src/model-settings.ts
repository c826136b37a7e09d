import type { Family } from './families/family.ts';
import type { SettingRules } from './setting-rules.ts';

/*
 * Every key that a config.json of these families may have, by what transformers 5.24.0 makes of it (configuration_utils,
 * modeling_rope_utils, and the families' own files). `tools/parity/settings.py` records the keys that an installed transformers
 * has, and a test demands that each is named here.
 */

const READ_OF_ALL = [
  'head_dim',
  'hidden_size',
  'intermediate_size',
  'is_causal',
  'max_position_embeddings',
  'model_type',
  'num_attention_heads',
  'num_hidden_layers',
  'num_key_value_heads',
  'original_max_position_embeddings',
  'partial_rotary_factor',
  'rms_norm_eps',
  'rope_parameters',
  'rope_scaling',
  'rope_theta',
  'tie_word_embeddings',
  'vocab_size',
  // Read first of all, to tell what kind of model it is.
  'quantization_config',
  'vision_config',
];

const because = (why: string, keys: string): Readonly<Record<string, string>> =>
  Object.fromEntries(keys.split(/\s+/).map((key) => [key, why]));

const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  ...because(
    'says where the file comes from',
    `_commit_hash _name_or_path architectures is_llama_config name_or_path source transformers.js_config transformers_version
    unsloth_fixed unsloth_version`,
  ),
  ...because('code of the publisher, which is never run', 'auto_map custom_pipelines'),
  ...because('weights are read as float32, however they are stored', 'dtype torch_dtype use_bfloat16'),
  ...because('for weights that are made anew', 'initializer_range'),
  ...because('in training by transformers alone; nothing is dropped here', 'attention_dropout neftune_noise_alpha'),
  ...because('read with the tokenizer', 'bos_token_id eos_token_id pad_token_id tokenizer_class unk_token_id'),
  ...because(
    'of encoders, or of a pair of them and a decoder',
    'cls_token_id decoder_start_token_id is_decoder mask_token_id sep_token_id tie_encoder_decoder',
  ),
  ...because('how many tokens other programs take', 'max_sequence_length model_max_length seq_length'),
  ...because('which outputs are handed out', 'output_attentions output_hidden_states return_dict use_return_dict'),
  ...because('asks what hidden states are handed out, not what they are', 'tie_last_hidden_states'),
  ...because(
    'how the same is computed',
    `_attn_implementation _attn_implementation_autoset _attn_implementation_internal _experts_implementation_internal
    _flash_attn_2_enabled attn_implementation chunk_size_feed_forward experts_implementation gradient_checkpointing
    pretraining_tp torchscript use_cache`,
  ),
  ...because('of classifiers', 'finetuning_task id2label label2id num_labels prefix problem_type task_specific_params'),
  ...because('what transformers trains by', 'loss_type'),
  ...because(
    'of generation, which a run sets by itself',
    `assistant_confidence_threshold assistant_lookbehind bad_words_ids begin_suppress_tokens cache_implementation
    diversity_penalty do_sample early_stopping encoder_no_repeat_ngram_size encoder_repetition_penalty epsilon_cutoff eta_cutoff
    exponential_decay_length_penalty forced_bos_token_id forced_eos_token_id length_penalty max_length max_new_tokens min_length
    no_repeat_ngram_size num_assistant_tokens num_assistant_tokens_schedule num_beam_groups num_beams num_return_sequences
    output_scores remove_invalid_values repetition_penalty return_dict_in_generate suppress_tokens target_lookbehind temperature
    top_k top_p typical_p`,
  ),
};

const REFUSED: Readonly<Record<string, string>> = {
  add_cross_attention: 'there is nothing to attend to but the text itself',
  is_encoder_decoder: 'only decoders are read; register another model',
  per_layer_config: 'layers of different shapes are not computed here; register another model',
  quantization: 'the weights are quantised by MLX; register the model it was made from',
  text_config: 'the model is a part of another; register the text model alone, with its own config.json',
};

/** What becomes of the keys of a family's config.json. */
export function modelSettings(family: Family): SettingRules {
  return {
    read: new Set([...READ_OF_ALL, ...family.reads, ...Object.keys(family.supported)]),
    withoutEffect: { ...WITHOUT_EFFECT, ...family.ignores },
    refused: REFUSED,
    of: `a ${family.modelType} model`,
  };
}

const OF_EVERY_ROPE = ['partial_rotary_factor', 'rope_theta', 'rope_type', 'type'];

const OF_ROPES: Readonly<Record<string, readonly string[]>> = {
  linear: ['factor'],
  dynamic: ['factor', 'original_max_position_embeddings'],
  yarn: [
    'attention_factor',
    'beta_fast',
    'beta_slow',
    'factor',
    'mscale',
    'mscale_all_dim',
    'original_max_position_embeddings',
    'truncate',
  ],
  llama3: ['factor', 'high_freq_factor', 'low_freq_factor', 'original_max_position_embeddings'],
};

const OF_OTHER_ROPES = [...Object.values(OF_ROPES).flat(), 'long_factor', 'short_factor'];

/** What becomes of the keys of `rope_scaling` or `rope_parameters`, by the rope's type. */
export function ropeSettings(type: string): SettingRules {
  return {
    read: new Set([...OF_EVERY_ROPE, ...((Object.hasOwn(OF_ROPES, type) ? OF_ROPES[type] : undefined) ?? [])]),
    withoutEffect: {
      ...Object.fromEntries(OF_OTHER_ROPES.map((key) => [key, 'of another type of rope'])),
      ...because('says where the file comes from', 'finetuned'),
    },
    refused: { mrope_section: 'the rope is one of images; register a text model' },
    of: `a rope of type "${type}"`,
  };
}
