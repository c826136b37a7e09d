import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ENGINES, modelSourceSchema, SolopoError, type EngineKind, type ModelSource } from '@solopo/contracts';
import { checkFolder, type ForeignModel, type ModelConfig } from '@solopo/lm/model-folder';

export interface CheckedModel {
  readonly config: ModelConfig | Omit<ForeignModel, 'reason' | 'parameters'>;
  /** What can compute it. */
  readonly engines: readonly EngineKind[];
  readonly parameters: number;
  readonly warnings: readonly string[];
}

/**
 * Whether the folder is a model that the workers can use: configuration, weights by their headers, tokenizer, chat template. One that
 * onnxruntime has no graphs for is registered for PyTorch, where workers have it: that says with the first run whether it has the model.
 */
export async function checkModel(folder: string, has: ReadonlySet<EngineKind>): Promise<CheckedModel> {
  const { config, foreign, parameters, faults, warnings, engines } = await checkFolder(folder);
  if (config !== null && parameters !== null && engines.includes('onnx'))
    return { config, parameters, warnings, engines: ENGINES };
  if (foreign !== null && engines.includes('torch') && has.has('torch')) {
    const { reason, parameters: stored, ...facts } = foreign;
    const only = `Only runs with engine: torch can use it: ${reason}.`;
    return { config: facts, parameters: stored, warnings: [only, ...warnings], engines: ['torch'] };
  }
  const elsewhere = engines.includes('torch')
    ? ' Runs with engine: torch could use it, if workers had PyTorch (./solopo engine add torch).'
    : '';
  throw new SolopoError(
    'model-invalid',
    `${faults.join('. ')}. Mend the model's files and register it again.${elsewhere}`,
  );
}

/** What a converter wrote into config.json of where the numbers come from. Other tools' `source` is not ours. */
export async function readSource(folder: string): Promise<ModelSource | null> {
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as { readonly source?: unknown };
  return modelSourceSchema.safeParse(config.source).data ?? null;
}
