import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatModelConfig, initialise, parseModelConfig, writeSafetensors } from '@solopo/lm';
import { dataPath } from './data-folder.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import type { TextName } from './text-names.ts';

/** Tokenizers that the repository carries, with the vocabulary of the models they belong to. */
const TEXTS = {
  'qwen2.5': { folder: 'models/qwen2.5-0.5b-instruct', family: 'qwen2', vocabulary: 151_936 },
  smollm2: { folder: 'models/smollm2-360m-instruct', family: 'llama', vocabulary: 49_153 },
} as const satisfies Record<TextName, object>;

const TEXT_FILES = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json', 'chat_template.jinja'];

/** A model folder with random weights from a seed, in the shape and with the whole vocabulary of the tokenizer's family. */
export async function makeRandomModel(seed: number, name: TextName = 'qwen2.5'): Promise<ModelFolder> {
  const { folder, family, vocabulary } = TEXTS[name];
  const config = parseModelConfig({
    model_type: family,
    vocab_size: vocabulary,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 64,
    rope_theta: 1_000_000,
    tie_word_embeddings: true,
    max_position_embeddings: 32_768,
  });
  const path = await mkdtemp(join(tmpdir(), 'solopo-model-'));
  const dispose = () => rm(path, { recursive: true, force: true });
  try {
    writeSafetensors(
      join(path, 'model.safetensors'),
      initialise(config, { seed, embeddingStd: 0.02, residualScale: 1 }),
    );
    await writeFile(join(path, 'config.json'), `${JSON.stringify(formatModelConfig(config), null, 2)}\n`);
    const there = TEXT_FILES.filter((file) => existsSync(join(dataPath(folder), file)));
    await Promise.all(there.map((file) => copyFile(join(dataPath(folder), file), join(path, file))));
  } catch (error) {
    await dispose();
    throw error;
  }
  return { path, dispose };
}
