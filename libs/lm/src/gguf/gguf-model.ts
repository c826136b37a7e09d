import { ModelError } from '../model.error.ts';
import { formatModelConfig, parseModelConfig, type ModelConfig } from '../model-config.ts';
import { typesOf, type StoredWeights } from '../folder-check/stored-weights.ts';
import { EMBEDDING, FINAL_NORM, modelParameters, OUTPUT } from '../parameters.ts';
import { streamSafetensors, type TensorSource } from '../safetensors.ts';
import { neighboursToHalves } from '../rotary-rows.ts';
import { ARCHITECTURES, type Architecture } from './gguf-architectures.ts';
import { GgufFile, type GgufTensor, type GgufValue } from './gguf-file.ts';
import { GgufMetadata, shortest } from './gguf-metadata.ts';
import { ggufRopeScaling, ROPE_FACTORS } from './gguf-rope.ts';

/** Where a model's numbers come from, when they are not its own: kept in config.json. */
export interface GgufSource {
  readonly format: 'gguf';
  /** As the model's publisher names it: Q4_K_M is of several types. */
  readonly file_type: string;
  /** Of the file. */
  readonly sha256: string;
}

/** By ggml's number of a file's type. */
const FILE_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [7, 'Q8_0'],
  [8, 'Q5_0'],
  [9, 'Q5_1'],
  [14, 'Q4_K_S'],
  [15, 'Q4_K_M'],
  [16, 'Q5_K_S'],
  [17, 'Q5_K_M'],
  [18, 'Q6_K'],
  [32, 'BF16'],
]);

/** A model in a GGUF file, as what a Hugging Face folder holds of it. */
export class GgufModel {
  readonly config: ModelConfig;
  readonly fileType: string;
  readonly #file: GgufFile;
  readonly #architecture: Architecture;

  private constructor(file: GgufFile) {
    this.#file = file;
    const metadata = new GgufMetadata(file);
    if ((metadata.optionalNumber('split.count') ?? 1) > 1)
      throw new ModelError(`${file.label}: one piece of several; join them with llama-gguf-split --merge`);
    const name = metadata.text('general.architecture');
    const architecture = Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
    if (!architecture)
      throw new ModelError(
        `${file.label}: architecture "${name}" is not supported; supported are ${Object.keys(ARCHITECTURES).join(', ')}`,
      );
    this.#architecture = architecture;
    this.config = configOf(file, new GgufMetadata(file, `${name}.`), architecture);
    this.fileType = FILE_TYPES.get(metadata.optionalNumber('general.file_type') ?? -1) ?? commonestType(file);
    demandTensors(file, this.config, architecture);
  }

