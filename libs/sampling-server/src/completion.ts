import { SolopoError } from '@solopo/contracts';
import { z } from 'zod';

const TOKEN_ID = /^token_id:(\d+)$/;

const choiceSchema = z.object({
  text: z.string(),
  finish_reason: z.string().nullish(),
  /** vLLM, asked by `return_token_ids`. */
  token_ids: z.array(z.int().min(0)).nullish(),
  prompt_token_ids: z.array(z.int().min(0)).nullish(),
  logprobs: z
    .union([
      z.object({ tokens: z.array(z.string()), token_logprobs: z.array(z.number().nullable()) }),
      /** llama.cpp. */
      z.object({ content: z.array(z.object({ id: z.int().min(0), logprob: z.number() })) }),
    ])
    .nullish()
    // In a form of another's own: as if there were none.
    .catch(null),
  /** vLLM: of each token of the prompt but the first, the log-probability by token id. */
  prompt_logprobs: z.array(z.record(z.string(), z.object({ logprob: z.number() })).nullable()).nullish(),
});

const completionSchema = z.object({
  choices: z.array(choiceSchema).min(1),
  usage: z.object({ prompt_tokens: z.number().nullish() }).nullish(),
});

export type Choice = z.infer<typeof choiceSchema>;
export type Completion = z.infer<typeof completionSchema>;

export function parseCompletion(url: string, body: unknown): Completion {
  const parsed = completionSchema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new SolopoError(
    'sampler-mismatch',
    `${url}/v1/completions is not what an OpenAI-compatible server answers (${z.prettifyError(parsed.error).split('\n')[0] ?? ''}); correct sampler.url.`,
  );
}

/** An answer's token ids in whichever form the server gives them; undefined where it gives text alone. */
export function idsOf({ token_ids: ids, logprobs }: Choice): readonly number[] | undefined {
  if (ids) return ids;
  if (!logprobs) return undefined;
  if ('content' in logprobs) return logprobs.content.map(({ id }) => id);
  const written = logprobs.tokens.map((token) => TOKEN_ID.exec(token)?.[1]);
  return written.every((id) => id !== undefined) ? written.map(Number) : undefined;
}

/** The log-probability of each token of an answer, its end included; undefined where the server gives none. */
export function logpsOf({ logprobs }: Choice): readonly number[] | undefined {
  if (!logprobs) return undefined;
  const logps = 'content' in logprobs ? logprobs.content.map(({ logprob }) => logprob) : logprobs.token_logprobs;
  return logps.every((logp) => logp !== null) ? logps : undefined;
}
