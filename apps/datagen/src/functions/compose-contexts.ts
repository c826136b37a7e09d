import { Inject, Injectable } from '@nestjs/common';
import type { JobContext } from '@solopo/bus';
import { STAGE_WORK } from '@solopo/contracts';
import { FUNCTIONS } from '@solopo/functions';
import type { ContextAssignment, NewContext } from '@solopo/ledger';
import { ModelFiles, type Effects, type JobFunction, type Work } from '@solopo/worker';
import { Composer } from '../composer/composer.ts';
import { countRefusals } from '../counts.ts';
import { Datasets } from '../datasets.ts';

/** x_short and x_long of each example, token-exact; what cannot be made is recorded with its reason. */
@Injectable()
export class ComposeContexts implements JobFunction<'compose'> {
  constructor(
    @Inject(Datasets) private readonly datasets: Datasets,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Composer) private readonly composer: Composer,
  ) {}

  async execute({ stage, spec, range }: Work<'compose'>, context: JobContext): Promise<Effects> {
    const { dataset, model, prompt, contexts: wanted, seed } = spec;
    const folder = await this.models.folder(model);
    const positions = await this.models.positions(model);
    const pool = 'maxTokens' in wanted.long ? dataset : undefined;
    if (pool !== undefined) await this.composer.fill(pool, this.#documents(dataset, context), context.signal);

    let [beyondPositions, controlTokens] = [0, 0];
    const contexts: NewContext[] = [];
    const assignments: ContextAssignment[] = [];
    const total = range.to - range.from;
    const endsAt = performance.now() + FUNCTIONS.compose.sliceMs;
    for await (const page of this.datasets.pages(dataset, range)) {
      const examples = page.map(({ content }) => content);
      const input = { folder, prompt, contexts: wanted, seed, pool, examples };
      const composed = await this.composer.run('pairs', input, context.signal);
      for (const [index, { hasControlToken, ...made }] of composed.entries()) {
        const { position } = page[index]!;
        if (hasControlToken) controlTokens += 1;
        if ('refused' in made) {
          assignments.push({ position, refused: made.refused });
          continue;
        }
        if (made.long.tokens.length > positions) {
          beyondPositions += 1;
          if (wanted.beyondPositions === 'refuse') {
            assignments.push({ position, refused: 'beyond-positions' });
            continue;
          }
        }
        contexts.push(made.short, made.long);
        assignments.push({ position, short: made.short.digest, long: made.long.digest });
      }
      await context.advanced({ ...STAGE_WORK.compose, done: assignments.length, total });
      if (performance.now() > endsAt) break;
    }
    const reasons = assignments.flatMap((assignment) => ('refused' in assignment ? [assignment.refused] : []));
    return {
      ...(assignments.length < total ? { itemsDone: assignments.length } : {}),
      result: {
        composed: assignments.length - reasons.length,
        beyondPositions,
        controlTokens,
        ...countRefusals(reasons),
      },
      write: async (tx) => {
        await tx.contexts.insert(contexts);
        await tx.contexts.assign(stage, assignments);
      },
    };
  }

  async *#documents(dataset: string, context: JobContext) {
    for await (const examples of this.datasets.contents(dataset)) {
      await context.advanced({ phase: 'pool' });
      yield examples;
    }
  }
}
