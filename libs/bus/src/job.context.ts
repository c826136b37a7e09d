import type { JsMsg } from '@nats-io/jetstream';

/** What a handler knows of the delivery it works on: `@Ctx() context: JobContext`. */
export class JobContext {
  /** From 1. */
  readonly attempt: number;
  readonly subject: string;
  #lastBeat = performance.now();

  constructor(
    private readonly message: JsMsg,
    /** Aborts when the job has got no further for too long or the process shuts down: stop soon, and throw. */
    readonly signal: AbortSignal,
    private readonly beatMs: number,
    private readonly onAdvance: () => void = () => undefined,
  ) {
    this.attempt = message.info.deliveryCount;
    this.subject = message.subject;
  }

  /** Some of the work is done: the time limit begins anew. */
  advanced(): void {
    this.onAdvance();
    this.working();
  }

  /** A sign of life: the job stays with this process. Call it freely, it sends at most one beat in a quarter of the ack wait. */
  working(): void {
    const now = performance.now();
    if (now - this.#lastBeat < this.beatMs) return;
    this.#lastBeat = now;
    this.message.working();
  }
}
