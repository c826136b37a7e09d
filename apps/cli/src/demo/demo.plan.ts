import type { NewRun, RunView } from '../client/api.views.ts';
import type { NewDataset } from '../client/api.client.ts';
import type { ModelFolder } from '../models/model-folder.ts';

/** What opening a model may need. */
export interface ModelTools {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What a demo brings to the API: a model, two data sets, and the runs to compare. */
export interface DemoPlan {
  readonly title: string;
  readonly remarks: readonly string[];
  readonly modelName: string;
  readonly openModel: (tools: ModelTools) => Promise<ModelFolder>;
  /** SHA-256 of the file that the model is made of: one that was registered before is taken as it is. */
  readonly madeOf?: string;
  /** An interrupted demo leaves its runs to be gone on with, and one that is the same goes on with them. */
  readonly isResumed?: boolean;
  readonly training: NewDataset;
  readonly evaluation: NewDataset;
  /** One run each. */
  readonly arms: readonly RunView['config']['arm'][];
  /** What the runs have in common. */
  readonly settings: Omit<NewRun, 'name' | 'arm' | 'model' | 'dataset' | 'evaluation'> & {
    readonly evaluation: Omit<NonNullable<NewRun['evaluation']>, 'dataset'>;
  };
}
