import { SolopoError } from '@solopo/contracts';
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
