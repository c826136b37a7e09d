import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import { sha256, SolopoError, STATEMENT_FILE, type PolicyManifest } from '@solopo/contracts';
import { Ledger, type ModelRecord, type PolicyVersionRecord, type RunRecord } from '@solopo/ledger';
import { formatAdapterConfig, modulesInFile } from '@solopo/lm/model-folder';
import { makeStatement } from '../statements/make-statement.ts';
import { SigningKey } from '../statements/signing-key.ts';
import { modelCard } from './model-card.ts';

interface Query {
  readonly run: string;
  /** The latest version when undefined. */
  readonly step: number | undefined;
}

type ManifestFile = PolicyManifest['files'][number];

/** Weights in any of their forms, and the index of shards. */
const WEIGHTS = /\.(safetensors|bin|pt|pth|gguf)$|\.index\.json$/;
/** What every policy has of its own, or not at all: an adapter that the model was registered with is in its weights. */
const OF_ITS_OWN = /^(README\.md|adapter_config\.json|solopo\.intoto\.jsonl)$/;
/** What belongs to the model, not to its tokenizer. */
const MODEL_SETTINGS = /^(config|generation_config)\.json$/;
const ADAPTER = 'adapter_model.safetensors';

@Injectable()
export class DescribePolicy {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
    @Inject(SigningKey) private readonly key: SigningKey,
  ) {}

  /** What a folder of the policy holds: files that are artifacts, and small ones made here. */
  async execute({ run: id, step }: Query): Promise<PolicyManifest> {
    const run = await this.ledger.runs.require(id);
    const version = await requireVersion(this.ledger, id, step);
    const model = await this.ledger.models.require(run.resolved.model);
    const { adapter } = run.config;
    const kept = Object.entries(model.files).filter(
      ([name]) => !OF_ITS_OWN.test(name) && !WEIGHTS.test(name) && (adapter === null || !MODEL_SETTINGS.test(name)),
    );
    const weights = adapter === null ? 'model.safetensors' : ADAPTER;
    const card = modelCard({
      run,
      version,
      model,
      dataset: await this.ledger.datasets.require(run.resolved.dataset),
      engines: await this.ledger.steps.engines(id, version.step),
      evaluations: await this.ledger.evaluations.ofRun(id),
    });
    const files = [
      ...(await Promise.all([...kept, [weights, version.digest] as const].map((file) => this.#artifact(file)))),
      ...(adapter === null ? [] : [await this.#adapterConfig(adapter, version, model)]),
      generated('README.md', card),
    ];
    const kind = adapter === null ? 'model' : 'adapter';
    if (this.key.public !== undefined) {
      const statement = await makeStatement(this.ledger, run, version, { kind, files }, this.key.public);
      files.push(generated(STATEMENT_FILE, this.key.sign(statement)));
    }
    return {
      run: id,
      step: version.step,
      kind,
      baseModel: model.digest,
      warnings: model.warnings,
      files: files.sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
  }

  /** Of the layers that its file has, whatever their names were asked by. */
  async #adapterConfig(
    adapter: NonNullable<RunRecord['config']['adapter']>,
    { digest }: PolicyVersionRecord,
    { name }: ModelRecord,
  ): Promise<ManifestFile> {
    const targets = await this.artifacts.during(async () =>
      modulesInFile(join(await this.artifacts.materialize({ [ADAPTER]: digest }), ADAPTER)),
    );
    return generated('adapter_config.json', json(formatAdapterConfig({ ...adapter, targets }, name)));
  }

  async #artifact([name, digest]: readonly [string, string]): Promise<ManifestFile> {
    return { name, digest, bytes: await this.artifacts.size(digest), content: null };
  }
}

/** The latest where no step is named. */
export async function requireVersion(
  ledger: Ledger,
  run: string,
  step: number | undefined,
): Promise<PolicyVersionRecord> {
  const versions = await ledger.versions.list(run);
  const version = step === undefined ? versions.at(-1) : versions.find((candidate) => candidate.step === step);
  if (version !== undefined) return version;
  const steps = versions.map((candidate) => candidate.step).join(', ');
  throw new SolopoError(
    'not-found',
    steps === ''
      ? `Run ${run} has no policy yet; ask again after its first slice of training.`
      : `Run ${run} has no policy of step ${step}; there are those of ${steps}.`,
  );
}

function generated(name: string, content: string): ManifestFile {
  return { name, digest: sha256(content), bytes: Buffer.byteLength(content), content };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
