import { SolopoError } from '@solopo/contracts';
import type { Prompt, Sample, SamplingOptions } from '@solopo/lm';
import { Random } from '@solopo/random';
import { serveAdapter, type PolicyAdapter } from './adapter.ts';
import { parseCompletion, type Choice } from './completion.ts';
import { readAnswer, type AnswerText } from './read-answer.ts';
import { ServerClient } from './server.client.ts';
import { describeServer, type ServerInfo } from './server-info.ts';
import type { SamplerSettings } from './settings.ts';
import { Window } from './window.ts';

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface SampleLimits extends AskOptions {
  /** After so long no further prompt is begun. Default: all are. */
  readonly sliceMs?: number | undefined;
  /** Told as answers come, with how many of the first prompts have theirs. */
  readonly onAnswered?: ((prompts: number) => void) | undefined;
}

export interface ServedAnswers {
  /** Of the first prompts alone where the time was over, or the server no longer answered. */
  readonly samples: Sample[][];
  /** Answers whose ids were made from text, which may be others than were drawn. */
  readonly retokenised: number;
  /** Answers that the server gave no log-probabilities of. */
  readonly withoutLogps: number;
}

/** How answers came to be, as the ledger names it beside the engines' fingerprints. */
export function samplerFingerprint(
  { software, model: { id, root } }: ServerInfo,
  { adapter, isChecked, isRetokenised, hasLogps }: SamplerFacts,
): string {
  return [
    `server ${software}`,
    `model ${id}${root === null || root === id ? '' : ` (${root})`}`,
    ...(adapter === null ? [] : [`adapter ${adapter.name} of ${adapter.policy}`]),
    isChecked ? "log-probabilities held to the engine's" : 'not checked',
    ...(isRetokenised ? ['answers tokenised again'] : []),
    ...(hasLogps ? [] : ['no log-probabilities']),
  ].join('; ');
}

export interface SamplerFacts {
  readonly adapter: { readonly name: string; readonly policy: string } | null;
  /** Whether the server's log-probabilities were compared with the engine's. */
  readonly isChecked: boolean;
  readonly isRetokenised: boolean;
  readonly hasLogps: boolean;
}

/** Values that leave the model's distribution as it is: servers have defaults of their own, and those of the model's generation_config.json. */
const AS_IT_IS = {
  top_k: -1,
  min_p: 0,
  repetition_penalty: 1,
  repeat_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
} as const;

/** One OpenAI-compatible server. Prompts go as token ids, so that no template and no tokenizer but ours makes them. */
export class SamplingServer {
  readonly #client: ServerClient;
  readonly #window: Window;
  /** Whether `n` gives as many answers: found out with the first answer. */
  #answersTogether = true;

  constructor(readonly settings: SamplerSettings) {
    this.#client = new ServerClient(settings);
    this.#window = new Window(settings.concurrency);
  }

  get url(): string {
    return this.settings.url;
  }

