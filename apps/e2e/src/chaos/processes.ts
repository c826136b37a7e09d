import { readdirSync, readFileSync } from 'node:fs';

export interface Process {
  readonly pid: number;
  readonly command: string;
}

/** Those with the setting in their environment; undefined on a platform that does not tell. */
export function processesWith(setting: string): readonly Process[] | undefined {
  if (process.platform !== 'linux') return undefined;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
    .flatMap((pid) => {
      const environment = read(pid, 'environ');
      if (environment?.split('\0').includes(setting) !== true) return [];
      return [{ pid, command: read(pid, 'cmdline')?.replaceAll('\0', ' ').trim() ?? '' }];
    });
}

/** Undefined for one that has ended, or is another's. */
function read(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}
