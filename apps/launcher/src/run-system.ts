import { worldSize, type DeviceChoice, type RankLayout } from '@solopo/functions';
import { demandPort } from './demand-port.ts';
import { claimFolder, releaseFolder } from './folder.claim.ts';
import { onInterrupt } from './interrupt.ts';
import { LogBook } from './log.book.ts';
import { clearOrphans, runningLauncher } from './orphans.ts';
import { signalGroup } from './process.identity.ts';
import type { ServicePlan } from './service.plan.ts';
import { StateFile } from './state.file.ts';
import { System } from './system.ts';
import { installedTorch } from './torch/torch.folder.ts';

export interface RunSystemOptions {
  readonly dataDir: string;
  readonly plan: ServicePlan;
  readonly port: number | undefined;
  readonly threads: number;
  /** Of a worker that is the only one of its app; `threads` without it. */
  readonly loneThreads?: number | undefined;
  readonly device: DeviceChoice | undefined;
  readonly layout: RankLayout;
  /** The services' logs on the terminal too. */
  readonly echo: boolean;
  /** Called when the folder is ours and nothing runs on it. */
  readonly prepare?: () => Promise<void>;
}

/** Starts the system, does `use` while it is up, and stops it in order, whatever happened. Gives the exit code. */
export async function runSystem(
  options: RunSystemOptions,
  use: (system: System, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  if (worldSize(options.layout) > 1 && installedTorch(options.dataDir) === undefined)
    throw new Error(
      '--ranks needs the torch engine, which is not set up; run ./solopo engine add torch first, or leave it out.',
    );
  const state = new StateFile(options.dataDir);
  const running = runningLauncher(state) ?? claimFolder(options.dataDir);
  if (running !== undefined) {
    throw new Error(
      `A launcher (process ${running.pid}) runs on ${options.dataDir} already; stop it with ./solopo down, or use another folder with --data.`,
    );
  }
  const signal = onInterrupt(() => state.processes.forEach(({ pid }) => signalGroup(pid, 'SIGKILL')));
  let logs: LogBook | undefined;
  let system: System | undefined;
  try {
    const orphans = await clearOrphans(state);
    if (orphans.length > 0) console.error(`Cleared what an earlier launcher left: ${orphans.join(', ')}.`);
    if (options.port !== undefined) await demandPort(options.port);
    signal.throwIfAborted();
    await options.prepare?.();
    state.claim();
    logs = new LogBook(options.dataDir, options.echo ? (line) => console.log(line) : undefined);
    const { plan, port, threads, loneThreads, device, layout, echo: isEchoing } = options;
    const torchPython = installedTorch(options.dataDir);
    const shared = { plan, state, logs, isEchoing, port, signal };
    system = await System.start({ ...shared, threads, loneThreads, device, layout, torchPython });
    return await Promise.race([use(system, signal), system.broken]);
  } catch (error) {
    // What was broken off says so in many ways.
    if (signal.aborted) return 130;
    throw error;
  } finally {
    await system?.stop();
    await logs?.close();
    if (logs !== undefined) state.clear();
    releaseFolder(options.dataDir);
  }
}
