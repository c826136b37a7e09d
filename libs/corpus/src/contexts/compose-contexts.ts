import type { ContextsConfig, Example, PromptConfig } from '@solopo/contracts';
import type { TextModel } from '@solopo/text';
import { Random } from '@solopo/random';
import type { ComposedContext, Item } from './assemble.ts';
import { assemble } from './assemble.ts';
import type { DocumentPool } from './document-pool.ts';
import type { Stretch } from './pieces.ts';
import { encodeStretches, pieceOf, piecesOf } from './pieces.ts';
import { framePrompt } from './prompt.ts';

export interface ComposeOptions {
  readonly prompt: PromptConfig;
  readonly text: TextModel;
  readonly seed: number;
  /** Distractors from elsewhere, for when the example's own are used up. */
  readonly pool?: DocumentPool | undefined;
}

export const CONTEXT_REFUSALS = [
  /** No document is marked relevant. */
  'no-relevant-document',
  /** Neither the example nor the pool has enough distractors. */
  'too-few-documents',
  /** The relevant documents, with the short context's distractors, are more than asked for. */
  'short-exceeds-budget',
] as const;
export type ContextRefusal = (typeof CONTEXT_REFUSALS)[number];

export interface Refused {
  readonly refused: ContextRefusal;
}

export interface ContextPair {
  readonly short: ComposedContext;
  readonly long: ComposedContext;
}

/** Filling up to a number of tokens ends when so many documents did not fit. */
const MISSES = 4;
/** Distractors that are encoded at once when a context is filled. */
const AHEAD = 24;

/**
 * x_short and x_long of an example. x_short: the relevant documents and `short.distractors` distractors, shuffled.
 * x_long: the same documents and more distractors, shuffled anew, up to a number of documents, or to as many as fit into
 * a number of tokens of the whole prompt: never more, and less by at most a document while there are any left. Where
 * nothing is added x_long is x_short. Distractors come from the example in an order fixed by seed and example, then
 * from the pool. Documents are whole or not there; what cannot be made so is refused.
 */
export function composeContexts(
  example: Example,
  options: ComposeOptions & { readonly contexts: ContextsConfig },
): ContextPair | Refused {
  const { long, short } = options.contexts;
  const composer = new Composer(example, options);
  const refused = composer.take(short.distractors);
  if (refused) return refused;
  const shortContext = composer.compose('short');

  if ('documents' in long) {
    const missing = long.documents - composer.size;
    if (missing < 0) return { refused: 'short-exceeds-budget' };
    if (missing === 0) return { short: shortContext, long: shortContext };
    return composer.take(missing) ?? { short: shortContext, long: composer.compose('long') };
  }
  if (shortContext.tokens.length > long.maxTokens) return { refused: 'short-exceeds-budget' };
  return { short: shortContext, long: composer.fill(long.maxTokens) ?? shortContext };
}

/** The relevant documents among `documents` in all, shuffled. A shorter context's documents are all in a longer one. */
export function composeAt(example: Example, documents: number, options: ComposeOptions): ComposedContext | Refused {
  const composer = new Composer(example, options);
  const missing = documents - composer.size;
  if (missing < 0) return { refused: 'short-exceeds-budget' };
  return composer.take(missing) ?? composer.compose(`at ${documents}`);
}

/**
 * Where the relevant documents stand in the order of `composeAt`, without encoding anything: the mean of their places,
 * from 0, the first document's start, to 1, the last one's end.
 */
export function evidencePlaceAt(
  example: Example,
  documents: number,
  options: Pick<ComposeOptions, 'seed' | 'pool'>,
): number | Refused {
  const selection = new Selection(example, options);
  const missing = documents - selection.size;
  if (missing < 0) return { refused: 'short-exceeds-budget' };
  const refused = selection.take(missing);
  if (refused) return refused;
  const places = selection
    .ordered(`at ${documents}`)
    .flatMap(({ relevant }, place) => (relevant ? [(place + 0.5) / documents] : []));
  return places.reduce((sum, place) => sum + place, 0) / places.length;
}

/** One example's documents, as they are chosen. */
class Selection {
  readonly #items: Item[];
  readonly #distractors: Iterator<Item, void, undefined>;
  readonly #ahead: Item[] = [];