  /**
   * Reads the file's description, not its tensors.
   * @throws ModelError that names the file and what is wrong or not supported
   */
  static open(path: string): GgufModel {
    const file = GgufFile.open(path);
    try {
      return new GgufModel(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get metadata(): ReadonlyMap<string, GgufValue> {
    return this.#file.metadata;
  }

  /** Its tensors as they lie in the file. */
  storedWeights(): StoredWeights {
    const tensors = [...this.#file.tensors.values()];
    return {
      bytes: tensors.reduce((sum, { from, to }) => sum + to - from, 0),
      types: typesOf(tensors.map(({ type, dims }) => ({ type: type.name, dims }))),
      head: this.config.tiedEmbeddings ? 'tied' : 'own',
    };
  }

  close(): void {
    this.#file.close();
  }

  /** config.json: the model's, and where it is from. */
  formatConfig(source: GgufSource): Record<string, unknown> {
    const token = (name: string): number | undefined =>
      new GgufMetadata(this.#file, 'tokenizer.ggml.').optionalNumber(`${name}_token_id`);
    return { ...formatModelConfig(this.config), bos_token_id: token('bos'), eos_token_id: token('eos'), source };
  }

  /** Every tensor dequantised to float32 exactly, one after another. */
  writeWeights(path: string): void {
    streamSafetensors(
      path,
      modelParameters(this.config).map(([name, dims]) => ({ name, dims, pieces: () => this.#pieces(name) })),
    );
  }

  #pieces(name: string): ReturnType<TensorSource['pieces']> {
    const stored = ggufName(name, this.#architecture);
    const tensor = this.#file.tensors.get(stored) as GgufTensor;
    const { neighbouringPairs, normsAboveOne } = this.#architecture;
    if (neighbouringPairs && /\.(q|k)_proj\./.test(name))
      return [neighboursToHalves(this.#file.numbers(tensor), tensor.dims[0] as number, this.config.headSize)];
    if (normsAboveOne && /norm\.weight$/.test(name)) return [this.#file.numbers(tensor).map((factor) => factor - 1)];
    return this.#file.pieces(tensor);
  }
}

function configOf(file: GgufFile, own: GgufMetadata, architecture: Architecture): ModelConfig {
  const [layers, hiddenSize, heads] = [
    own.number('block_count'),
    own.number('embedding_length'),
    own.number('attention.head_count'),
  ];
  const headSize = own.optionalNumber('attention.key_length') ?? hiddenSize / heads;
  const rotated = own.optionalNumber('rope.dimension_count') ?? headSize;
  if (rotated !== headSize) own.refuse('rope.dimension_count', `must be the head size ${headSize}`, rotated);
  const theta = shortest(own.optionalNumber('rope.freq_base') ?? 10_000);
  const maxPositions = own.number('context_length');
  const vocabulary = file.tensors.get('token_embd.weight')?.dims[0];
  if (vocabulary === undefined)
    throw new ModelError(`${file.label}: tensor "token_embd.weight" is missing; it is no whole model`);
  const biases = file.tensors.has('blk.0.attn_q.bias');
  return parseModelConfig({
    model_type: architecture.family,
    vocab_size: vocabulary,
    hidden_size: hiddenSize,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: own.optionalNumber('attention.head_count_kv') ?? heads,
    head_dim: headSize,
    intermediate_size: own.number('feed_forward_length'),
    max_position_embeddings: maxPositions,
    rms_norm_eps: shortest(own.number('attention.layer_norm_rms_epsilon')),
    rope_theta: theta,
    rope_scaling: ggufRopeScaling(file, own, { headSize, theta, maxPositions }),
    tie_word_embeddings: !file.tensors.has('output.weight'),
    ...architecture.settings(own, { layers, hiddenSize, heads, headSize, biases }),
  });
}

/** Nothing missing, nothing unknown, every shape right. */
function demandTensors(file: GgufFile, config: ModelConfig, architecture: Architecture): void {
  const unknown = new Set(file.tensors.keys());
  unknown.delete(ROPE_FACTORS);
  for (const [name, dims] of modelParameters(config)) {
    const stored = ggufName(name, architecture);
    const tensor = file.tensors.get(stored);
    if (!tensor) throw new ModelError(`${file.label}: tensor "${stored}" is missing; it is no whole model`);
    if (tensor.dims.join() !== dims.join())
      throw new ModelError(
        `${file.label}: tensor "${stored}" has shape [${tensor.dims.join(', ')}], its metadata asks for [${dims.join(', ')}]; convert the model again`,
      );
    unknown.delete(stored);
  }
  const [first] = unknown;
  if (first !== undefined)
    throw new ModelError(
      `${file.label}: tensor "${first}" does not belong to a ${config.family} model of ${config.layers} layers; take the model's Hugging Face folder`,
    );
}

const TOP_LEVEL: Readonly<Record<string, string>> = {
  [EMBEDDING]: 'token_embd.weight',
  [FINAL_NORM]: 'output_norm.weight',
  [OUTPUT]: 'output.weight',
};

const PROJECTIONS: Readonly<Record<string, string>> = {
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

/** What GGUF calls a parameter. */
function ggufName(parameter: string, { blockNorms }: Architecture): string {
  const [, layer = '', name = ''] = /^model\.layers\.(\d+)\.(.*)$/.exec(parameter) ?? [];
  const norm = blockNorms[name];
  if (layer === '') return TOP_LEVEL[parameter] as string;
  if (norm !== undefined) return `blk.${layer}.${norm}`;
  const [, projection = '', kind = ''] = /^(.*)\.(weight|bias)$/.exec(name) ?? [];
  return `blk.${layer}.${PROJECTIONS[projection]}.${kind}`;
}

/** Of the most numbers. */
function commonestType({ tensors }: GgufFile): string {
  const numbers = new Map<string, number>();
  for (const { type, dims } of tensors.values())
    numbers.set(type.name, (numbers.get(type.name) ?? 0) + dims.reduce((product, dim) => product * dim, 1));
  const [[name] = ['none']] = [...numbers].sort(([, a], [, b]) => b - a);
  return name;
}
