import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identify, type ProcessIdentity } from './process.identity.ts';

export interface NamedProcess extends ProcessIdentity {
  readonly name: string;
}

export interface LauncherState {
  readonly launcher: ProcessIdentity;
  /** Where the gateway answers, once it does. */
  readonly api?: string;
  /** In the order they were started. */
  readonly processes: readonly NamedProcess[];
}

/** What runs under a data folder, written at every change: it outlives a launcher that is killed. */
export class StateFile {
  readonly path: string;
  #state: LauncherState | undefined;

  constructor(readonly dataDir: string) {
    this.path = join(dataDir, 'launcher.json');
  }

  read(): LauncherState | undefined {
    try {
      return JSON.parse(readFileSync(this.path, 'utf8')) as LauncherState;
    } catch {
      return undefined;
    }
  }

  /** Makes this process the launcher of the folder. */
  claim(): void {
    const launcher = identify(process.pid);
    if (launcher === undefined)
      throw new Error('This system does not tell when a process began; run on Linux or macOS.');
    this.#write({ launcher, processes: [] });
  }

  add(name: string, pid: number): void {
    const identity = identify(pid);
    if (identity !== undefined)
      this.#change((state) => ({ ...state, processes: [...state.processes, { name, ...identity }] }));
  }

  remove(pid: number): void {
    this.#change((state) => ({ ...state, processes: state.processes.filter((process) => process.pid !== pid) }));
  }

  announce(api: string): void {
    this.#change((state) => ({ ...state, api }));
  }

  get processes(): readonly NamedProcess[] {
    return this.#state?.processes ?? [];
  }

  clear(): void {
    this.#state = undefined;
    rmSync(this.path, { force: true });
  }

  #change(change: (state: LauncherState) => LauncherState): void {
    if (this.#state !== undefined) this.#write(change(this.#state));
  }

  #write(state: LauncherState): void {
    this.#state = state;
    mkdirSync(this.dataDir, { recursive: true });
    const draft = `${this.path}.${process.pid}`;
    writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`);
    renameSync(draft, this.path);
  }
}
