import { isAlive, signalGroup, waitUntilGone, type ProcessIdentity } from './process.identity.ts';
import type { NamedProcess, StateFile } from './state.file.ts';

/** The launcher that runs on the folder now. */
export function runningLauncher(file: StateFile): ProcessIdentity | undefined {
  const launcher = file.read()?.launcher;
  return launcher !== undefined && isAlive(launcher) ? launcher : undefined;
}

/** Ends what a killed launcher left behind, last started first; gives their names. */
export async function clearOrphans(file: StateFile): Promise<readonly string[]> {
  const orphans = (file.read()?.processes ?? []).filter(isAlive).toReversed();
  for (const orphan of orphans) await end(orphan);
  file.clear();
  return orphans.map((orphan) => orphan.name);
}

/** Postgres waits for its clients on SIGTERM; on SIGINT it closes them and shuts down in order. */
async function end(orphan: NamedProcess): Promise<void> {
  signalGroup(orphan.pid, orphan.name === 'postgres' ? 'SIGINT' : 'SIGTERM');
  if (await waitUntilGone(orphan, 10_000)) return;
  signalGroup(orphan.pid, 'SIGKILL');
  await waitUntilGone(orphan, 10_000);
}
