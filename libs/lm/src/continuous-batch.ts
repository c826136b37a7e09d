import { extend, Stream, type Prompt, type Sample, type SamplingOptions } from './answer-stream.ts';
import { Decoder } from './decoder.ts';
import { cacheBytesPerToken, KeyValueCache, roundPlaces } from './key-value-cache.ts';
import type { LanguageModel } from './language-model.ts';

/** Answers that go through a model together at most: with more, products gain nothing. */
const MAX_ANSWERS = 64;

/** What keys and values may take, by default. */
const CACHE_BYTES = 2 ** 30;

export interface BatchLimits {
  /** What keys and values of the prompts and answers under way may take. Changes memory and speed, no number. Default 2^30. */
  readonly cacheBytes?: number | undefined;
  /**
   * After about so long no further prompt is begun: as soon as what is under way and one more would, at the rates seen so far, take
   * longer. Default: all are.
   */
  readonly sliceMs?: number | undefined;
  /** Told after every prompt whose answers have ended, with how many have. */
  readonly onAnswered?: ((prompts: number) => void) | undefined;
}

/** A prompt and its answers, as long as one of them goes on. */
interface Group {
  readonly prompt: number;
  readonly promptLength: number;
  /** Tokens of each answer that have keys and values. */
  answered: number;
  readonly streams: readonly Stream[];
}

/**
 * Answers on the processor: as soon as all answers to a prompt have ended, the next one takes their place. An answer's bits do not
 * depend on what goes on beside it.
 *
 * @returns of the first prompts, in their order; all of them unless the time was over
 */
export async function answerContinuously(
  model: LanguageModel,
  prompts: readonly Prompt[],
  options: SamplingOptions,
  { cacheBytes = CACHE_BYTES, sliceMs = Infinity, onAnswered }: BatchLimits,
): Promise<Sample[][]> {
  const { samplesPerPrompt: n, maxNewTokens } = options;
  const { config, runtime } = model;
  const decoder = await model.decoder();
  const longest = Math.max(0, ...prompts.map(({ tokens }) => tokens.length));
  const bytes = cacheBytesPerToken(config) * (roundPlaces(longest) + n * roundPlaces(1));
  const most = Math.min(Math.floor(cacheBytes / bytes), Math.floor(MAX_ANSWERS / n), prompts.length);
  const cache = new KeyValueCache(config, Math.max(n === 1 ? 2 : 1, most), n, longest);
  const pace = new AnswerPace(sliceMs, maxNewTokens);
  const all: Stream[][] = [];
  const groups: Group[] = [];
  let ended = 0;

  const leave = (group: Group): boolean => {
    const { streams, answered } = group;
    if (streams.some(({ open }) => open) && answered + 1 < maxNewTokens) return false;
    onAnswered?.((ended += 1));
    return true;
  };

  const begin = async (count: number): Promise<void> => {
    const first = all.length;
    const begun = prompts.slice(first, first + count);
    await runtime.scoped(async (scope) => {
      const { hidden, lastRows, store } = await decoder.prefill(
        scope,
        begun.map(({ tokens }) => tokens),
      );
      const streams = begun.map((prompt) => Array.from({ length: n }, (_, index) => new Stream(prompt, index)));
      all.push(...streams);
      const places = lastRows.flatMap((row) => new Array<number>(n).fill(row));
      // The first token of every answer comes from its prompt's last hidden state.
      await extend(model, streams.flat(), hidden, places, options);
      for (const [row, { tokens }] of begun.entries()) {
        const group = { prompt: first + row, promptLength: tokens.length, answered: 0, streams: streams[row] ?? [] };
        if (leave(group)) continue;
        store(cache, row, groups.length);
        groups.push(group);
      }
    });
  };

  const step = async (): Promise<void> => {
    const answers = groups.flatMap(({ streams }, group) =>
      streams.flatMap((stream, answer) => (stream.open ? [{ stream, token: stream.last, group, answer }] : [])),
    );
    await runtime.scoped(async (scope) => {
      const hidden = await decoder.step(scope, groups, answers, cache);
      for (const group of groups) group.answered += 1;
      const places = answers.map((_, row) => row);
      await extend(
        model,
        answers.map(({ stream }) => stream),
        hidden,
        places,
        options,
      );
    });
    for (let i = groups.length - 1; i >= 0; i--) {
      if (!leave(groups[i] as Group)) continue;
      const last = groups.pop() as Group;
      if (i === groups.length) continue;
      cache.move(groups.length, i);
      groups[i] = last;
    }
  };

  while (groups.length > 0 || all.length < prompts.length) {
    const waiting = prompts.slice(all.length, all.length + cache.groups - groups.length);
    const lengths = waiting.map(({ tokens }) => tokens.length);
    const count = Math.min(waiting.length, Decoder.together(lengths));
    const tokens = lengths.slice(0, count).reduce((sum, length) => sum + length, 0);
    if (count > 0 && (all.length === 0 || pace.hasTimeFor(tokens))) await pace.ofPrompts(tokens, () => begin(count));
    else if (groups.length === 0) break;
    if (groups.length > 0) await pace.ofStep(step);
  }
  return all.map((streams) => streams.map((stream) => stream.sample()));
}

/** How long prompts and steps take, as measured, and whether there is time for more. */
class AnswerPace {
  readonly #began = performance.now();
  #promptMs = 0;
  #promptTokens = 0;
  #stepMs = 0;

  constructor(
    private readonly sliceMs: number,
    private readonly stepsPerAnswer: number,
  ) {}

  /** For a prompt of so many tokens and its answers, beside which those under way end. */
  hasTimeFor(tokens: number): boolean {
    if (this.sliceMs === Infinity) return true;
    const perToken = this.#promptTokens === 0 ? 0 : this.#promptMs / this.#promptTokens;
    return performance.now() - this.#began + perToken * tokens + this.#stepMs * this.stepsPerAnswer < this.sliceMs;
  }

  async ofPrompts(tokens: number, work: () => Promise<void>): Promise<void> {
    const started = performance.now();
    await work();
    this.#promptMs += performance.now() - started;
    this.#promptTokens += tokens;
  }

  async ofStep(work: () => Promise<void>): Promise<void> {
    const started = performance.now();
    await work();
    const ms = performance.now() - started;
    this.#stepMs = this.#stepMs === 0 ? ms : 0.9 * this.#stepMs + 0.1 * ms;
  }
}