  constructor(
    private readonly example: Example,
    private readonly selecting: Pick<ComposeOptions, 'seed' | 'pool'>,
  ) {
    const own = example.documents.map((document, index) => ({ document, index, relevant: document.relevant }));
    this.#items = own.filter(({ relevant }) => relevant);
    this.#distractors = this.#distractorsOf(own.filter(({ relevant }) => !relevant));
  }

  get size(): number {
    return this.#items.length;
  }

  take(count: number): Refused | undefined {
    if (!this.#items.some(({ relevant }) => relevant)) return { refused: 'no-relevant-document' };
    for (let taken = 0; taken < count; taken++) {
      const item = this.draw();
      if (!item) return { refused: 'too-few-documents' };
      this.#items.push(item);
    }
    return undefined;
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  /** The next distractor, which is not taken yet. */
  draw(): Item | undefined {
    return this.#ahead.shift() ?? this.#distractors.next().value ?? undefined;
  }

  /** The next ones, which stay to be drawn; so many, or all. */
  lookAhead(count: number): readonly Item[] {
    while (this.#ahead.length < count) {
      const item = this.#distractors.next().value ?? undefined;
      if (!item) break;
      this.#ahead.push(item);
    }
    return this.#ahead;
  }

  ordered(purpose: string, items: readonly Item[] = this.#items): Item[] {
    return this.#random('order', purpose).shuffle(items);
  }

  *#distractorsOf(own: readonly Item[]): Generator<Item, void, undefined> {
    const { example } = this;
    yield* this.#random('distractors').shuffle(own);
    let index = example.documents.length;
    for (const document of this.selecting.pool?.draw(example, this.#random('pool')) ?? []) {
      yield { document, index: index++, relevant: false };
    }
  }

  #random(...purpose: readonly string[]): Random {
    return new Random('contexts', this.selecting.seed, this.example.id, ...purpose);
  }
}

/** Prompts of what is chosen. */
class Composer extends Selection {
  readonly #frame;

  constructor(
    example: Example,
    private readonly options: ComposeOptions,
  ) {
    super(example, options);
    this.#frame = framePrompt(example.question, options.prompt, options.text);
  }

  compose(purpose: string, items: readonly Item[] = this.items): ComposedContext {
    const { prompt, text } = this.options;
    return assemble(this.ordered(purpose, items), this.#frame, prompt, text);
  }

  /**
   * The longest context of at most `maxTokens`: chosen by the sum of the documents' own tokens, then measured.
   * `undefined` where no further document fits.
   */
  fill(maxTokens: number): ComposedContext | undefined {
    const { prompt, text } = this.options;
    const sizeOf = ({ document }: Item) => pieceOf(document, prompt, text).stretch.tokens.length;
    const tail = this.#frame.tail.startsWith(prompt.separator)
      ? this.#frame.tail.slice(prompt.separator.length)
      : this.#frame.tail;

    const chosen = [...this.items];
    const missed: Item[] = [];
    const [head] = encodeStretches([this.#frame.head], text) as [Stretch];
    let size = head.tokens.length + (text.encodeKept([tail])[0] as Int32Array).length;
    for (const item of chosen) size += sizeOf(item);
    for (let drawn = 0; missed.length < MISSES; drawn++) {
      if (drawn % AHEAD === 0)
        piecesOf(
          this.lookAhead(AHEAD).map(({ document }) => document),
          prompt,
          text,
        );
      const item = this.draw();
      if (!item) break;
      if (size + sizeOf(item) > maxTokens) {
        missed.push(item);
      } else {
        chosen.push(item);
        size += sizeOf(item);
      }
    }

    const measure = () => (chosen.length > this.size ? this.compose('long', chosen) : undefined);
    let context = measure();
    while (context && context.tokens.length > maxTokens) {
      chosen.pop();
      context = measure();
    }
    // The sum may be a few tokens too high (a separator or a merge at a border): what it kept out may fit after all.
    let room = maxTokens - (context?.tokens.length ?? size);
    for (const item of missed) {
      if (sizeOf(item) > room) continue;
      const longer = this.compose('long', [...chosen, item]);
      if (longer.tokens.length > maxTokens) continue;
      chosen.push(item);
      context = longer;
      room = maxTokens - longer.tokens.length;
    }
    return context;
  }
}
