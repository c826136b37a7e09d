import { Inject, Injectable } from '@nestjs/common';
import type { SliceView } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';

@Injectable()
export class ListSlices {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  /** Those that are done, in order. */
  async execute(run: string): Promise<readonly SliceView[]> {
    const { config } = await this.ledger.runs.require(run);
    const training = (await this.ledger.runs.stages(run)).find(({ kind }) => kind === 'train');
    if (training === undefined) return [];
    const { steps: planned } = await this.ledger.runs.view(run);
    const size = config.training.stepsPerSlice;
    const done = await this.ledger.stages.chunkSeconds(training.digest);
    return done.map(({ chunk, seconds }) => {
      const step = Math.min((chunk + 1) * size, planned ?? Infinity);
      return { step, steps: step - chunk * size, seconds };
    });
  }
}
