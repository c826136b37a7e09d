import { Inject, Injectable } from '@nestjs/common';
import type { StageSpecOf } from '@solopo/contracts';
import { Engine, type ModelSource } from '@solopo/engine';
import { CONFIG, LOGGER, type Logger } from '@solopo/platform';
import {
  demandAdapter,
  demandModel,
  distance,
  type Measured,
  type SamplingServer,
  type ServerInfo,
} from '@solopo/sampling-server';
import { ModelFiles, type WorkerConfig } from '@solopo/worker';

const PROMPTS = 4;
/** Of each, from its beginning. */
const TOKENS = 256;

export interface CheckedModel
  extends
    Pick<StageSpecOf<'sample'>, 'model' | 'engine' | 'precision'>,
    Partial<Pick<StageSpecOf<'evaluate'>, 'policy' | 'adapter'>> {}

export interface Checked extends CheckedModel {
  readonly server: SamplingServer;
  readonly info: ServerInfo;
  /** The server's name for what answers. */
  readonly name: string;
  readonly prompts: readonly { readonly tokens: Int32Array }[];
  readonly signal: AbortSignal;
}

/** Holds a server's log-probabilities to those of this process's engine: once for each model and adapter, as long as the process lives. */
@Injectable()
export class ServerCheck {
  readonly #passed = new Map<string, boolean>();

  constructor(
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(CONFIG) private readonly config: WorkerConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * @returns false where the server scores no prompts, so that nothing can be said
   * @throws SolopoError `sampler-mismatch`
   */
  async pass(checked: Checked): Promise<boolean> {
    const { server, info, model, policy = model, name } = checked;
    const key = JSON.stringify([server.url, info.software, info.model, model, policy, name]);
    const known = this.#passed.get(key);
    if (known !== undefined || checked.prompts.length === 0) return known ?? false;
    const passed = await this.#compare(checked);
    this.#passed.set(key, passed);
    return passed;
  }

  async #compare({
    server,
    info,
    name,
    model,
    policy = model,
    adapter,
    prompts,
    engine,
    precision,
    signal,
  }: Checked): Promise<boolean> {
    const rows = prompts
      .slice(0, PROMPTS)
      .map(({ tokens }) => tokens.slice(0, TOKENS))
      .filter(({ length }) => length > 1);
    const measure = async (served: string, source: ModelSource): Promise<Measured | undefined> => {
      const given: Float64Array[] = [];
      for (const tokens of rows) {
        const logps = await server.logps(served, tokens, { signal });
        if (logps === undefined) return undefined;
        given.push(logps);
      }
      const trees = rows.map((tokens) => ({ prompt: tokens.slice(0, 1), branches: [tokens.slice(1)] }));
      const { logps } = await this.engine.run(
        'score',
        { model: source, trees, batchTokens: this.config.batchTokens },
        { engine, signal },
      );
      return { own: logps.flatMap(([row]) => [...(row ?? [])]), served: given.flatMap((row) => [...row]) };
    };
    const base = await measure(info.model.id, await this.models.source(model, { precision }));
    if (base === undefined) {
      this.logger.warn(
        { server: server.url, software: info.software },
        'the sampling server scores no prompts: its model is not checked',
      );
      return false;
    }
    demandModel(server.url, info.model.id, base);
    const facts = { server: server.url, software: info.software, distance: distance(base) };
    if (name === info.model.id) {
      this.logger.info({ ...facts, model: name }, "the sampling server has the run's model");
      return true;
    }
    const adapted = await measure(name, await this.models.source(model, { policy, adapter, precision }));
    if (adapted === undefined) return false;
    const agreement = demandAdapter(server.url, name, base, adapted);
    this.logger.info({ ...facts, adapter: name, ...agreement }, "the sampling server has the run's adapter");
    return true;
  }
}
