import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type ErrorCode, type Example } from '@solopo/contracts';
import { Resources } from '@solopo/platform';
import type { ComposerTask, ComposerTasks, FromComposer } from './composer.tasks.ts';

/** The built file, also when this one runs from source (in tests). */
const CHILD = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/composer/composer.child.js' : './composer.child.js',
    import.meta.url,
  ),
);

interface Pending {
  readonly resolve: (output: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The composing process as the service sees it: started on first use, and anew when it has died. A task that is aborted
 * takes it along: it holds nothing that cannot be made again.
 */
@Injectable()
export class Composer {
  #child: ChildProcess | undefined;
  #sequence = 0;
  /** The data set whose documents the process has. */
  #filled: string | undefined;
  readonly #pending = new Map<number, Pending>();

  constructor(@Inject(Resources) resources: Resources) {
    resources.defer('composer', () => void this.#child?.kill('SIGKILL'));
  }

  /** @throws SolopoError what composing threw; `engine-failed` when the process died */
  async run<K extends ComposerTask>(
    task: K,
    input: ComposerTasks[K]['input'],
    signal?: AbortSignal,
  ): Promise<ComposerTasks[K]['output']> {
    signal?.throwIfAborted();
    const child = (this.#child ??= this.#start());
    const id = (this.#sequence += 1);
    const abort = (): void => this.#end(child, 'it was stopped');
    try {
      return await new Promise<ComposerTasks[K]['output']>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject });
        signal?.addEventListener('abort', abort, { once: true });
        child.send({ id, task, input });
      });
    } finally {
      this.#pending.delete(id);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Has the process hold a data set's documents, which come page by page; nothing where it does already. */
  async fill(pool: string, pages: AsyncIterable<readonly Example[]>, signal: AbortSignal): Promise<void> {
    if (this.#filled === pool) return;
    this.#filled = undefined;
    await this.run('fill', { pool: '', examples: [] }, signal);
    for await (const examples of pages) await this.run('fill', { pool, examples }, signal);
    this.#filled = pool;
  }

  /** The process, once it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  #start(): ChildProcess {
    const child = fork(CHILD, [], { execArgv: [], serialization: 'advanced' });
    child.on('message', (message: FromComposer) => {
      const pending = this.#pending.get(message.id);
      if ('output' in message) pending?.resolve(message.output as never);
      else pending?.reject(new SolopoError(message.code as ErrorCode, message.message));
    });
    child.on('exit', (code, signal) => this.#end(child, signal ?? `exit code ${code}`));
    return child;
  }

  #end(child: ChildProcess, reason: string): void {
    child.kill('SIGKILL');
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#filled = undefined;
    const message = `the composing process ended (${reason}); the job is tried again with a new one`;
    for (const { reject } of this.#pending.values()) reject(new SolopoError('engine-failed', message));
    this.#pending.clear();
  }
}
