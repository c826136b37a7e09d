import { SolopoError, type EngineKind, type ErrorCode } from '@solopo/contracts';
import { activeTraceparent } from '@solopo/tracing';
import type { Activity, EngineState, FromChild, Progress, TaskName, Tasks, ToChild } from './tasks.ts';
import type { Transport, TransportListeners } from './transport.ts';

/** Errors of the numeric libraries, by class name, and what they mean to a job. */
const ERROR_CODE: Readonly<Record<string, ErrorCode>> = {
  ModelError: 'model-invalid',
  LogitsNotFiniteError: 'model-invalid',
  LossNotFiniteError: 'loss-not-finite',
  DeviceError: 'device-missing',
  DeviceMemoryError: 'device-memory',
};

/** As Node and Python say that a disk is full, or a quota used up. */
const FULL_DISK = /\b(ENOSPC|EDQUOT)\b|No space left on device|Disk quota exceeded/;

function faultOf({ name, message }: { readonly name: string; readonly message: string }): SolopoError {
  if (FULL_DISK.test(message))
    return new SolopoError('store-full', `The engine found a full disk (${message}); make room on it, then try again.`);
  return new SolopoError(ERROR_CODE[name] ?? 'engine-failed', message);
}

interface Pending {
  /** Who was given it. */
  readonly child: Transport;
  readonly resolve: (output: never) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

export interface RunOptions {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface ProcessListeners {
  readonly onState: (state: EngineState) => void;
  readonly onActivity: (activity: Activity) => void;
}

/** The process of one kind of engine: started for a task, and again where it has ended. Tasks are executed one after another. */
export class EngineProcess {
  #child: Transport | undefined;
  #sequence = 0;
  readonly #pending = new Map<number, Pending>();

  constructor(
    readonly kind: EngineKind,
    private readonly open: (listeners: TransportListeners) => Transport,
    private readonly listeners: ProcessListeners,
  ) {}

  async run<K extends TaskName>(
    task: K,
    input: Tasks[K]['input'],
    { onProgress, signal }: RunOptions,
  ): Promise<Tasks[K]['output']> {
    const child = (this.#child ??= this.#start());
    const id = (this.#sequence += 1);
    const abort = (): void => child.kill();
    try {
      return await new Promise<Tasks[K]['output']>((resolve, reject) => {
        this.#pending.set(id, { child, resolve, reject, onProgress });
        signal?.addEventListener('abort', abort, { once: true });
        child.send({ id, task, input, traceparent: activeTraceparent() } as ToChild);
      });
    } finally {
      this.#pending.delete(id);
      signal?.removeEventListener('abort', abort);
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** An idle one may end by itself, where it has spans to send. */
  close({ gently = false }: { readonly gently?: boolean } = {}): void {
    if (gently && this.#pending.size === 0) this.#child?.end();
    else this.#child?.kill();
    this.#child = undefined;
  }

  #start(): Transport {
    const child = this.open({
      onMessage: (message) => this.#receive(message),
      onEnd: (error) => {
        if (this.#child === child) this.#child = undefined;
        for (const pending of this.#pending.values()) if (pending.child === child) pending.reject(error);
      },
    });
    return child;
  }

  #receive(message: FromChild): void {
    if (message.activity !== undefined) this.listeners.onActivity(message.activity);
    if (message.kind === 'state') return this.listeners.onState(message.state);
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    if (message.kind === 'progress') pending.onProgress?.(message.progress);
    else if (message.kind === 'result') pending.resolve(message.output as never);
    else pending.reject(faultOf(message));
  }
}
