import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type InspectRequest, type Inspection } from '@solopo/contracts';
import { Engine, type InspectedResponse } from '@solopo/engine';
import { Ledger } from '@solopo/ledger';
import { ModelFiles } from '@solopo/worker';

const CONTEXTS = ['shortContext', 'longContext'] as const;

/** What a policy version makes of both responses of a pair under both contexts, token by token and layer by layer. */
@Injectable()
export class InspectPair {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
  ) {}

  async execute({ run: id, pair: digest, step }: InspectRequest): Promise<Inspection> {
    const run = await this.ledger.runs.require(id);
    const { model } = run.resolved;
    const policy = step === 0 ? model : await this.#version(id, step);
    const pairing = (await this.ledger.runs.stages(id)).find(({ kind }) => kind === 'pair');
    if (pairing === undefined)
      throw new SolopoError('not-found', `Run ${id} has no pairs yet; ask again when its pair stage is done.`);
    const pair = await this.ledger.pairs.detail(pairing.digest, digest);
    const { frozenWeights, precision, engine: by } = run.config;
    const engine = await this.engine.run('fingerprint', { frozenWeights, precision }, { engine: by });
    const responses = pair.rejected === null ? [pair.chosenTokens] : [pair.chosenTokens, pair.rejectedTokens];
    const rows = CONTEXTS.flatMap((context) =>
      responses.map((response) => ({ prompt: pair[context].tokens, response, evidence: pair[context].evidence })),
    );
    const inspected = await this.models.during(async () => {
      const options = { policy, adapter: run.config.adapter, frozenWeights, precision };
      return this.engine.run('inspect', { model: await this.models.source(model, options), rows }, { engine: by });
    });
    return {
      policy,
      step,
      engine,
      short: contextView(inspected.slice(0, responses.length), pair.rejected !== null),
      long: contextView(inspected.slice(responses.length), pair.rejected !== null),
    };
  }

  async #version(run: string, step: number): Promise<string> {
    const versions = await this.ledger.versions.list(run);
    const version = versions.find((candidate) => candidate.step === step);
    if (version !== undefined) return version.digest;
    const steps = [0, ...versions.map((candidate) => candidate.step)].join(', ');
    throw new SolopoError('not-found', `Run ${run} has no policy of step ${step}; there are those of ${steps}.`);
  }
}

function contextView([chosen, rejected]: readonly InspectedResponse[], hasRejected: boolean): Inspection['short'] {
  return { chosen: viewOf(chosen), rejected: hasRejected ? viewOf(rejected) : null };
}

function viewOf(response: InspectedResponse | undefined): Inspection['short']['chosen'] {
  if (response === undefined)
    throw new SolopoError('internal', 'The engine inspected too few responses; report this as a defect.');
  return { logps: [...response.logps], attention: response.attention };
}
