import { Inject, Injectable } from '@nestjs/common';
import type { JobContext } from '@solopo/bus';
import { STAGE_WORK } from '@solopo/contracts';
import { composeContexts, hasControlToken, type ComposedContext } from '@solopo/corpus';
import type { ContextAssignment, NewContext } from '@solopo/ledger';
import { contextDigest } from '@solopo/pipeline';
import { ModelFiles, type Effects, type JobFunction, type Work } from '@solopo/worker';
import { countRefusals } from '../counts.ts';
import { Datasets } from '../datasets.ts';

/** x_short and x_long of each example, token-exact; what cannot be made is recorded with its reason. */
@Injectable()
export class ComposeContexts implements JobFunction<'compose'> {
  constructor(
    @Inject(Datasets) private readonly datasets: Datasets,
    @Inject(ModelFiles) private readonly models: ModelFiles,
  ) {}

  async execute({ stage, spec, range }: Work<'compose'>, context: JobContext): Promise<Effects> {
    const text = await this.models.text(spec.model);
    const pool = 'maxTokens' in spec.contexts.long ? await this.datasets.pool(spec.dataset) : undefined;
    const positions = await this.models.positions(spec.model);
    let [beyondPositions, controlTokens] = [0, 0];
    const contexts: NewContext[] = [];
    const assignments: ContextAssignment[] = [];
    const total = range.to - range.from;
    for (const { position, content } of await this.datasets.examples(spec.dataset, range)) {
      const composed = composeContexts(content, {
        prompt: spec.prompt,
        contexts: spec.contexts,
        text,
        seed: spec.seed,
        pool,
      });
      await context.advanced({ ...STAGE_WORK.compose, done: position + 1 - range.from, total });
      if (hasControlToken(content, text.controlTokens)) controlTokens += 1;
      if ('refused' in composed) {
        assignments.push({ position, refused: composed.refused });
        continue;
      }
      if (composed.long.tokens.length > positions) {
        beyondPositions += 1;
        if (spec.contexts.beyondPositions === 'refuse') {
          assignments.push({ position, refused: 'beyond-positions' });
          continue;
        }
      }
      const [short, long] = [newContext('short', composed.short), newContext('long', composed.long)];
      contexts.push(short, long);
      assignments.push({ position, short: short.digest, long: long.digest });
    }
    const reasons = assignments.flatMap((assignment) => ('refused' in assignment ? [assignment.refused] : []));
    return {
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
}

function newContext(kind: 'short' | 'long', { tokens, evidence }: ComposedContext): NewContext {
  return { digest: contextDigest({ kind, tokens, evidence }), kind, tokens, evidence };
}
