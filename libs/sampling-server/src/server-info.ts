import { SolopoError } from '@solopo/contracts';
import { z } from 'zod';
import type { ServerClient } from './server.client.ts';

const modelsSchema = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      owned_by: z.string().nullish(),
      /** vLLM: what a name stands for, and the model under an adapter. */
      root: z.string().nullish(),
      parent: z.string().nullish(),
      max_model_len: z.number().nullish(),
      /** llama.cpp. */
      meta: z.object({ n_vocab: z.number().nullish() }).nullish(),
    }),
  ),
});

export interface ServedModel {
  readonly id: string;
  /** Where the server has it from. */
  readonly root: string | null;
  /** Of an adapter: the model that it is on. */
  readonly parent: string | null;
}

/** What a server says of itself and of one of its models. */
export interface ServerInfo {
  /** `vllm 0.32.0`. */
  readonly software: string;
  readonly model: ServedModel;
  /** All that it serves. */
  readonly models: readonly ServedModel[];
  /** Tokens that a prompt and its answer may have; null where it does not say. */
  readonly contextLength: number | null;
  /** Rows of its vocabulary; null where it does not say. */
  readonly vocabularySize: number | null;
}

/**
 * @param name the model by the server's name; the only one that is no adapter when undefined
 * @throws SolopoError `sampler-mismatch` where there is no such model
 */
export async function describeServer(
  client: ServerClient,
  name: string | undefined,
  signal?: AbortSignal,
): Promise<ServerInfo> {
  const { url } = client.settings;
  const { body } = await client.request('/v1/models', undefined, { signal });
  const parsed = modelsSchema.safeParse(body);
  if (!parsed.success)
    throw new SolopoError(
      'sampler-mismatch',
      `${url}/v1/models is not what an OpenAI-compatible server answers; correct sampler.url.`,
    );
  const listed = parsed.data.data;
  const bases = listed.filter(({ parent }) => (parent ?? null) === null);
  const [model, ...others] = name === undefined ? bases : listed.filter(({ id }) => id === name);
  const known = listed.map(({ id }) => id).join(', ') || 'none';
  if (!model)
    throw new SolopoError(
      'sampler-mismatch',
      `${url} serves ${known}, not ${name ?? 'a model'}; correct sampler.model, or serve the run's model under this name.`,
    );
  if (others.length > 0)
    throw new SolopoError(
      'sampler-mismatch',
      `${url} serves several models (${known}); name the run's in sampler.model.`,
    );
  const { software, contextLength } = await describeSoftware(client, model.owned_by ?? '', signal);
  return {
    software,
    model: servedModel(model),
    models: listed.map(servedModel),
    contextLength: model.max_model_len ?? contextLength,
    vocabularySize: model.meta?.n_vocab ?? null,
  };
}

function servedModel({ id, root, parent }: z.infer<typeof modelsSchema>['data'][number]): ServedModel {
  return { id, root: root ?? null, parent: parent ?? null };
}

const versionSchema = z.object({ version: z.string() });
const propertiesSchema = z.object({
  build_info: z.string(),
  default_generation_settings: z.object({ n_ctx: z.number() }).nullish(),
});

/** Servers tell their versions in ways of their own; what tells none is named by what its models are owned by. */
async function describeSoftware(
  client: ServerClient,
  owner: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly software: string; readonly contextLength: number | null }> {
  const ask = async (path: string): Promise<unknown> => {
    const { status, body } = await client.request(path, undefined, { signal, expects: [401, 403, 404, 405, 501] });
    return status === 200 ? body : undefined;
  };
  const vllm = versionSchema.safeParse(await ask('/version'));
  if (vllm.success) return { software: `vllm ${vllm.data.version}`, contextLength: null };
  const llama = propertiesSchema.safeParse(await ask('/props'));
  if (llama.success)
    return {
      software: `llama.cpp ${llama.data.build_info}`,
      contextLength: llama.data.default_generation_settings?.n_ctx ?? null,
    };
  const sglang = versionSchema.safeParse(await ask('/get_server_info'));
  if (sglang.success) return { software: `sglang ${sglang.data.version}`, contextLength: null };
  return { software: owner === '' ? 'unknown' : `${owner} of unknown version`, contextLength: null };
}
