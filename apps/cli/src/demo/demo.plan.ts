import type { NewRun, RunView } from '../client/api.views.ts';
import type { NewDataset } from '../client/api.client.ts';

export interface ModelFolder {
  readonly path: string;
  /** Takes away what was made for this demo alone. */
  dispose(): Promise<void>;
}

/** What a demo brings to the API: a model, two data sets, and the runs to compare. */
export interface DemoPlan {
  readonly title: string;
  readonly remarks: readonly string[];
  readonly modelName: string;
  readonly openModel: () => Promise<ModelFolder>;
  readonly training: NewDataset;
  readonly evaluation: NewDataset;
  /** One run each. */
  readonly arms: readonly RunView['config']['arm'][];
  /** What the runs have in common. */
  readonly settings: Omit<NewRun, 'name' | 'arm' | 'model' | 'dataset' | 'evaluation'> & {
    readonly evaluation: Omit<NonNullable<NewRun['evaluation']>, 'dataset'>;
  };
}

export function folderOf(path: string): Promise<ModelFolder> {
  return Promise.resolve({ path, dispose: () => Promise.resolve() });
}
