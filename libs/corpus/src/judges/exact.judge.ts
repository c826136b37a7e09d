import { normalize } from '../normalize.ts';
import { formOf } from './hotpotqa.ts';

/** Right when the text is one of the answers, but for what HotpotQA's normalisation leaves out. */
export function exact(text: string, answers: readonly string[]): boolean {
  return answers.some((answer) => {
    const form = formOf(answer);
    return form !== undefined && form(text) === form(answer);
  });
}

/** Right when the text is one of the answers, but for white space. */
export function exactCharacters(text: string, answers: readonly string[]): boolean {
  const given = normalize(text);
  return given !== '' && answers.map(normalize).includes(given);
}
