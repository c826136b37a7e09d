import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { modelSourceSchema, SolopoError, type ModelSource } from '@solopo/contracts';
import { checkModelFiles, ModelError, type ModelConfig } from '@solopo/lm/model-folder';
import { TextModel, TextModelError } from '@solopo/text';

/** Whether the folder is a model that the workers can use: configuration, weights by their headers, tokenizer, chat template. */
export async function checkModel(folder: string): Promise<ModelConfig> {
  try {
    const config = checkModelFiles(folder);
    demandRoom(config, await TextModel.fromFolder(folder));
    return config;
  } catch (error) {
    if (!(error instanceof ModelError || error instanceof TextModelError)) throw error;
    throw new SolopoError('model-invalid', `${error.message}. Mend the model's files and register it again.`, {
      cause: error,
    });
  }
}

function demandRoom({ vocabSize }: ModelConfig, { vocabularySize, eosIds }: TextModel): void {
  if (vocabularySize > vocabSize) {
    throw new ModelError(
      `tokenizer.json has ids up to ${vocabularySize - 1}, vocab_size ${vocabSize} in config.json has no room for them`,
    );
  }
  const strange = eosIds.find((id) => id >= vocabSize);
  if (strange !== undefined)
    throw new ModelError(`eos_token_id ${strange} is not below vocab_size ${vocabSize} in config.json`);
}

/** What a converter wrote into config.json of where the numbers come from. Other tools' `source` is not ours. */
export async function readSource(folder: string): Promise<ModelSource | null> {
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as { readonly source?: unknown };
  return modelSourceSchema.safeParse(config.source).data ?? null;
}
