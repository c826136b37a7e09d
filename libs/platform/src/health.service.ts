import { Injectable } from '@nestjs/common';

export interface HealthReport {
  /** Whether all that it cannot do without is `ok`. */
  readonly ready: boolean;
  /** `ok`, or why not. */
  readonly checks: Readonly<Record<string, string>>;
  /** What else is to be known of this process. */
  readonly facts?: Readonly<Record<string, string>>;
}

const LIMIT_MS = 2000;

interface Check {
  readonly run: () => Promise<void> | void;
  readonly isVital: boolean;
}

/** Whether this process can do its work now. Whoever needs something to work registers a check for it. */
@Injectable()
export class Health {
  readonly #checks = new Map<string, Check>();
  readonly #facts = new Map<string, () => string>();
  readonly #listeners: (() => void)[] = [];
  #stopping = false;

  /** `check` throws, with the reason, while the thing is not ready. */
  register(name: string, check: () => Promise<void> | void): void {
    this.#checks.set(name, { run: check, isVital: true });
  }

  /** The same of a thing that only some of the work needs: the report tells, and the process stays ready for the rest. */
  watch(name: string, check: () => Promise<void> | void): void {
    this.#checks.set(name, { run: check, isVital: false });
  }

  /** A fact for the report that makes nothing ready or not. */
  tell(name: string, fact: () => string): void {
    this.#facts.set(name, fact);
  }

  /** Called as soon as the process is to stop, before anything is closed. */
  onStop(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** From now on the process is not ready: it is on its way out. */
  stop(): void {
    this.#stopping = true;
    for (const listener of this.#listeners) listener();
  }

  async report(): Promise<HealthReport> {
    const results = await Promise.all(
      [...this.#checks].map(async ([name, { run, isVital }]) => ({ name, isVital, result: await outcome(run) })),
    );
    if (this.#stopping) results.push({ name: 'process', isVital: true, result: 'is shutting down' });
    return {
      ready: results.every(({ isVital, result }) => !isVital || result === 'ok'),
      checks: Object.fromEntries(results.map(({ name, result }) => [name, result])),
      ...(this.#facts.size > 0 && {
        facts: Object.fromEntries([...this.#facts].map(([name, fact]) => [name, fact()])),
      }),
    };
  }
}

async function outcome(check: () => Promise<void> | void): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`gave no answer in ${LIMIT_MS / 1000} s`), LIMIT_MS);
  });
  try {
    return await Promise.race([Promise.resolve(check()).then(() => 'ok'), limit]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}
