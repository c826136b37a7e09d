import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { modelSourceSchema, SolopoError, type ModelSource } from '@solopo/contracts';
import { checkFolder, type ModelConfig } from '@solopo/lm/model-folder';

export interface CheckedModel {
  readonly config: ModelConfig;
  readonly parameters: number;
  readonly warnings: readonly string[];
}

/** Whether the folder is a model that the workers can use: configuration, weights by their headers, tokenizer, chat template. */
export async function checkModel(folder: string): Promise<CheckedModel> {
  const { config, parameters, faults, warnings } = await checkFolder(folder);
  if (config !== null && parameters !== null && faults.length === 0) return { config, parameters, warnings };
  throw new SolopoError('model-invalid', `${faults.join('. ')}. Mend the model's files and register it again.`);
}

/** What a converter wrote into config.json of where the numbers come from. Other tools' `source` is not ours. */
export async function readSource(folder: string): Promise<ModelSource | null> {
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as { readonly source?: unknown };
  return modelSourceSchema.safeParse(config.source).data ?? null;
}
