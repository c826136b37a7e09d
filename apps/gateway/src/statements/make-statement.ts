import { readFileSync } from 'node:fs';
import { digestOf, PREDICATE_TYPE, STATEMENT_TYPE, type PolicyManifest, type Statement } from '@solopo/contracts';
import type { PolicyVersionRecord, Repositories, RunRecord } from '@solopo/ledger';
import { merkleRoot, pairSpec } from '@solopo/pipeline';
import type { PublicKey } from './signing-key.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

interface Stated {
  readonly kind: Statement['predicate']['kind'];
  readonly files: readonly Pick<PolicyManifest['files'][number], 'name' | 'digest'>[];
  /** Names of those that the system did not make. */
  readonly declared?: readonly string[];
  readonly adapter?: string;
}

/** What the files are, and what they were made of. Equal folders of a run have equal statements. */
export async function makeStatement(
  ledger: Repositories,
  run: RunRecord,
  { step, chainHead }: PolicyVersionRecord,
  { kind, files, declared = [], adapter }: Stated,
  { publicKey }: PublicKey,
): Promise<Statement> {
  const { config, resolved, id } = run;
  const pairs = await ledger.pairs.digests(digestOf(pairSpec({ id, config, ...resolved })), 'training');
  return {
    _type: STATEMENT_TYPE,
    subject: files
      .map(({ name, digest }) => ({ name, digest: { sha256: digest } }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    predicateType: PREDICATE_TYPE,
    predicate: {
      run: id,
      step,
      kind,
      baseModel: resolved.model,
      dataset: resolved.dataset,
      evaluationDataset: resolved.evaluationDataset,
      pairs: { count: pairs.length, merkleRoot: merkleRoot(pairs) },
      chainHead,
      engines: await ledger.steps.engines(id, step),
      configuration: digestOf(config),
      product: { name: 'solopo', version },
      declared: [...declared],
      adapter: adapter ?? null,
      publicKey,
    },
  };
}
