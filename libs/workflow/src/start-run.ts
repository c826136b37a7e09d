import { ALL_LINEAR, LINEAR_LAYERS, type Pool, type RunConfig } from '@solopo/contracts';
import type { LedgerTransaction, ResolvedInputs } from '@solopo/ledger';
import { advanceRuns } from './advance-run.ts';
import { emitEvents } from './run-events.ts';
import { newRunId } from './run-id.ts';
import { startWarnings } from './start-warnings.ts';

/**
 * Creates the run with its first jobs. Returns its id.
 *
 * @param pools the workers that there are or may be, where it is known
 */
export async function startRun(tx: LedgerTransaction, asked: RunConfig, pools: readonly Pool[] = []): Promise<string> {
  const id = newRunId();
  const resolved = await resolveInputs(tx, asked);
  const config = await withTargets(tx, asked, resolved);
  const warnings = await startWarnings(tx, config, resolved, pools);
  await tx.runs.create({ id, config, resolved, warnings });
  await emitEvents(tx, [id], 'run.state', [{ state: 'running', error: null }]);
  await advanceRuns(tx, [id]);
  return id;
}

/** Where every engine has the model, its linear layers are known by name; of others PyTorch knows them. */
async function withTargets(tx: LedgerTransaction, config: RunConfig, { model }: ResolvedInputs): Promise<RunConfig> {
  const { engines } = await tx.models.require(model);
  const { adapter } = config;
  if (adapter?.targets !== ALL_LINEAR || !engines.includes('onnx')) return config;
  return { ...config, adapter: { ...adapter, targets: [...LINEAR_LAYERS] } };
}

/** From here on names do not matter: a newer model of the same name changes nothing for this run. */
async function resolveInputs(tx: LedgerTransaction, config: RunConfig): Promise<ResolvedInputs> {
  const { digest: model } = await tx.models.require(config.model);
  const { digest: dataset } = await tx.datasets.require(config.dataset);
  const evaluation = config.evaluation === null ? null : await tx.datasets.require(config.evaluation.dataset);
  return { model, dataset, evaluationDataset: evaluation?.digest ?? null };
}
