import { Inject, Injectable } from '@nestjs/common';
import type { JobContext } from '@solopo/bus';
import { judge, type Refused } from '@solopo/corpus';
import { FUNCTIONS } from '@solopo/functions';
import { ModelFiles, tellJob, type Effects, type JobFunction, type Work } from '@solopo/worker';
import { Answers } from '../answers/answers.ts';
import { Composer } from '../composer/composer.ts';
import { countRefusals, sampledBy } from '../counts.ts';
import { Datasets } from '../datasets.ts';

/** Greedy answers of a policy to held-out questions at one context length. */
@Injectable()
export class EvaluatePolicy implements JobFunction<'evaluate'> {
  constructor(
    @Inject(Datasets) private readonly datasets: Datasets,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Composer) private readonly composer: Composer,
    @Inject(Answers) private readonly answers: Answers,
  ) {}

  async execute({ stage, spec, range }: Work<'evaluate'>, context: JobContext): Promise<Effects> {
    const { model, policy, dataset, documents, prompt, seed, maxNewTokens } = spec;
    const text = await this.models.text(model);
    const folder = await this.models.folder(model);
    const composed: {
      readonly answers: readonly string[];
      readonly context: (Refused | { tokens: Int32Array }) & { hasControlToken: boolean };
    }[] = [];
    for await (const page of this.datasets.pages(dataset, range)) {
      const examples = page.map(({ content }) => content);
      const made = await this.composer.run('at', { folder, prompt, documents, seed, examples }, context.signal);
      composed.push(...examples.map(({ answers }, index) => ({ answers, context: made[index]! })));
      await context.advanced({
        phase: 'composing',
        done: composed.length,
        total: range.to - range.from,
        unit: 'questions',
      });
    }
    const prompts = composed.flatMap(({ answers, context: made }, index) =>
      'refused' in made ? [] : [{ index, answers, tokens: made.tokens }],
    );
    const {
      samples: responses,
      engine,
      exactWeights,
    } = await this.answers.sample(
      spec,
      {
        prompts: prompts.map(({ tokens }) => ({ tokens, key: [0, 0] })),
        options: { samplesPerPrompt: 1, temperature: 0, topP: 1, maxNewTokens, eosIds: text.eosIds, seed },
      },
      {
        sliceMs: FUNCTIONS.evaluate.sliceMs,
        signal: context.signal,
        onProgress: tellJob(context, {
          kind: 'evaluate',
          total: composed.length,
          itemsAt: (count) => prompts[count]?.index ?? composed.length,
        }),
      },
    );
    // Up to the first question that the time did not suffice for.
    const itemsDone = prompts[responses.length]?.index;
    const asked = prompts.slice(0, responses.length);
    const reasons = composed
      .slice(0, itemsDone)
      .flatMap(({ context: made }) => ('refused' in made ? [made.refused] : []));
    const outcomes = asked.map(({ answers }, i) => {
      const [response] = responses[i] ?? [];
      return response && judge(spec, text.decode(response.tokens, { skipSpecial: true }).trim(), answers) ? '1' : '0';
    });
    const correct = outcomes.filter((outcome) => outcome === '1').length;
    const positions = await this.models.positions(model);
    const beyondPositions = asked.filter(({ tokens }) => tokens.length > positions).length;
    const controlTokens = composed.slice(0, itemsDone).filter(({ context: made }) => made.hasControlToken).length;
    const cut = responses.filter(([response]) => response?.finish === 'length').length;
    const { refused, ...byReason } = countRefusals(reasons);
    return {
      ...(itemsDone === undefined ? {} : { itemsDone }),
      result: {
        asked: asked.length,
        correct,
        cut,
        beyondPositions,
        controlTokens,
        refused: refused ?? 0,
        ...sampledBy(engine, asked.length, exactWeights),
      },
      write: (tx) =>
        tx.evaluations.insert(stage, range.from, {
          policy,
          documents,
          tokens: asked.reduce((sum, { tokens }) => sum + tokens.length, 0),
          n: asked.length,
          correct,
          outcomes: outcomes.join(''),
          refused: Object.fromEntries(
            Object.entries(byReason).map(([key, count]) => [key.replace('refused/', ''), count]),
          ),
        }),
    };
  }
}
