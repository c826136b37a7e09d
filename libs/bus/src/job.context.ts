import { setImmediate as nextTurn } from 'node:timers/promises';
import { SolopoError, type JobProgress } from '@solopo/contracts';
import type { Delivery } from './delivery.ts';
import { CRASHES_FORGIVEN } from './retry.policy.ts';

/** What keeps others from a job that this process executes. */
export interface JobLease {
  /** @throws SolopoError `lease-lost` once another has taken the job */
  renew(progress: JobProgress | null): Promise<void>;
  release(): Promise<void>;
}

/** A job that another execution holds: not an attempt, given back until then. */
export class JobHeld extends Error {
  override readonly name = 'JobHeld';

  constructor(readonly forMs: number) {
    super(`The job is held for another ${Math.ceil(forMs)} ms; it is asked for again then.`);
  }
}

/** What a handler knows of the delivery it works on: `@Ctx() context: JobContext`. */
export class JobContext {
  readonly subject: string;
  /** Of the message, from 1. Not all of them begin an execution. */
  readonly delivery: number;
  #attempt = 0;
  #isExhausted = false;
  #lease: JobLease | undefined;
  #renewal: Promise<void> | undefined;
  #isCommitting = false;
  #progress: JobProgress | null = null;

  constructor(
    delivery: Pick<Delivery, 'subject' | 'count'>,
    /** Aborts when the job has got no further for too long, is lost to another process, or this one shuts down: stop soon, and throw. */
    readonly signal: AbortSignal,
    /** How long a lease must last: it is renewed several times in it. */
    readonly leaseMs: number,
    private readonly maxAttempts: number,
    private readonly onAdvance: () => void = () => undefined,
  ) {
    this.subject = delivery.subject;
    this.delivery = delivery.count;
  }

  /** Which of the executions that the job is to blame for this one is, from 1; 0 before it begins. */
  get attempt(): number {
    return this.#attempt;
  }

  get isExhausted(): boolean {
    return this.#isExhausted;
  }

  /**
   * The handler counts executions, and begins one.
   *
   * @throws SolopoError `engine-failed` where too many began that did not end
   */
  begins(attempt: number): void {
    const before = attempt - 1;
    this.#isExhausted = before >= this.maxAttempts + CRASHES_FORGIVEN;
    this.#attempt = this.#isExhausted ? before : attempt;
    if (this.#isExhausted)
      throw new SolopoError(
        'engine-failed',
        `The job was begun by ${before} processes and none finished it; find what ended them, then retry it.`,
      );
  }

  /** From here on the lease is renewed, until the handler is through: then it is released. */
  holds(lease: JobLease): void {
    this.#lease = lease;
  }

  /**
   * Some of the work is done: the time limit begins anew. What is told of the progress is kept, and what is not stays as it was.
   * Resolves in the event loop's next turn: who computes in this process awaits it, so that heartbeats and probes come through.
   */
  async advanced(progress: JobProgress = {}): Promise<void> {
    this.onAdvance();
    this.#progress = { ...this.#progress, ...progress };
    await nextTurn();
  }

  /** From here on the transaction that commits says whether the job is still this process's. */
  commits(): void {
    this.#isCommitting = true;
  }

  /** One renewal at a time, however slow the ledger. */
  async renew(): Promise<void> {
    if (this.#lease === undefined || this.#isCommitting) return;
    this.#renewal ??= this.#lease.renew(this.#progress).finally(() => (this.#renewal = undefined));
    try {
      await this.#renewal;
    } catch (error) {
      // The commit ended the lease meanwhile.
      if (!this.#isCommitting) throw error;
    }
  }

  /** Best effort: a lease that is not released runs out. */
  async release(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    await lease?.release().catch(() => undefined);
  }
}
