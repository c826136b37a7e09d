import { createHash, hash } from 'node:crypto';
import { extname } from 'node:path';
import type { JsonObject } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';
import type {
  TokenizerCall,
  TokenizerCalls,
  TokenizerHost,
  TokenizerReply,
  TokenizerRequest,
  TokenizerSource,
} from './tokenizer.messages.ts';
import { WaitedThread } from './waited-thread.ts';

const PROGRAM = new URL(`./tokenizer.worker${extname(import.meta.url)}`, import.meta.url);
/** For a text, and so much more for each of its characters: the slowest tokenizers stay a hundred times below. */
const LIMIT_MS = 120_000;
const LIMIT_MS_PER_CHARACTER = 0.1;

let host: TokenizerHost = 'child';
let thread: WaitedThread<TokenizerRequest, TokenizerReply> | undefined;

/**
 * For a process that may die, and encodes much: the native library runs in it, not in a child of its own.
 * Call it before anything is encoded.
 */
export function tokenizeHere(): void {
  host = 'here';
}

/**
 * A tokenizer of the tokenizers library, which runs elsewhere (see `NativeTokenizers`): the calling thread waits for it.
 * Its process is started with the first call, and anew when it has died.
 */
export class Tokenizer {
  /** Of its source: equal tokenizers give equal ids. */
  readonly digest: string;
  /** One more than the greatest id. */
  readonly vocabularySize: number;
  readonly #source: TokenizerCalls['open']['input'];

  constructor({ json, added }: TokenizerSource) {
    const own = (json['added_tokens'] as readonly { readonly content: string }[]).map(({ content }) => content);
    this.#source = {
      json: JSON.stringify(json),
      added,
      beside: [...new Set([...own, ...added.map(({ content }) => content)])],
    };
    this.digest = createHash('sha256').update(JSON.stringify(added)).update(this.#source.json).digest('hex');
    this.vocabularySize = 1 + Math.max(greatestId(json), this.#open());
    opened.register(this, this.digest);
  }

  /** Without the tokens that the tokenizer puts around a text, unless they are asked for. */
  encode(texts: readonly string[], { addSpecialTokens = false } = {}): Int32Array[] {
    if (texts.length === 0) return [];
    const length = texts.reduce((sum, text) => sum + text.length, 0);
    const { ids, counts } = this.#call('encode', { texts, addSpecialTokens }, length);
    let offset = 0;
    return Array.from(counts, (count) => ids.slice(offset, (offset += count)));
  }

  decode(lists: readonly Int32Array[], skipSpecial: boolean): readonly string[] {
    const length = lists.reduce((sum, ids) => sum + ids.length, 0);
    return this.#call('decode', { lists, skipSpecial }, length);
  }

  idOf(token: string): number | undefined {
    return this.#call('idOf', token, token.length) ?? undefined;
  }

  /** Names a text's ids by this tokenizer. */
  keyOf(text: string): string {
    return hash('sha256', `${this.digest}${text}`, 'base64');
  }

  #open(): TokenizerCalls['open']['output'] {
    const reply = ask({ kind: 'open', tokenizer: this.digest, input: this.#source }, this.#source.json.length);
    if ('output' in reply) return reply.output as TokenizerCalls['open']['output'];
    throw new TextModelError(
      'tokenizer.json',
      `not a tokenizer that can be read (${reply.reason}); save it again with the tokenizers library`,
    );
  }

  #call<K extends Exclude<TokenizerCall, 'open'>>(
    kind: K,
    input: TokenizerCalls[K]['input'],
    length: number,
  ): TokenizerCalls[K]['output'] {
    const request = { kind, tokenizer: this.digest, input } as TokenizerRequest;
    let reply = ask(request, length);
    if ('fault' in reply && reply.fault === 'not open') {
      this.#open();
      reply = ask(request, length);
    }
    if ('output' in reply) return reply.output;
    throw new TextModelError(
      'tokenizer.json',
      `cannot ${kind === 'decode' ? 'decode' : 'encode'} what it was given (${reply.reason}); mend the tokenizer, or the text`,
    );
  }
}

function greatestId(json: JsonObject): number {
  const { vocab } = json['model'] as JsonObject;
  if (Array.isArray(vocab)) return vocab.length - 1;
  return Object.values(vocab as Readonly<Record<string, number>>).reduce((a, b) => Math.max(a, b), -1);
}

/** Tokenizers that nobody holds any more are closed. One that is there twice is opened again when it is asked. */
const opened = new FinalizationRegistry<string>((tokenizer) => {
  if (thread) ask({ kind: 'close', tokenizer, input: null }, 0);
});

function ask(request: TokenizerRequest, length: number): TokenizerReply {
  thread ??= new WaitedThread(PROGRAM, { host });
  const silentAt = performance.now() + LIMIT_MS + LIMIT_MS_PER_CHARACTER * length;
  const reply = thread.ask(request, () => silentAt - performance.now());
  if (reply) return reply;
  thread.end();
  thread = undefined;
  return { fault: 'died', reason: `no answer in ${Math.round(LIMIT_MS / 1000)} seconds` };
}
