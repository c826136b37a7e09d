import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LineWriter } from './log.book.ts';
import { signalGroup } from './process.identity.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const OUTPUT_PATIENCE_MS = 500;

/** A service of ours in a process group of its own: Ctrl-C in the terminal does not reach it, an ordered stop does. */
export class ServiceProcess {
  readonly startedAt = Date.now();
  readonly exited: Promise<Exit>;
  stopping = false;

  private constructor(
    readonly name: string,
    readonly pid: number,
    child: ChildProcess,
    log: LineWriter,
  ) {
    const outputRead = [child.stdout, child.stderr].map(async (stream) => {
      if (stream === null) return;
      for await (const line of createInterface({ input: stream })) log(line);
    });
    this.exited = once(child, 'exit').then(async ([code, signal]) => {
      // A child of its own, such as an engine's, may hold the group and the pipes after a crash.
      signalGroup(pid, 'SIGKILL');
      await Promise.race([Promise.all(outputRead), sleep(OUTPUT_PATIENCE_MS)]);
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
  }

  static async start(name: string, script: string, env: NodeJS.ProcessEnv, log: LineWriter): Promise<ServiceProcess> {
    const child = spawn(process.execPath, ['--enable-source-maps', script], {
      detached: true,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await once(child, 'spawn');
    return new ServiceProcess(name, child.pid!, child, log);
  }

  /** Orderly; forced after the patience is over. */
  async stop(patienceMs = 15_000): Promise<void> {
    this.stopping = true;
    signalGroup(this.pid, 'SIGTERM');
    const force = setTimeout(() => signalGroup(this.pid, 'SIGKILL'), patienceMs);
    await this.exited;
    clearTimeout(force);
  }
}

export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

export function endedAgainAndAgain(name: string, exit: Exit): string {
  return `${name} ended again and again right after its start, last with ${describeExit(exit)}; read its log, logs/${name}.log.`;
}
