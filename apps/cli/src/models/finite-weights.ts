import { FileThread } from './file-thread.ts';
import type { StoredTensor } from './not-finite.ts';

export interface WeightFile {
  readonly path: string;
  readonly tensors: readonly StoredTensor[];
}

/** The first tensor of each weight file that has numbers which are not finite; null where all are. */
export class FiniteWeights extends FileThread<string | null> {
  constructor(files: readonly WeightFile[]) {
    super(
      'finite.worker',
      files.map(({ path }) => path),
      files,
    );
  }
}
