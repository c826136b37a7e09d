import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type SamplingWeightsConfig, type StageSpecOf } from '@solopo/contracts';
import { Engine, type Progress, type Tasks } from '@solopo/engine';
import { CONFIG } from '@solopo/platform';
import { samplerFingerprint, type SamplingServer, type ServerInfo } from '@solopo/sampling-server';
import { ModelFiles, type WorkerConfig } from '@solopo/worker';
import { SamplingServers } from './sampling-servers.ts';
import { ServerCheck, type CheckedModel } from './server-check.ts';

/** Whose answers, and by whom. */
export interface Answering
  extends
    Pick<StageSpecOf<'sample'>, 'model' | 'engine' | 'precision' | 'sampler'>,
    Partial<Pick<StageSpecOf<'evaluate'>, 'policy' | 'adapter'>> {
  readonly weights?: SamplingWeightsConfig | undefined;
}

export interface AnswerOptions {
  readonly signal: AbortSignal;
  readonly sliceMs: number;
  readonly onProgress: (progress: Progress) => void;
}

type Asked = Pick<Tasks['sample']['input'], 'prompts' | 'options'>;
type SampledAnswers = Tasks['sample']['output'];

/** Answers by the engine of this process, or by the sampling server that the run names. */
@Injectable()
export class Answers {
  constructor(
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(SamplingServers) private readonly servers: SamplingServers,
    @Inject(ServerCheck) private readonly check: ServerCheck,
    @Inject(CONFIG) private readonly config: WorkerConfig,
  ) {}

  async sample(answering: Answering, asked: Asked, options: AnswerOptions): Promise<SampledAnswers> {
    const { sampler } = answering;
    return sampler
      ? this.#byServer({ ...answering, sampler }, asked, options)
      : this.#byEngine(answering, asked, options);
  }

  async #byEngine(
    { model, policy, adapter, weights, engine, precision }: Answering,
    asked: Asked,
    { sliceMs, ...options }: AnswerOptions,
  ): Promise<SampledAnswers> {
    const input = {
      model: await this.models.source(model, { policy, adapter, samplingWeights: weights, precision }),
      ...asked,
      batchTokens: this.config.batchTokens,
      cacheBytes: this.config.answerCacheMb * 1e6,
      sliceMs,
    };
    return this.engine.run('sample', input, { engine, ...options });
  }

  async #byServer(
    answering: CheckedModel & { readonly sampler: NonNullable<Answering['sampler']> },
    { prompts, options }: Asked,
    { signal, sliceMs, onProgress }: AnswerOptions,
  ): Promise<SampledAnswers> {
    onProgress({ kind: 'loading' });
    const { model, policy = model, adapter, sampler } = answering;
    const server = this.servers.of(sampler.url);
    const info = await server.describe(sampler.model, { signal });
    const name = policy === model ? info.model.id : await this.#serve(server, info, { model, policy, adapter }, signal);
    const isChecked =
      sampler.check === 'logps' && (await this.check.pass({ ...answering, server, info, name, prompts, signal }));
    const text = await this.models.text(model);
    const { samples, retokenised, withoutLogps } = await server.sample(info, name, text, prompts, options, {
      signal,
      sliceMs,
      onAnswered: (count) => onProgress({ kind: 'done', count }),
    });
    const engine = samplerFingerprint(info, {
      adapter: name === info.model.id ? null : { name, policy },
      isChecked,
      isRetokenised: retokenised > 0,
      hasLogps: withoutLogps === 0,
    });
    return { samples, engine, exactWeights: 0 };
  }

  async #serve(
    server: SamplingServer,
    info: ServerInfo,
    {
      model,
      policy,
      adapter,
    }: Record<'model' | 'policy', string> & { readonly adapter: Answering['adapter'] | undefined },
    signal: AbortSignal,
  ): Promise<string> {
    if (!adapter)
      throw new SolopoError(
        'config-invalid',
        `The policy ${policy} is no adapter, and a server has adapters alone; set sampler.adapters to none.`,
      );
    const weights = await this.models.artifact(policy);
    return server.serve({ model, policy, weights, options: adapter }, info, { signal });
  }
}
