import { isTooDeep, TOO_DEEP } from '@solopo/text';
import { elementsOf } from './elements.ts';
import { linesOf } from './lines.ts';
import { demandJson, HEAD_LENGTH } from './other-files.ts';
import { NOT_UTF8, textOf } from './utf8.ts';

/** A value by its number from 1, or why there is none: of a line, or of an element of the array. */
export type JsonRecord =
  { readonly line: number; readonly value: unknown } | { readonly line: number; readonly reason: string };

const BYTES = 'has bytes that are not UTF-8';

/**
 * The values of a file of JSON lines, or of one JSON array, read as they come: never more than one of them is held, of at
 * most `maxLength` characters. A line that cannot be read says why, and the rest is read on; blank ones count but say nothing.
 *
 * @throws SolopoError `dataset-invalid` for an array that is no JSON, and for a file of another kind
 */
export async function* recordsOf(
  content: AsyncIterable<Uint8Array | string>,
  maxLength: number,
): AsyncGenerator<JsonRecord, void, undefined> {
  const { head, text } = await begin(textOf(content));
  demandJson(head);
  if (head.startsWith('[')) yield* ofArray(text, maxLength);
  else yield* ofLines(text, maxLength);
}

async function* ofArray(text: AsyncIterable<string>, maxLength: number): AsyncGenerator<JsonRecord, void, undefined> {
  let line = 0;
  for await (const value of elementsOf(text, maxLength)) {
    line += 1;
    yield { line, ...sound(value) };
  }
}

async function* ofLines(text: AsyncIterable<string>, maxLength: number): AsyncGenerator<JsonRecord, void, undefined> {
  let line = 0;
  for await (const content of linesOf(text, maxLength)) {
    line += 1;
    if (content === undefined) yield { line, reason: `has more than ${maxLength} characters` };
    else if (content.trim() !== '') yield { line, ...parse(content) };
  }
}

function parse(content: string): { value: unknown } | { reason: string } {
  if (content.includes(NOT_UTF8)) return { reason: BYTES };
  try {
    return sound(JSON.parse(content));
  } catch (error) {
    return { reason: `not JSON: ${(error as Error).message}` };
  }
}

function sound(value: unknown): { value: unknown } | { reason: string } {
  if (isTooDeep(value)) return { reason: TOO_DEEP };
  return hasText(value, NOT_UTF8) ? { reason: BYTES } : { value };
}

/** The text from its first character that is not white space on, some of it, and the whole without its byte order mark. */
async function begin(
  pieces: AsyncGenerator<string, void, undefined>,
): Promise<{ head: string; text: AsyncIterable<string> }> {
  let read = '';
  let head = '';
  while (head.length < HEAD_LENGTH) {
    const { done, value } = await pieces.next();
    if (done === true) break;
    const piece = read === '' ? value.replace(/^\uFEFF/, '') : value;
    read += piece;
    head += head === '' ? piece.trimStart() : piece;
  }
  return { head, text: followed(read, pieces) };
}

async function* followed(first: string, rest: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  yield first;
  yield* rest;
}

function hasText(value: unknown, wanted: string): boolean {
  if (typeof value === 'string') return value.includes(wanted);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, member]) => key.includes(wanted) || hasText(member, wanted));
}
