import {
  dataRanks,
  divisorsInWords,
  SolopoError,
  worldSize,
  type Pool,
  type RunConfig,
  type RunWarning,
} from '@solopo/contracts';
import { isOverRanks, type App } from '@solopo/functions';
import type { ModelRecord } from '@solopo/ledger';

type Fitted = Pick<ModelRecord, 'name' | 'config'>;

/**
 * What a run would be to pools of several ranks. All that compute it take from the same queue, so that every one of them must be able to.
 *
 * @throws SolopoError `config-invalid` where the ranks of a pool cannot share the sequences of the model
 */
export function fitRanks({ engine, training }: RunConfig, model: Fitted, pools: readonly Pool[]): RunWarning[] {
  if (engine !== 'torch') return [];
  const over = pools.filter(
    (pool) => worldSize(pool) > 1 && pool.engines.includes(engine) && isOverRanks(pool.app as App),
  );
  for (const pool of over) demandHeads(pool, model);
  return over.filter(({ app }) => app === 'trainer').flatMap((pool) => unevenSteps(pool, training.pairsPerStep));
}

/** Each of the ranks that share a sequence has some of the heads while it attends. */
function demandHeads(pool: Pool, { name, config: { heads } }: Fitted): void {
  if (typeof heads !== 'number' || heads % pool.sequenceRanks === 0) return;
  const world = worldSize(pool);
  const both = greatestCommonDivisor(heads, world);
  throw new SolopoError(
    'config-invalid',
    `${pool.sequenceRanks} ranks of the pool ${pool.name} share each sequence, and the model ${name} has ${heads} attention heads, which they cannot share evenly; ` +
      `of ${world} ranks, sequence ranks may be ${divisorsInWords(both)}: start the pool's workers so (--sequence-ranks, or SOLOPO_SEQUENCE_RANKS), or take another model.`,
  );
}

function unevenSteps(pool: Pool, pairs: number): RunWarning[] {
  const parts = dataRanks(pool);
  const missing = (parts - (pairs % parts)) % parts;
  if (missing === 0) return [];
  const { sequenceRanks } = pool;
  const sharing = sequenceRanks === 1 ? `${parts} ranks` : `${parts} groups of ${sequenceRanks} ranks`;
  const idle = pairs < parts ? 'have none in any step' : 'have fewer than the others, and wait for them';
  const above = pairs + missing;
  const fits = pairs < parts ? `${above}` : `${above - parts} or ${above}`;
  return [
    {
      kind: 'uneven-ranks',
      count: missing * sequenceRanks,
      message: `training.pairsPerStep is ${pairs}, and the pool ${pool.name} deals the pairs of a step to ${sharing}: ${missing} of these ${idle}; take a multiple of ${parts}, such as ${fits}.`,
    },
  ];
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
