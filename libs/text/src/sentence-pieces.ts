/*
 * Parts of a tokenizer.json for pieces with scores, as llama2.c and llama.cpp encode with them: characters (bytes for those without a
 * piece), of which neighbours are joined whose piece has the highest score, the first of them where it is there twice, until none
 * is left. That is byte-pair encoding with each way to halve a piece as a merge, in the order of the pieces' scores.
 */

/** What sentencepiece writes for a space. */
export const SPACE = '▁';

export interface ScoredPiece {
  readonly text: string;
  readonly score: number;
}

/** Each way to halve a piece into two others, the piece of the highest score first. */
export function mergesOf(pieces: readonly ScoredPiece[]): [string, string][] {
  const known = new Set(pieces.map(({ text }) => text));
  return [...pieces]
    .sort((a, b) => b.score - a.score)
    .flatMap(({ text }) => {
      const characters = [...text];
      return characters
        .slice(1)
        .map((_, cut): [string, string] => [characters.slice(0, cut + 1).join(''), characters.slice(cut + 1).join('')])
        .filter((halves) => halves.every((half) => known.has(half)));
    });
}

/** @param prefixed texts begin with a space that is not shown again */
export function pieceNormalizer(prefixed: boolean): object {
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: SPACE };
  return prefixed ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: SPACE }, spaces] } : spaces;
}

export function pieceDecoder(prefixed: boolean): object {
  const decoders = [
    { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(prefixed ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ];
  return { type: 'Sequence', decoders };
}

/** Puts a token before a text, for those who encode with special tokens. */
export function firstTokenProcessor(token: string, id: number): object {
  const sequence = (part: 'A' | 'B', type: number) => [
    { SpecialToken: { id: token, type_id: type } },
    { Sequence: { id: part, type_id: type } },
  ];
  return {
    type: 'TemplateProcessing',
    single: sequence('A', 0),
    pair: [...sequence('A', 0), ...sequence('B', 1)],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}
