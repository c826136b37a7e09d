import type { SolopoError } from '@solopo/contracts';
import type { FromChild, ToChild } from './tasks.ts';

/** One process of an engine, in whichever way it is spoken to. It is started when it is made. */
export interface Transport {
  readonly pid: number | undefined;
  send(message: ToChild): void;
  /** No more is sent: it does what it was given, and ends. */
  end(): void;
  /** At once. */
  kill(): void;
}

export interface TransportListeners {
  readonly onMessage: (message: FromChild) => void;
  /** Once, when it has ended, with what that means to the tasks that it was given. */
  readonly onEnd: (error: SolopoError) => void;
}
