import { Inject, Injectable } from '@nestjs/common';
import type { JobContext } from '@solopo/bus';
import { FUNCTIONS } from '@solopo/functions';
import { Ledger, type NewSample } from '@solopo/ledger';
import { ModelFiles, tellJob, type Effects, type JobFunction, type Work } from '@solopo/worker';
import { Answers } from '../answers/answers.ts';
import { sampledBy } from '../counts.ts';
import { promptKey } from '../prompt-key.ts';

/** Answers of the model on the short contexts, or on the long ones. */
@Injectable()
export class SampleResponses implements JobFunction<'sample'> {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Answers) private readonly answers: Answers,
  ) {}

  async execute({ stage, spec, range }: Work<'sample'>, context: JobContext): Promise<Effects> {
    const text = await this.models.text(spec.model);
    const contexts = await this.ledger.contexts.assigned(spec.compose, spec.sampling.on, range);
    const { samplesPerContext, temperature, topP, maxNewTokens, weights } = spec.sampling;
    const {
      samples: answers,
      engine,
      exactWeights,
    } = await this.answers.sample(
      { ...spec, weights },
      {
        prompts: contexts.map(({ tokens, digest }) => ({ tokens, key: promptKey(digest) })),
        options: {
          samplesPerPrompt: samplesPerContext,
          temperature,
          topP,
          maxNewTokens,
          eosIds: text.eosIds,
          seed: spec.seed,
        },
      },
      {
        sliceMs: FUNCTIONS.sample.sliceMs,
        signal: context.signal,
        onProgress: tellJob(context, {
          kind: 'sample',
          total: range.to - range.from,
          itemsAt: (count) => (contexts[count]?.position ?? range.to) - range.from,
        }),
      },
    );
    const sampled = contexts.slice(0, answers.length);
    const samples: NewSample[] = [];
    for (const [index, { position }] of sampled.entries()) {
      // Thousands of texts take seconds: others have their turn between them.
      await context.advanced();
      for (const [sampleIndex, answer] of (answers[index] ?? []).entries())
        samples.push({
          ...answer,
          position,
          sampleIndex,
          text: text.decode(answer.tokens, { skipSpecial: true }).trim(),
        });
    }
    // Examples without a context are between those with one: the first that is left decides where the next job begins.
    const next = contexts[answers.length];
    return {
      ...(next === undefined ? {} : { itemsDone: next.position - range.from }),
      result: {
        contexts: sampled.length,
        samples: samples.length,
        ...sampledBy(engine, samples.length, exactWeights),
      },
      write: (tx) => tx.samples.insert(stage, samples),
    };
  }
}
