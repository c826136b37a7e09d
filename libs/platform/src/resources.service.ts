import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LOGGER } from './tokens.ts';
import type { Logger } from './logger.ts';

/**
 * What must be closed at the end, once HTTP and jobs have come to rest: in the reverse order of its opening, so that
 * nothing loses what it stands on.
 */
@Injectable()
export class Resources implements OnApplicationShutdown {
  readonly #stack: { readonly name: string; readonly close: () => Promise<void> | void }[] = [];

  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  defer(name: string, close: () => Promise<void> | void): void {
    this.#stack.push({ name, close });
  }

  async onApplicationShutdown(): Promise<void> {
    for (let last = this.#stack.pop(); last !== undefined; last = this.#stack.pop()) {
      try {
        await last.close();
      } catch (error) {
        this.logger.error(
          { error, resource: last.name },
          `${last.name} could not be closed in order; the rest is closed all the same`,
        );
      }
    }
  }
}
