import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatModelConfig, initialise, parseModelConfig, writeSafetensors } from '@solopo/lm';
import { dataPath } from './data-folder.ts';
import type { ModelFolder } from './demo.plan.ts';

const TEXT_FOLDER = 'models/qwen2.5-0.5b-instruct';
const TEXT_FILES = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'];

/** Qwen2.5's shape and vocabulary, five million parameters. */
const CONFIG = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 151_936,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 64,
  rope_theta: 1_000_000,
  tie_word_embeddings: true,
  max_position_embeddings: 32_768,
});

/** A model folder with random weights from a seed, and Qwen2.5's tokenizer and chat template. */
export async function makeRandomModel(seed: number): Promise<ModelFolder> {
  const path = await mkdtemp(join(tmpdir(), 'solopo-model-'));
  const dispose = () => rm(path, { recursive: true, force: true });
  try {
    writeSafetensors(
      join(path, 'model.safetensors'),
      initialise(CONFIG, { seed, embeddingStd: 0.02, residualScale: 1 }),
    );
    await writeFile(join(path, 'config.json'), `${JSON.stringify(formatModelConfig(CONFIG), null, 2)}\n`);
    await Promise.all(TEXT_FILES.map((file) => copyFile(join(dataPath(TEXT_FOLDER), file), join(path, file))));
  } catch (error) {
    await dispose();
    throw error;
  }
  return { path, dispose };
}
