import { STATEMENT_FILE } from '@solopo/contracts';
import type { ApiClient } from '../client/api.client.ts';
import type { PolicyManifest } from '../client/api.views.ts';
import { download } from './download.ts';
import { withDraftFolder } from './draft-folder.ts';
import { stateMerged } from './state-merged.ts';

export interface ExportOptions {
  readonly out: string;
  /** The latest when undefined. */
  readonly step: number | undefined;
  readonly merge: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Exported {
  readonly run: string;
  readonly step: number;
  readonly kind: PolicyManifest['kind'];
  readonly merged: boolean;
  readonly folder: string;
  readonly files: readonly string[];
  /** What using it would suffer from, each with what to do. */
  readonly warnings: readonly string[];
}

/** A policy version as a folder that other tools load. */
export async function exportPolicy(api: ApiClient, run: string, options: ExportOptions): Promise<Exported> {
  const { out, step, say, signal } = options;
  const manifest = await api.policy(run, step);
  const merged = options.merge && manifest.kind === 'adapter';
  const files = await withDraftFolder(out, async (folder) => {
    if (merged) {
      const { mergeIntoBase } = await import('./merge-into-base.ts');
      const own = manifest.files.filter(({ name }) => name !== STATEMENT_FILE);
      const names = await mergeIntoBase(api, { ...manifest, files: own }, folder, { say, signal });
      return (await stateMerged(api, manifest, folder, names, say)) ? [...names, STATEMENT_FILE].sort() : names;
    }
    for (const file of manifest.files) {
      say(file.name);
      await download(api, file, folder, signal);
    }
    return manifest.files.map(({ name }) => name);
  });
  const { warnings } = manifest;
  for (const warning of warnings) say(`warning: ${warning}`);
  return {
    run: manifest.run,
    step: manifest.step,
    kind: merged ? 'model' : manifest.kind,
    merged,
    folder: out,
    files,
    warnings,
  };
}
