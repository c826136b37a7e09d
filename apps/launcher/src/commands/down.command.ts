import { DATA } from '../data-folders.ts';
import { refuseRest, type LauncherOptions } from '../options.ts';
import { clearOrphans, runningLauncher } from '../orphans.ts';
import { waitUntilGone } from '../process.identity.ts';
import { StateFile } from '../state.file.ts';

const PATIENCE_MS = 90_000;

/** Stops what runs on the named folder, or on the folders of `up` and `demo`. */
export async function down(options: LauncherOptions): Promise<number> {
  refuseRest('down', options);
  const folders = options.data === undefined ? Object.values(DATA) : [options.data];
  const stopped: string[] = [];
  for (const folder of folders) {
    const state = new StateFile(folder);
    const launcher = runningLauncher(state);
    if (launcher !== undefined) {
      process.kill(launcher.pid, 'SIGTERM');
      if (!(await waitUntilGone(launcher, PATIENCE_MS))) {
        throw new Error(
          `The launcher (process ${launcher.pid}) on ${folder} does not stop; end it with kill -9 ${launcher.pid}, then run ./solopo down again.`,
        );
      }
      stopped.push(folder);
    } else if ((await clearOrphans(state)).length > 0) stopped.push(folder);
  }
  console.log(stopped.length === 0 ? 'Nothing was running.' : `Stopped what ran on ${stopped.join(' and ')}.`);
  return 0;
}
