import type { JsonObject } from './text-files.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { TokenizerSource } from './tokenizer.messages.ts';

/**
 * Tokens by their ids that were added to the tokenizer and not to the model (`add_special_tokens` without `resize_token_embeddings`):
 * its tables have `vocabSize` rows. None where tokens of the tokenizer's own vocabulary have none either: it is another model's.
 */
export function tokensWithoutRow(
  { json, added }: TokenizerSource,
  vocabSize: unknown,
  tokenizer: Tokenizer,
): ReadonlyMap<number, string> {
  if (!Number.isSafeInteger(vocabSize) || tokenizer.vocabularySize <= Number(vocabSize)) return new Map();
  const own = (json['added_tokens'] ?? []) as readonly { readonly content: string }[];
  const contents = new Set([...own, ...added].map(({ content }) => content));
  const isWithout = (id: number | undefined): id is number => id !== undefined && id >= Number(vocabSize);
  if (vocabularyOf(json).some(([piece, id]) => isWithout(id) && !contents.has(piece))) return new Map();
  return new Map(
    [...contents].flatMap((content) => {
      const id = tokenizer.idOf(content);
      return isWithout(id) ? [[id, content] as const] : [];
    }),
  );
}

function vocabularyOf(json: JsonObject): readonly (readonly [piece: string, id: number])[] {
  const { vocab } = json['model'] as JsonObject;
  if (Array.isArray(vocab)) return (vocab as readonly (readonly [string, number])[]).map(([piece], id) => [piece, id]);
  return Object.entries(vocab as Readonly<Record<string, number>>);
}
