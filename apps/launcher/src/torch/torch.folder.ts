import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../service.plan.ts';

/** What was found to work when it was set up. */
export interface TorchRecord {
  readonly python: string;
  readonly fingerprint: string;
}

/** Where the torch engine is: beside the data folders, for all of them, or in one of its own. */
export function torchFolder(data: string | undefined): string {
  return join(data ?? join(ROOT, '.solopo'), 'engines', 'torch');
}

const recordIn = (folder: string): string => join(folder, 'installed.json');

/** Written last: without it the folder is a beginning, to be gone on with. */
export function writeRecord(folder: string, record: TorchRecord): void {
  const draft = `${recordIn(folder)}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(draft, recordIn(folder));
}

export function readRecord(folder: string): TorchRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordIn(folder), 'utf8')) as TorchRecord;
  } catch {
    return undefined;
  }
}

/** The Python of the torch engine for the system in a data folder: the named one, the folder's own, or the common one. */
export function installedTorch(dataDir: string | undefined, env = process.env): string | undefined {
  const folders = dataDir === undefined ? [torchFolder(undefined)] : [torchFolder(dataDir), torchFolder(undefined)];
  return env['SOLOPO_TORCH_PYTHON'] || folders.map(readRecord).find((record) => record !== undefined)?.python;
}
