import { normalizeCase } from '../normalize.ts';

/** Right when any of the answers occurs in the text, whatever its case. */
export function subEm(text: string, answers: readonly string[]): boolean {
  const given = normalizeCase(text);
  return answers.map(normalizeCase).some((answer) => answer !== '' && given.includes(answer));
}
