import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a test leaves behind when it dies: removed by a watcher that outlives even a kill -9 of the test process. */
export interface Scratch {
  readonly folder: string;
  /** A process to be ended before the folder goes. */
  watch(pid: number): void;
  /** A folder in it that is a disk of its own from now on, to be given back before the folder goes. */
  mounts(path: string): void;
  /** Nothing is watched any more: call it when the watched processes have ended, for their ids may be given to others. */
  forget(): void;
  /** Ends what is watched and removes the folder now. */
  remove(): Promise<void>;
}

const WATCHER = `
pids='' mounts=''
while read -r word what; do
  case $word in watch) pids="$pids $what" ;; forget) pids='' ;; mounts) mounts="$mounts $what" ;; esac
done
if [ -n "$pids" ]; then kill -9 $pids 2>/dev/null; fi
for path in $mounts; do umount -l "$path"; done
for attempt in 1 2 3 4 5; do rm -rf "$0" 2>/dev/null && break; sleep 0.2; done
`;

/** A new temporary folder. The watcher reads process ids from a pipe that closes with the test process. */
export function scratch(name: string): Scratch {
  const folder = mkdtempSync(join(tmpdir(), `solopo-${name}-`));
  const watcher = spawn('/bin/sh', ['-c', WATCHER, folder], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.unref();
  const gone = new Promise<void>((resolve) => watcher.once('exit', () => resolve()));
  return {
    folder,
    watch: (pid) => void watcher.stdin.write(`watch ${pid}\n`),
    mounts: (path) => void watcher.stdin.write(`mounts ${path}\n`),
    forget: () => void watcher.stdin.write('forget\n'),
    remove: async () => {
      watcher.ref();
      watcher.stdin.end();
      await gone;
    },
  };
}
