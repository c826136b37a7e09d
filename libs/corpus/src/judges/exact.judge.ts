import { normalize } from '../normalize.ts';

/** Right when the text is one of the answers, but for white space. */
export function exact(text: string, answers: readonly string[]): boolean {
  const given = normalize(text);
  return given !== '' && answers.map(normalize).includes(given);
}
