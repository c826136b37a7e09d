import { ApiClient } from '../client/api.client.ts';
import { onInterrupt } from '../interrupt.ts';
import { UsageError } from '../usage.error.ts';
import type { Terminal } from './terminal.ts';

/** What every command takes. */
export interface CommonOptions {
  readonly json?: boolean;
}

/** What a command that speaks to the API takes. */
export interface OnlineOptions extends CommonOptions {
  readonly api?: string;
  readonly token?: string;
}

/** What commands share: the terminal, the API, the interrupt, and the exit code. */
export class Context {
  exitCode = 0;
  #signal: AbortSignal | undefined;

  constructor(
    readonly terminal: Terminal,
    private readonly listen: () => AbortSignal = onInterrupt,
  ) {}

  /** Of Ctrl-C. Who asks for it must heed it: until then Ctrl-C ends the process. */
  get signal(): AbortSignal {
    return (this.#signal ??= this.listen());
  }

  /** However a fault surfaced, what was interrupted ended because of the interruption. */
  get interrupted(): unknown {
    return this.#signal?.aborted ? (this.#signal.reason as unknown) : undefined;
  }

  api(options: OnlineOptions): ApiClient {
    const { env } = this.terminal;
    const address = options.api ?? env['SOLOPO_API'];
    if (!address)
      throw new UsageError(
        'There is no system to talk to; start one with ./solopo up, or name one with --api or SOLOPO_API.',
      );
    if (!/^https?:$/.test(URL.canParse(address) ? new URL(address).protocol : ''))
      throw new UsageError(`${address} is no address; name one such as http://127.0.0.1:8080.`);
    const token = options.token ?? env['SOLOPO_TOKEN'];
    return new ApiClient(address, { signal: this.signal, ...(token ? { token } : {}) });
  }

  /** What came of a command: for people, or the value itself with `--json`. */
  async print({ json }: CommonOptions, value: unknown, text: () => string): Promise<void> {
    const shown = json ? JSON.stringify(value, null, 2) : text();
    if (shown !== '') await this.terminal.write(`${shown}\n`);
  }
}
