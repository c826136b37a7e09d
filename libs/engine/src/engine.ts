import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SolopoError, type ErrorCode } from '@solopo/contracts';
import { activeTraceparent, SpanKind, withSpan } from '@solopo/tracing';
import { childEnvironment, type EngineOptions } from './child.options.ts';
import { memorySettings } from './memory-settings.ts';
import { tokensOf } from './task-tokens.ts';
import type { Activity, EngineState, FromChild, Progress, TaskName, Tasks } from './tasks.ts';

/** Errors of the numeric libraries, by class name, and what they mean to a job. */
const ERROR_CODE: Readonly<Record<string, ErrorCode>> = {
  ModelError: 'model-invalid',
  LogitsNotFiniteError: 'model-invalid',
  LossNotFiniteError: 'loss-not-finite',
  DeviceError: 'device-missing',
  DeviceMemoryError: 'device-memory',
};

/** The built file, also when this one runs from source (in tests). */
const CHILD = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../dist/engine.child.js' : './engine.child.js', import.meta.url),
);

export interface RunOptions {
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface TaskReport {
  readonly task: TaskName;
  readonly outcome: 'done' | 'failed' | 'aborted';
  readonly seconds: number;
  /** Tokens that the model ran or drew; 0 unless done. */
  readonly tokens: number;
}

/** What an engine tells of itself. */
export interface EngineListeners {
  readonly onState?: (state: EngineState) => void;
  readonly onTask?: (report: TaskReport) => void;
  readonly onActivity?: (activity: Activity) => void;
}

interface Pending {
  readonly resolve: (output: never) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/**
 * The numeric engine as a service sees it: a child process that is started on first use. Tasks are executed one after
 * another. A task that is aborted takes its process with it (the next task gets a new one): nothing can be half done,
 * since tasks change nothing but the files they are told to write.
 */
export class Engine {
  #child: ChildProcess | undefined;
  #sequence = 0;
  #state: EngineState | undefined;
  readonly #pending = new Map<number, Pending>();

  constructor(readonly options: EngineOptions & EngineListeners) {}

  /**
   * One span, which the child's go on with.
   *
   * @throws SolopoError `model-invalid`, `loss-not-finite`, `device-missing` or `device-memory` for what will fail again;
   * `engine-failed` when the process died
   */
  async run<K extends TaskName>(
    task: K,
    input: Tasks[K]['input'],
    options: RunOptions = {},
  ): Promise<Tasks[K]['output']> {
    return withSpan(`engine ${task}`, { kind: SpanKind.CLIENT }, () => this.#run(task, input, options));
  }

  async #run<K extends TaskName>(
    task: K,
    input: Tasks[K]['input'],
    { onProgress, signal }: RunOptions,
  ): Promise<Tasks[K]['output']> {
    signal?.throwIfAborted();
    const child = (this.#child ??= this.#start());
    const id = (this.#sequence += 1);
    const abort = (): void => void child.kill('SIGKILL');
    const started = performance.now();
    const report = (outcome: TaskReport['outcome'], tokens = 0): void =>
      this.options.onTask?.({ task, outcome, seconds: (performance.now() - started) / 1000, tokens });
    try {
      const output = await new Promise<Tasks[K]['output']>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject, onProgress });
        signal?.addEventListener('abort', abort, { once: true });
        child.send({ id, task, input, traceparent: activeTraceparent() });
      });
      report('done', tokensOf(task, input, output));
      return output;
    } catch (error) {
      report(signal?.aborted === true ? 'aborted' : 'failed');
      throw error;
    } finally {
      this.#pending.delete(id);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** The process, once it runs: for health reports. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Where it computes and what lies there; undefined before its first task. */
  get state(): EngineState | undefined {
    return this.#state;
  }

  close(): void {
    const isIdle = this.#pending.size === 0;
    // An idle child sends its last spans, and ends by itself.
    if (isIdle && this.options.otlpUrl !== undefined) this.#child?.disconnect();
    else this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  #start(): ChildProcess {
    const child = fork(CHILD, [], {
      execArgv: [],
      serialization: 'advanced',
      env: {
        ...process.env,
        GLIBC_TUNABLES: memorySettings(process.env.GLIBC_TUNABLES),
        ...childEnvironment(this.options),
      },
    });
    child.on('message', (message: FromChild) => this.#receive(message));
    child.on('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined;
      const error = new SolopoError(
        'engine-failed',
        `the engine process ended (${signal ?? `exit code ${code}`}); the job is tried again with a new one`,
      );
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    });
    return child;
  }

  #receive(message: FromChild): void {
    if (message.activity !== undefined) this.options.onActivity?.(message.activity);
    if (message.kind === 'state') {
      this.#state = message.state;
      this.options.onState?.(message.state);
      return;
    }
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    if (message.kind === 'progress') pending.onProgress?.(message.progress);
    else if (message.kind === 'result') pending.resolve(message.output as never);
    else pending.reject(new SolopoError(ERROR_CODE[message.name] ?? 'engine-failed', message.message));
  }
}
