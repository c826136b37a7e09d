import { SolopoError, type EngineKind } from '@solopo/contracts';
import { SpanKind, withSpan } from '@solopo/tracing';
import type { EngineOptions } from './child.options.ts';
import { EngineProcess, type RunOptions as TaskOptions } from './engine.process.ts';
import { forkOnnx } from './onnx.process.ts';
import { tokensOf } from './task-tokens.ts';
import type { Activity, EngineState, TaskName, Tasks } from './tasks.ts';
import { spawnTorch, type Hello, type TorchOptions } from './torch.process.ts';
import type { TransportListeners } from './transport.ts';

export interface RunOptions extends TaskOptions {
  /** What computes; onnxruntime when absent. */
  readonly engine?: EngineKind | undefined;
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
  /** Versions of what the process of Python has loaded. */
  readonly onHello?: (hello: Hello) => void;
  /** A line that the process of Python wrote. */
  readonly onLog?: (line: string) => void;
}

export interface EngineKinds {
  /** Where PyTorch is; undefined where it was not set up. */
  readonly torch?: TorchOptions | undefined;
}

interface Turn {
  readonly kind: EngineKind;
  readonly over: Promise<unknown>;
}

/**
 * The numeric engine as a service sees it: a child process that is started on first use, of onnxruntime or of PyTorch. Tasks are executed
 * one after another, whichever computes them. A task that is aborted takes its process with it (the next task gets a new one): nothing
 * can be half done, since tasks change nothing but the files they are told to write.
 */
export class Engine {
  readonly #processes = new Map<EngineKind, EngineProcess>();
  readonly #turns = new Set<Turn>();
  #last: EngineProcess | undefined;
  #state: EngineState | undefined;

  constructor(readonly options: EngineOptions & EngineKinds & EngineListeners) {}

  /**
   * One span, which the child's go on with.
   *
   * @throws SolopoError `model-invalid`, `loss-not-finite`, `device-missing`, `device-memory` or `engine-missing` for what will fail again;
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
    { engine: kind = 'onnx', ...options }: RunOptions,
  ): Promise<Tasks[K]['output']> {
    options.signal?.throwIfAborted();
    const ended = Promise.withResolvers<void>();
    const turn = { kind, over: ended.promise };
    const others = [...this.#turns].filter((other) => other.kind !== kind);
    this.#turns.add(turn);
    try {
      if (others.length > 0)
        await Promise.race([Promise.all(others.map(({ over }) => over)), abortion(options.signal)]);
      return await this.#execute(kind, task, input, options);
    } finally {
      this.#turns.delete(turn);
      ended.resolve();
    }
  }

  async #execute<K extends TaskName>(
    kind: EngineKind,
    task: K,
    input: Tasks[K]['input'],
    options: TaskOptions,
  ): Promise<Tasks[K]['output']> {
    const started = performance.now();
    const report = (outcome: TaskReport['outcome'], tokens = 0): void =>
      this.options.onTask?.({ task, outcome, seconds: (performance.now() - started) / 1000, tokens });
    try {
      this.#last = this.#processOf(kind);
      const output = await this.#last.run(task, input, options);
      report('done', tokensOf(task, input, output));
      return output;
    } catch (error) {
      report(options.signal?.aborted === true ? 'aborted' : 'failed');
      throw error;
    }
  }

  /** The process that was last given something, once it runs: for health reports. */
  get pid(): number | undefined {
    return this.#last?.pid;
  }

  /** Where it computes and what lies there; undefined before its first task. */
  get state(): EngineState | undefined {
    return this.#state;
  }

  close(): void {
    // An idle child sends its last spans, and ends by itself.
    const gently = this.options.otlpUrl !== undefined;
    for (const each of this.#processes.values()) each.close({ gently });
  }

  /** One kind at a time: there may not be room for the models of two. */
  #processOf(kind: EngineKind): EngineProcess {
    for (const each of this.#processes.values()) if (each.kind !== kind) each.close();
    const known = this.#processes.get(kind);
    if (known) return known;
    const made = new EngineProcess(kind, (listeners) => this.#open(kind, listeners), {
      onState: (state) => {
        this.#state = state;
        this.options.onState?.(state);
      },
      onActivity: (activity) => this.options.onActivity?.(activity),
    });
    this.#processes.set(kind, made);
    return made;
  }

  #open(kind: EngineKind, listeners: TransportListeners): ReturnType<typeof forkOnnx> {
    const { torch, onHello, onLog } = this.options;
    if (kind === 'onnx') return forkOnnx(this.options, listeners);
    if (torch === undefined)
      throw new SolopoError(
        'engine-missing',
        'this worker has no torch engine; run ./solopo engine add torch, start the system again, then retry the job',
      );
    return spawnTorch({ ...this.options, torch, onLog }, { ...listeners, ...(onHello && { onHello }) });
  }
}

function abortion(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
