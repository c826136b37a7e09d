import { samplerUrlSchema, SolopoError } from '@solopo/contracts';
import { z } from 'zod';

/** A server that workers may ask, as whoever runs them says it. */
export const samplerSettingsSchema = z.strictObject({
  url: samplerUrlSchema,
  /** A file with the key that the server asks for (a mounted secret). Read again when the server says that it is not right. */
  keyFile: z.string().min(1).optional(),
  /** Or the environment variable that it is in. */
  keyVariable: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
    .optional(),
  /** Prompts under way at a time, at most: fewer while the server says that it has too much. */
  concurrency: z.int().min(1).max(1024).default(16),
  /** For all answers to one prompt. */
  answerSeconds: z.number().gt(0).max(3600).default(300),
  /** How long a request is tried again that the server does not take. */
  patienceSeconds: z.number().min(0).max(600).default(60),
  /** Where adapters are put for the server: a folder that it reads too. `there` is its path as the server sees it, if that is another. */
  adapters: z.strictObject({ folder: z.string().min(1), there: z.string().min(1).optional() }).optional(),
});

export type SamplerSettings = z.infer<typeof samplerSettingsSchema>;

/** As JSON in the environment: `[{"url":"http://vllm:8000"}]`. */
export const samplersSchema = z
  .array(samplerSettingsSchema)
  .refine((servers) => new Set(servers.map(({ url }) => url)).size === servers.length, {
    error: 'names a server twice',
  });

/** @throws SolopoError `config-invalid` for one that is not among them: nothing else is ever asked */
export function settingsOf(servers: readonly SamplerSettings[], url: string): SamplerSettings {
  const settings = servers.find((server) => server.url === url);
  if (settings) return settings;
  const known = servers.map((server) => server.url).join(', ') || 'none';
  throw new SolopoError(
    'config-invalid',
    `sampler.url is ${url}, which is not one of the servers that this system may ask (SOLOPO_SAMPLERS: ${known}); name one of them, or have it added.`,
  );
}
