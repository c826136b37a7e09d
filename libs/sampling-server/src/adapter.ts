import { copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, SolopoError } from '@solopo/contracts';
import { formatAdapterConfig, modulesInFile } from '@solopo/lm/model-folder';
import type { ServerClient } from './server.client.ts';
import type { ServerInfo } from './server-info.ts';

/** A policy version as a LoRA adapter on the server's model. */
export interface PolicyAdapter {
  /** Digest of the model that it is on. */
  readonly model: string;
  /** Digest of its weights. */
  readonly policy: string;
  /** PEFT's safetensors file. */
  readonly weights: string;
  readonly options: { readonly rank: number; readonly alpha: number; readonly rsLora: boolean };
}

/**
 * The server's name for an adapter: of the digest of all that decides its numbers, so that one name never stands for two. vLLM keeps keys and
 * values of a prefix by the adapter's name and path, and goes on with them when other weights are loaded under the same ones.
 */
export function adapterName({ model, policy, options: { rank, alpha, rsLora } }: PolicyAdapter): string {
  return `solopo-${digestOf({ model, policy, rank, alpha, rsLora }).slice(0, 32)}`;
}

/** @throws SolopoError `sampler-refused` where the server cannot load it, with what to do */
export async function serveAdapter(
  client: ServerClient,
  adapter: PolicyAdapter,
  { models, model }: ServerInfo,
  signal?: AbortSignal,
): Promise<string> {
  const name = adapterName(adapter);
  const { url, adapters } = client.settings;
  const served = models.find(({ id }) => id === name);
  if (served) {
    if (served.parent === null || served.parent === model.id) return name;
    throw new SolopoError(
      'sampler-mismatch',
      `${url} has ${name} on ${served.parent}, not on ${model.id}; correct sampler.model.`,
    );
  }
  if (adapters === undefined)
    throw new SolopoError(
      'sampler-refused',
      `${url} has no adapter ${name}, and no folder is named where it could be put for the server; set adapters.folder in SOLOPO_SAMPLERS, then retry the job.`,
    );
  await writeAdapter(join(adapters.folder, name), adapter);
  const path = `${(adapters.there ?? adapters.folder).replace(/\/+$/, '')}/${name}`;
  const { status, body } = await client.request(
    '/v1/load_lora_adapter',
    { lora_name: name, lora_path: path },
    { signal, expects: [400, 404, 405, 500, 501] },
  );
  const said = typeof body === 'string' ? body : JSON.stringify(body);
  // Another worker was first.
  if (status === 200 || (status === 400 && said.includes('already been loaded'))) return name;
  const [what, next] = reasonOf(status, said, path);
  throw new SolopoError(
    'sampler-refused',
    `${url} did not load the adapter ${name}: ${what}; ${next}, then retry the job.`,
  );
}

function reasonOf(status: number, said: string, path: string): readonly [what: string, next: string] {
  const told = `${status}: ${said.slice(0, 400)}`;
  const isNotFound = said.includes('No adapter found') || said.includes('No such file') || said.includes(path);
  if ((status === 404 || status === 405 || status === 501) && !isNotFound)
    return [
      `it has no /v1/load_lora_adapter (${status})`,
      'start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True where nobody else reaches it, or with --lora-modules and this name',
    ];
  if (/max_lora_rank/.test(said)) return [told, "start vLLM with a --max-lora-rank of the adapter's rank"];
  if (isNotFound)
    return [told, `let the server read ${path}, or set adapters.there in SOLOPO_SAMPLERS to where it sees the folder`];
  return [told, "look at the server's log"];
}

/** A folder as PEFT writes it. Made aside and moved into place: another worker may be making the same. */
export async function writeAdapter(folder: string, { model, weights, options }: PolicyAdapter): Promise<void> {
  if (await exists(folder)) return;
  const draft = `${folder}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    await mkdir(draft, { recursive: true });
    await copyFile(weights, join(draft, 'adapter_model.safetensors'));
    const config = formatAdapterConfig({ ...options, targets: modulesInFile(weights) }, model);
    await writeFile(join(draft, 'adapter_config.json'), `${JSON.stringify(config, null, 2)}\n`);
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (await exists(folder)) return;
    throw new SolopoError(
      'sampler-refused',
      `the adapter could not be put in ${folder} (${(error as NodeJS.ErrnoException).code ?? String(error)}); make the folder of adapters writable, with room, then retry the job.`,
      {
        cause: error,
      },
    );
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
