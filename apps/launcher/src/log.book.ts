import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';

export type LineWriter = (line: string) => void;

const COLOURS = [36, 35, 33, 32, 34, 31] as const;
const NAME_WIDTH = 10;

/** One file for each service, made anew at every start; on the terminal too when `echo` is given. */
export class LogBook {
  readonly folder: string;
  readonly #files = new Map<string, WriteStream>();

  constructor(
    dataDir: string,
    private readonly echo?: LineWriter,
  ) {
    this.folder = join(dataDir, 'logs');
    mkdirSync(this.folder, { recursive: true });
  }

  path(name: string): string {
    return join(this.folder, `${name}.log`);
  }

  writer(name: string): LineWriter {
    const file = this.#file(name);
    const prefix = this.#prefix(name);
    return (line) => {
      file.write(`${line}\n`);
      this.echo?.(`${prefix}${readable(line)}`);
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => new Promise<void>((resolve) => file.end(resolve))));
  }

  #file(name: string): WriteStream {
    const open = this.#files.get(name);
    if (open !== undefined) return open;
    const file = createWriteStream(this.path(name));
    this.#files.set(name, file);
    return file;
  }

  #prefix(name: string): string {
    const text = `${name.padEnd(NAME_WIDTH)} | `;
    if (!process.stdout.isTTY || process.env['NO_COLOR']) return text;
    const colour = COLOURS[[...this.#files.keys()].indexOf(name) % COLOURS.length];
    return `\u001b[${colour}m${text}\u001b[0m`;
  }
}

/** The services log JSON lines: on the terminal only their message, and the level when something is wrong. */
function readable(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    const { level, msg, err } = JSON.parse(line) as {
      level?: number | string;
      msg?: string;
      err?: { message?: string };
    };
    if (msg === undefined) return line;
    const loud =
      level === 'warn' || level === 'error' || level === 'fatal' || (typeof level === 'number' && level >= 40);
    return `${loud ? '! ' : ''}${msg}${err?.message === undefined || err.message === msg ? '' : `: ${err.message}`}`;
  } catch {
    return line;
  }
}
