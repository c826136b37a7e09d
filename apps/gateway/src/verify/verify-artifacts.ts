import type { ArtifactStore } from '@solopo/artifacts';
import { SolopoError } from '@solopo/contracts';
import type { Repositories } from '@solopo/ledger';
import { Checking, type Check } from './check.ts';

/** Digests of all that a run reads and made, with what each is. */
export async function artifactsOf(ledger: Repositories, run: string): Promise<Map<string, string>> {
  const { resolved } = await ledger.runs.require(run);
  const { name, files } = await ledger.models.require(resolved.model);
  const checkpoints = await ledger.checkpoints.list(run);
  const versions = await ledger.versions.list(run);
  return new Map([
    ...Object.entries(files).map(([file, digest]) => [digest, `${file} of the model ${name}`] as const),
    ...checkpoints.flatMap(({ step, digest, parametersDigest }) => [
      [digest, `the optimiser's state after step ${step}`] as const,
      [parametersDigest, `the parameters after step ${step}`] as const,
    ]),
    ...versions.map(({ step, digest }) => [digest, `the policy of step ${step}`] as const),
  ]);
}

/** Those that this process has read are read again where their files are others since. */
export async function verifyArtifacts(artifacts: ArtifactStore, wanted: ReadonlyMap<string, string>): Promise<Check> {
  const checking = new Checking();
  for (const [digest, what] of wanted) {
    const fault = await artifacts.demandWhole(digest).then(() => undefined, faultOf);
    checking.demand(fault === undefined, `${what}: ${fault}`);
  }
  return checking.result('artifacts', `${wanted.size} artifacts`);
}

/** What the store says of the artifact; that it does not answer is no fault of the run. */
function faultOf(error: unknown): string {
  const { code, message } = SolopoError.from(error);
  if (code !== 'artifact-damaged' && code !== 'not-found' && code !== 'input-invalid') throw error;
  return message;
}
