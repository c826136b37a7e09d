import { worldSize, type DeviceChoice, type RankLayout } from '@solopo/functions';
import { mkdir } from 'node:fs/promises';
import { Interrupted, onInterrupt } from './interrupt.ts';
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
  const running = runningLauncher(state);
  if (running !== undefined) {
    throw new Error(
      `A launcher (process ${running.pid}) runs on ${options.dataDir} already; stop it with ./solopo down, or use another folder with --data.`,
    );
  }
  const signal = onInterrupt(() => state.processes.forEach(({ pid }) => signalGroup(pid, 'SIGKILL')));
  const orphans = await clearOrphans(state);
  if (orphans.length > 0) console.error(`Cleared what an earlier launcher left: ${orphans.join(', ')}.`);
  await options.prepare?.();
  await mkdir(options.dataDir, { recursive: true });
  state.claim();

  const logs = new LogBook(options.dataDir, options.echo ? (line) => console.log(line) : undefined);
  let system: System | undefined;
  try {
    const { plan, port, threads, loneThreads, device, layout } = options;
    const torchPython = installedTorch(options.dataDir);
    system = await System.start({ plan, state, logs, port, threads, loneThreads, device, layout, torchPython, signal });
    return await Promise.race([use(system, signal), system.broken]);
  } catch (error) {
    if (error instanceof Interrupted) return 130;
    throw error;
  } finally {
    await system?.stop();
    await logs.close();
    state.clear();
  }
}
