import { AddedToken, Tokenizer } from 'tokenizers';
import type {
  EncodedTexts,
  TokenizerCall,
  TokenizerCalls,
  TokenizerReply,
  TokenizerRequest,
} from './tokenizer.messages.ts';

/** Characters that are encoded at a time: an encoding has a hundred bytes a token besides its id. */
const BATCH_LENGTH = 1_000_000;

/**
 * The tokenizers library in this process. It is native code that works with what comes with a model: a pattern that
 * backtracks too long, or a normalizer that makes a text longer than the memory, ends the whole process.
 */
export class NativeTokenizers {
  readonly #open = new Map<string, Tokenizer>();

  async answer(request: TokenizerRequest): Promise<TokenizerReply> {
    try {
      const output = await this.#output(request);
      return output === undefined ? { fault: 'not open', reason: 'a new process' } : { output };
    } catch (error) {
      return { fault: 'failed', reason: (error as Error).message };
    }
  }

  async #output({
    kind,
    tokenizer: name,
    input,
  }: TokenizerRequest): Promise<TokenizerCalls[TokenizerCall]['output'] | undefined> {
    if (kind === 'open') {
      const made = tokenizerOf(input);
      this.#open.set(name, made);
      return input.beside.reduce((greatest, token) => Math.max(greatest, made.tokenToId(token) ?? -1), -1);
    }
    if (kind === 'close') {
      this.#open.delete(name);
      return null;
    }
    const tokenizer = this.#open.get(name);
    if (!tokenizer) return undefined;
    if (kind === 'idOf') return tokenizer.tokenToId(input);
    if (kind === 'encode') return encode(tokenizer, input);
    return tokenizer.decodeBatch(
      input.lists.map((ids) => Array.from(ids)),
      input.skipSpecial,
    );
  }
}

function tokenizerOf({ json, added }: TokenizerCalls['open']['input']): Tokenizer {
  const tokenizer = Tokenizer.fromString(json);
  const tokens = added.map(({ content, special, ...flags }) => new AddedToken(content, special, flags));
  if (tokens.length > 0) tokenizer.addAddedTokens(tokens);
  return tokenizer;
}

async function encode(
  tokenizer: Tokenizer,
  { texts, addSpecialTokens }: TokenizerCalls['encode']['input'],
): Promise<EncodedTexts> {
  const lists: number[][] = [];
  for (const batch of batchesOf(texts)) {
    const encodings = await tokenizer.encodeBatch(batch, { addSpecialTokens });
    lists.push(...encodings.map((encoding) => encoding.getIds()));
  }
  const counts = Int32Array.from(lists, ({ length }) => length);
  const ids = new Int32Array(counts.reduce((sum, count) => sum + count, 0));
  let offset = 0;
  for (const list of lists) {
    ids.set(list, offset);
    offset += list.length;
  }
  return { ids, counts };
}

function* batchesOf(texts: readonly string[]): Generator<string[], void, undefined> {
  let batch: string[] = [];
  let length = 0;
  for (const text of texts) {
    if (batch.length > 0 && length + text.length > BATCH_LENGTH) {
      yield batch;
      [batch, length] = [[], 0];
    }
    batch.push(text);
    length += text.length;
  }
  if (batch.length > 0) yield batch;
}
