import { SolopoError } from '@solopo/contracts';
import type { Prompt, Sample, SamplingOptions } from '@solopo/lm';
import { idsOf, logpsOf, type Choice } from './completion.ts';

/** The run's tokenizer. */
export interface AnswerText {
  encode(text: string): Int32Array;
  decode(ids: ArrayLike<number>, options: { readonly skipSpecial: boolean }): string;
}

interface Asked {
  readonly prompt: Prompt;
  readonly options: SamplingOptions;
  readonly text: AnswerText;
  readonly url: string;
}

export interface ReadAnswer {
  readonly sample: Sample;
  /** Its ids are those of its text. */
  readonly isRetokenised: boolean;
  readonly hasLogps: boolean;
}

/** What an incomplete character becomes; servers hold some back, and others write them. */
const REPLACEMENT = '\ufffd';

/** An answer as the ledger has it, once it is shown to be one of the run's model to what was asked. */
export function readAnswer(choice: Choice, asked: Asked): ReadAnswer {
  const { options, text } = asked;
  const given = idsOf(choice);
  const ids = given ?? [...text.encode(choice.text)];
  const finish = finishOf(choice, given, asked);
  if (given) demandOwnTokens(given, choice.text, asked);
  const logps = logpsOf(choice);
  const end = ids.at(-1);
  const hasEnd = finish === 'stop' && end !== undefined && options.eosIds.includes(end);
  return {
    sample: {
      tokens: Int32Array.from(hasEnd ? ids.slice(0, -1) : ids),
      finish,
      logp: options.temperature === 0 || !logps ? 0 : logps.reduce((sum, logp) => sum + logp, 0),
    },
    isRetokenised: given === undefined,
    hasLogps: options.temperature === 0 || logps !== undefined,
  };
}

function finishOf(
  { finish_reason: reason }: Choice,
  ids: readonly number[] | undefined,
  asked: Asked,
): Sample['finish'] {
  const { prompt, options, url } = asked;
  if (reason === 'stop') return 'stop';
  if (reason !== 'length')
    throw new SolopoError(
      'sampler-failed',
      `${url} ended an answer by ${reason ?? 'nothing'}; look at the server's log, then retry the job.`,
    );
  if (ids === undefined || ids.length >= options.maxNewTokens) return 'length';
  throw new SolopoError(
    'sampler-mismatch',
    `${url} cut an answer after ${ids.length} of ${options.maxNewTokens} tokens behind a prompt of ${prompt.tokens.length}: its context is too short; start it with a longer one, then retry the job.`,
  );
}

/** Ids that are another vocabulary's do not have the text that the server gives with them. */
function demandOwnTokens(ids: readonly number[], told: string, { text, url }: Asked): void {
  const own = text.decode(ids, { skipSpecial: true });
  if (own.includes(REPLACEMENT) || bare(own) === bare(told)) return;
  throw new SolopoError(
    'sampler-mismatch',
    `${url} says "${shown(told)}" where its tokens are "${shown(own)}" to the run's tokenizer; have it serve the run's model with the run's tokenizer, then retry the job.`,
  );
}

/** Servers put spaces around some tokens, or take them away. */
const bare = (text: string): string => text.replace(/\s+/g, '');
const shown = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
