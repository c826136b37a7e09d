import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A private server on a loopback port. */
export interface LocalServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Settles when the process is gone, whoever ended it. */
  readonly exited: Promise<Exit>;
  /** Orderly; forced after some seconds. May be called twice. */
  stop(): Promise<void>;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

const LINES_KEPT = 20;

/** A detached child (Ctrl-C in the terminal does not reach it) whose last lines of output are kept for error messages. */
export class ServerProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #exit: Exit | undefined;

  private constructor(child: ChildProcess, pid: number, log: ((line: string) => void) | undefined) {
    this.#child = child;
    this.pid = pid;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line);
        if (this.#lines.length > LINES_KEPT) this.#lines.shift();
        log?.(line);
      });
    }
    const outputRead = once(child, 'close');
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        void Promise.race([outputRead, sleep(200)]).then(() => {
          this.#exit = { code, signal };
          resolve(this.#exit);
        });
      });
    });
  }

  static async spawn(command: Command, log?: (line: string) => void): Promise<ServerProcess> {
    const { file, args, ...identity } = command;
    const child = spawn(file, args, {
      ...identity,
      detached: true,
      cwd: '/',
      env: { ...withoutSettings(process.env), LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    if (child.pid === undefined) throw new Error(`${file} did not start; check that it may be executed.`);
    return new ServerProcess(child, child.pid, log);
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  get output(): string {
    return this.#lines.join('\n');
  }

  /** Tries `probe` until it succeeds; throws when the process ends first or the time is up. */
  async ready(name: string, probe: () => Promise<void>, timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    let pauseMs = 10;
    for (;;) {
      if (!this.running) throw new Error(`${name} ended while it was starting. Its last words:\n${this.output}`);
      try {
        await probe();
        return;
      } catch (error) {
        if (Date.now() > deadline) {
          this.kill('SIGKILL');
          throw new Error(`${name} was not ready after ${timeoutMs / 1000} s. Its last words:\n${this.output}`, {
            cause: error,
          });
        }
      }
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 1.5, 200);
    }
  }

  kill(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Sends the signals in turn, each with its patience, until the process is gone. */
  async stop(...signals: readonly (readonly [signal: NodeJS.Signals, patienceMs: number])[]): Promise<void> {
    for (const [signal, patienceMs] of signals) {
      this.kill(signal);
      const timer = new AbortController();
      await Promise.race([this.exited, sleep(patienceMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
      timer.abort();
      if (!this.running) return;
    }
    this.kill('SIGKILL');
    await this.exited;
  }
}

/** A server needs none of the settings of services, among which are their secrets. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('SOLOPO_')));
}