  /** @param model by the server's name; its only one when undefined */
  describe(model: string | undefined, { signal }: AskOptions = {}): Promise<ServerInfo> {
    return describeServer(this.#client, model, signal);
  }

  /** Has the server load the adapter, unless it has. Returns the server's name for it. */
  serve(adapter: PolicyAdapter, info: ServerInfo, { signal }: AskOptions = {}): Promise<string> {
    return serveAdapter(this.#client, adapter, info, signal);
  }

  /**
   * @param name of the model or the adapter
   * @returns for each of the first prompts `samplesPerPrompt` answers; not of all where the time was over or the server gave up meanwhile
   * @throws SolopoError `sampler-failed`, `sampler-refused` or `sampler-mismatch` where the first prompt has no answer
   */
  async sample(
    info: ServerInfo,
    name: string,
    text: AnswerText,
    prompts: readonly Prompt[],
    options: SamplingOptions,
    { signal, sliceMs = Infinity, onAnswered }: SampleLimits = {},
  ): Promise<ServedAnswers> {
    demandRoom(this.url, info, prompts, options);
    const read = (prompt: Prompt, choice: Choice) => readAnswer(choice, { prompt, options, text, url: this.url });
    const answers: (ReturnType<typeof read>[] | undefined)[] = [];
    const began = performance.now();
    const stopped = new AbortController();
    const both = signal ? AbortSignal.any([signal, stopped.signal]) : stopped.signal;
    let failure: unknown;
    let answered = 0;
    const answer = async (prompt: Prompt, index: number): Promise<void> => {
      try {
        const choices = await this.#choices(name, prompt, options, both);
        answers[index] = choices.map((choice) => read(prompt, choice));
        while (answers[answered] !== undefined) answered += 1;
        onAnswered?.(answered);
      } catch (error) {
        failure ??= error;
        // What passes may have let others through; what does not, concerns them all.
        if (!SolopoError.from(error).retryable) stopped.abort(error);
      }
    };
    const underWay: Promise<void>[] = [];
    for (const [index, prompt] of prompts.entries()) {
      await this.#window.room();
      if (failure !== undefined || (index > 0 && performance.now() - began >= sliceMs)) break;
      signal?.throwIfAborted();
      underWay.push(this.#window.run(() => answer(prompt, index)));
    }
    await Promise.all(underWay);
    signal?.throwIfAborted();
    const whole = answers.slice(0, answered) as ReturnType<typeof read>[][];
    // The rest is the next job's, which meets what is wrong by itself.
    if (failure !== undefined && (whole.length === 0 || !SolopoError.from(failure).retryable)) throw failure as Error;
    const all = whole.flat();
    return {
      samples: whole.map((each) => each.map(({ sample }) => sample)),
      retokenised: all.filter(({ isRetokenised }) => isRetokenised).length,
      withoutLogps: all.filter(({ hasLogps }) => !hasLogps).length,
    };
  }

  /**
   * The log-probability of each token but the first, by the server's model or adapter of that name.
   *
   * @returns undefined where the server scores no prompts, as others than vLLM
   */
  async logps(name: string, tokens: Int32Array, { signal }: AskOptions = {}): Promise<Float64Array | undefined> {
    const body = { model: name, prompt: [...tokens], max_tokens: 1, temperature: 0, prompt_logprobs: 0 };
    const reply = await this.#client.request('/v1/completions', body, {
      signal,
      onOverload: () => this.#window.shrink(),
    });
    const [choice] = parseCompletion(this.url, reply.body).choices;
    const given = choice?.prompt_logprobs;
    if (!given) return undefined;
    const logps = [...tokens.subarray(1)].map((token, i) => given[i + 1]?.[token]?.logprob);
    if (given.length === tokens.length && logps.every((logp) => logp !== undefined)) return Float64Array.from(logps);
    throw new SolopoError(
      'sampler-mismatch',
      `${this.url} scores other tokens than it was given; have it serve the run's model with the run's tokenizer, then retry the job.`,
    );
  }

  close(): void {
    this.#client.close();
  }

  /** As many as are asked for: in one request where the server can, otherwise one by one. */
  async #choices(
    name: string,
    prompt: Prompt,
    options: SamplingOptions,
    signal: AbortSignal,
  ): Promise<readonly Choice[]> {
    const { samplesPerPrompt, temperature } = options;
    if (temperature === 0) {
      const [greedy] = await this.#complete(name, prompt, options, { n: 1, from: 0, signal });
      return Array.from({ length: samplesPerPrompt }, () => greedy as Choice);
    }
    const choices = this.#answersTogether
      ? [...(await this.#complete(name, prompt, options, { n: samplesPerPrompt, from: 0, signal }))]
      : [];
    if (choices.length < samplesPerPrompt) this.#answersTogether = false;
    while (choices.length < samplesPerPrompt)
      choices.push(...(await this.#complete(name, prompt, options, { n: 1, from: choices.length, signal })));
    return choices.slice(0, samplesPerPrompt);
  }

  async #complete(
    name: string,
    prompt: Prompt,
    { temperature, topP, maxNewTokens, eosIds, seed }: SamplingOptions,
    { n, from, signal }: { readonly n: number; readonly from: number; readonly signal: AbortSignal },
  ): Promise<readonly Choice[]> {
    const body = {
      model: name,
      prompt: [...prompt.tokens],
      n,
      temperature,
      top_p: topP,
      max_tokens: maxNewTokens,
      seed: seedOf(seed, prompt.key, from),
      stop_token_ids: eosIds,
      ...AS_IT_IS,
      logprobs: 1,
      return_token_ids: true,
      return_tokens_as_token_ids: true,
    };
    const reply = await this.#client.request('/v1/completions', body, {
      signal,
      onOverload: () => this.#window.shrink(),
    });
    const { choices, usage } = parseCompletion(this.url, reply.body);
    const ran = choices[0]?.prompt_token_ids ?? undefined;
    const count = ran?.length ?? usage?.prompt_tokens ?? prompt.tokens.length;
    if (count !== prompt.tokens.length || ran?.some((id, place) => id !== prompt.tokens[place]) === true)
      throw new SolopoError(
        'sampler-mismatch',
        `${this.url} ran another prompt of ${count} tokens where one of ${prompt.tokens.length} was sent; have it take token ids as they are, then retry the job.`,
      );
    return choices;
  }
}

/** In 31 bits, which every server takes. Answers to one prompt have seeds that follow each other (vLLM) or are drawn anew. */
function seedOf(seed: number, key: readonly [number, number], index: number): number {
  return new Random('sampling-server', seed, ...key, index).uint32() >>> 1;
}

function demandRoom(
  url: string,
  { contextLength, vocabularySize }: ServerInfo,
  prompts: readonly Prompt[],
  { maxNewTokens }: SamplingOptions,
): void {
  const longest = Math.max(0, ...prompts.map(({ tokens }) => tokens.length));
  if (contextLength !== null && longest + maxNewTokens > contextLength)
    throw new SolopoError(
      'sampler-mismatch',
      `${url} has a context of ${contextLength} tokens, and a prompt of ${longest} with ${maxNewTokens} new ones is longer; start it with a longer one (--max-model-len of vLLM, --ctx-size of llama.cpp), then retry the job.`,
    );
  const largest = prompts.reduce((most, { tokens }) => tokens.reduce((a, b) => Math.max(a, b), most), 0);
  if (vocabularySize !== null && largest >= vocabularySize)
    throw new SolopoError(
      'sampler-mismatch',
      `${url} has a vocabulary of ${vocabularySize} tokens, and a prompt has the id ${largest}; have it serve the run's model, then retry the job.`,
    );
}
