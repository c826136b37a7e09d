import type { EvidenceSpan } from '@solopo/ledger';

interface Decoder {
  decode(ids: ArrayLike<number>): string;
}

export interface Segment {
  readonly text: string;
  readonly evidence: boolean;
}

/** A token's text may hang on the few before it: the rest of a character, or a space that only the first word lacks. */
const WINDOW = 8;

/** The whole text in order, cut where evidence begins and ends. Joined, the segments are the text. */
export function segmentsOf(decoder: Decoder, tokens: Int32Array, evidence: readonly EvidenceSpan[]): Segment[] {
  const borders = [0, ...evidence.flatMap(({ start, end }) => [start, end]), tokens.length];
  const cuts = [...new Set(borders)].sort((a, b) => a - b);
  return cuts.slice(1).flatMap((to, index) => {
    const from = cuts[index] ?? 0;
    const text = addedText(decoder, tokens, from, to);
    const isEvidence = evidence.some(({ start, end }) => start <= from && to <= end);
    return text === '' ? [] : [{ text, evidence: isEvidence }];
  });
}

/** What each token adds to the text. */
export function piecesOf(decoder: Decoder, tokens: Int32Array): string[] {
  return Array.from(tokens, (_, index) => addedText(decoder, tokens, index, index + 1));
}

function addedText(decoder: Decoder, tokens: Int32Array, from: number, to: number): string {
  const start = Math.max(0, from - WINDOW);
  const before = decoder.decode(tokens.subarray(start, from));
  const whole = decoder.decode(tokens.subarray(start, to));
  return whole.startsWith(before) ? whole.slice(before.length) : decoder.decode(tokens.subarray(from, to));
}
