import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PLACES = [
  '/usr/lib/*/faketime/libfaketimeMT.so.1',
  '/usr/lib/faketime/libfaketimeMT.so.1',
  fileURLToPath(new URL('../../../../.solopo/faketime/**/libfaketimeMT.so.1', import.meta.url)),
];

/** The time of day that processes see, each its own: by libfaketime, which Debian's package of that name has. */
export class Clocks {
  readonly #library = process.env['SOLOPO_FAKETIME'] ?? PLACES.flatMap((place) => globSync(place))[0];

  constructor(private readonly folder: string) {}

  get why(): string | undefined {
    return this.#library === undefined
      ? 'no libfaketime (Debian: libfaketime; or name its file in SOLOPO_FAKETIME)'
      : undefined;
  }

  /** For a process that is to see it. */
  settings(name: string): Readonly<Record<string, string>> {
    if (this.#library === undefined) return {};
    this.jump(name, 0);
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file(name),
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_RESET: '1',
    };
  }

  /** So far from the machine's, within a second. */
  jump(name: string, seconds: number): void {
    writeFileSync(this.#file(name), `${seconds < 0 ? '' : '+'}${seconds}\n`);
  }

  #file(name: string): string {
    return join(this.folder, `${name}.clock`);
  }
}
