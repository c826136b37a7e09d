import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { unpackDebian } from './debian.mjs';
import { ROOT } from './run.mjs';

const HOME = join(ROOT, '.solopo', 'pgbouncer');

/** For tests, which are skipped without: the system's, or Debian's package with the one library that few systems have. */
export function fetchPgBouncer() {
  if ([join(HOME, 'usr', 'sbin'), '/usr/sbin'].some((folder) => existsSync(join(folder, 'pgbouncer')))) return;
  if (!unpackDebian(['pgbouncer', 'libc-ares2'], HOME))
    console.error('PgBouncer could not be fetched; its tests are skipped.');
}
